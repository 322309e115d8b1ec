"""Recordings of speech, and their log-mel frames: spoken digits and Speech Commands."""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gru_lab.archives import tar_files
from gru_lab.data.files import File
from gru_lab.data.sets import Contents, DataSet, Example
from gru_lab.errors import UserError

RATE = 8000  # samples per second of the digits
NAME = re.compile(r"(\d)_(\w+)_(\d+)\.wav")
WINDOW, HOP, BANDS = 0.025, 0.01, 40  # seconds, seconds, frequency bands

COMMANDS_RATE = 16000
WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
SILENCE, UNKNOWN = len(WORDS), len(WORDS) + 1
NOISE, LISTS = "_background_noise_", ("validation_list.txt", "testing_list.txt")


def read_wave(data: bytes, name: str, rate: int = RATE) -> np.ndarray:
    """The samples of a recording, 16 bits each, one channel.

    Raises:
        UserError: if it is damaged, or of another rate or form.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of notes beside the samples
            heard, samples = wavfile.read(io.BytesIO(data))
    except Exception as error:  # SciPy raises what its parser meets
        raise UserError(f"{name} ({len(data):,} bytes) is damaged or not a WAV file: {error}") from None
    if heard != rate:
        raise UserError(f"{name} has {heard:,} samples per second where {rate:,} are expected: convert it")
    if samples.dtype != np.int16 or samples.ndim != 1 or not len(samples):
        raise UserError(f"{name} is not a recording of one channel with 16 bits per sample")
    return samples


def _packed(contents: Contents, name: str, wanted: Callable[[str], Any]) -> Iterator[tuple[str, bytes]]:
    """Path and content of the wanted files of an archive."""
    return tar_files(contents[name], name, wanted)


def _read_digits(contents: Contents) -> dict[str, Iterator[tuple[Any, Example]]]:
    (name,) = contents

    def recordings() -> Iterator[tuple[Any, Example]]:
        count = 0
        for path, data in _packed(contents, name, lambda path: NAME.fullmatch(path.rpartition("/")[2])):
            count, base = count + 1, path.rpartition("/")[2]
            samples = read_wave(data, base)
            yield base.removesuffix(".wav"), {"audio": samples, "label": int(base[0]), "audio/filename": base}
        if not count:
            raise UserError(f"{name} holds no recording named as in 7_jackson_32.wav")

    return {"train": recordings()}


def _read_commands(contents: Contents) -> dict[str, Iterator[tuple[Any, Example]]]:
    """The three splits as TFDS has them: by the lists in the archive, and an archive of its own for the test set."""
    main, test = contents
    lists = {path: data.decode().split() for path, data in _packed(contents, main, LISTS.__contains__)}
    if missing := [name for name in LISTS if name not in lists]:
        raise UserError(f"{main} lacks {missing[0]}: it must hold a folder per word and the lists of held-out files")
    validation, testing = (frozenset(lists[name]) for name in LISTS)

    def split_of(path: str) -> str:
        if path in validation or path == f"{NOISE}/running_tap.wav":
            return "validation"
        return "testing" if path in testing else "train"

    def recordings(archive: str, wanted: Callable[[str], bool]) -> Iterator[tuple[Any, Example]]:
        count = 0
        for path, data in _packed(contents, archive, lambda path: path.endswith(".wav") and wanted(path)):
            word, samples = path.split("/")[0], read_wave(data, path, COMMANDS_RATE)
            quiet = word in (NOISE, "_silence_")
            label = SILENCE if quiet else WORDS.index(word) if word in WORDS else UNKNOWN
            ends = range(COMMANDS_RATE, len(samples), COMMANDS_RATE // 2) if word == NOISE else [COMMANDS_RATE]
            for end in ends:  # noise is long, and cut into seconds that overlap by half
                count += 1
                yield f"{path} {end}", {"audio": samples[max(0, end - COMMANDS_RATE) : end], "label": label}
        if not count:
            raise UserError(f"{archive} holds no recording: it must hold a folder per word")

    return {
        "train": recordings(main, lambda path: split_of(path) == "train"),
        "validation": recordings(main, lambda path: split_of(path) == "validation"),
        "test": recordings(test, lambda path: True),
    }


def _features(classes: int, **others: Any) -> Any:
    import tensorflow_datasets as tfds

    return {
        "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16),  # its Audio needs TensorFlow
        "label": tfds.features.ClassLabel(num_classes=classes),
    } | {name: tfds.features.Text() for name in others}


def _arrays(example: Example) -> dict[str, Any]:
    name = example["audio/filename"]
    match = NAME.fullmatch(name.decode() if isinstance(name, bytes) else name)
    assert match is not None
    samples = np.asarray(example["audio"], np.int16)
    return {"audio": samples, "label": np.int32(example["label"]), "index": np.int32(match[3])}


SPOKEN_DIGIT = DataSet(
    name="free_spoken_digit",  # the `spoken_digit` of TFDS cannot be read without TensorFlow
    version="1.0.9",
    folder="spoken_digit",
    files=(
        File(
            "recordings.tar.gz",
            url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
        ),
    ),
    features=lambda: _features(10, **{"audio/filename": str}),
    read=_read_digits,
    arrays=_arrays,
    splits=("train",),
)


SPEECH_COMMANDS = DataSet(
    name="speech_commands_v2",  # the `speech_commands` of TFDS cannot be read without TensorFlow
    version="0.0.3",
    folder="speech_commands",
    files=(
        File(
            "speech_commands_v0.02.tar.gz",
            2428923189,
            "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        ),
        File(
            "speech_commands_test_set_v0.02.tar.gz",
            112563277,
            "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
            "http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz",
        ),
    ),
    features=lambda: _features(len(WORDS) + 2),
    read=_read_commands,
    arrays=lambda example: {
        "audio": np.asarray(example["audio"], np.int16),
        "label": np.int32(example["label"]),  # pyright: ignore
    },
    splits=("train", "validation", "test"),
)


def log_mel(samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Log-mel frames (frames, 40) of one recording, one frame per 10 ms.

    Hann windows of 25 ms; the power of their spectrum in 40 triangular bands, equally wide on the mel scale
    `2595 log10(1 + f / 700)` from 0 to half the rate; its natural logarithm. Samples are scaled to -1 to 1.
    """
    window, hop = int(WINDOW * rate), int(HOP * rate)
    xs = samples.astype(np.float32) / 32768
    xs = np.pad(xs, (0, max(0, window - len(xs))))
    frames = np.lib.stride_tricks.sliding_window_view(xs, window)[::hop] * np.hanning(window)
    size = _spectrum(rate)
    power = np.abs(np.fft.rfft(frames, size)) ** 2
    return np.log(power @ bands(rate).T + 1e-6).astype(np.float32)


def _spectrum(rate: int) -> int:
    """The length of the Fourier transform: the next power of two."""
    return 1 << (int(WINDOW * rate) - 1).bit_length()


def bands(rate: int = RATE) -> np.ndarray:
    """The weights of the mel bands, (40, frequencies).

    Each rises from the middle of its neighbour to its own, and falls to that of the other.

    >>> bands(8000).shape, bands(16000).shape
    ((40, 129), (40, 257))
    """
    mels = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    size = _spectrum(rate)
    frequencies = np.arange(size // 2 + 1) * rate / size
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    return np.clip(np.minimum(rising, falling), 0, None)
