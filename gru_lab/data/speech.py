"""Spoken digits: recordings of the Free Spoken Digit Dataset, and their log-mel frames."""

import io
import re
import tarfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from gru_lab.data.files import File
from gru_lab.data.sets import Contents, DataSet, Example
from gru_lab.errors import UserError

RATE = 8000  # samples per second
NAME = re.compile(r"(\d)_(\w+)_(\d+)\.wav")
WINDOW, HOP, BANDS, FFT = 200, 80, 40, 256  # 25 ms, 10 ms


def read_wave(data: bytes, name: str) -> np.ndarray:
    """The samples of a recording, 16 bits each, one channel.

    Raises:
        UserError: if it is damaged, or of another rate or form.
    """
    from scipy.io import wavfile

    try:
        rate, samples = wavfile.read(io.BytesIO(data))
    except Exception as error:  # SciPy raises what its parser meets
        raise UserError(f"{name} ({len(data):,} bytes) is damaged or not a WAV file: {error}") from None
    if rate != RATE:
        raise UserError(f"{name} has {rate:,} samples per second where {RATE:,} are expected: convert it")
    if samples.dtype != np.int16 or samples.ndim != 1 or not len(samples):
        raise UserError(f"{name} is not a recording of one channel with 16 bits per sample")
    return samples


def _read(contents: Contents) -> dict[str, Iterator[tuple[Any, Example]]]:
    ((name, data),) = contents.items()

    def recordings() -> Iterator[tuple[Any, Example]]:
        count = 0
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                for member in archive:
                    file, base = archive.extractfile(member), member.name.rpartition("/")[2]
                    match = NAME.fullmatch(base)
                    if file is None or not match:
                        continue
                    count += 1
                    samples = read_wave(file.read(), base)
                    yield base.removesuffix(".wav"), {"audio": samples, "label": int(match[1]), "audio/filename": base}
        except (tarfile.TarError, EOFError, OSError) as error:
            raise UserError(f"{name} ({len(data):,} bytes) is damaged or cut short: {error}") from None
        if not count:
            raise UserError(f"{name} holds no recording named as in 7_jackson_32.wav")

    return {"train": recordings()}


def _features() -> Any:
    import tensorflow_datasets as tfds

    return {
        "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16),  # its Audio needs TensorFlow
        "label": tfds.features.ClassLabel(num_classes=10),
        "audio/filename": tfds.features.Text(),
    }


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
    features=_features,
    read=_read,
    arrays=_arrays,
    splits=("train",),
)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Log-mel frames (frames, 40) of one recording, one frame per 10 ms.

    Hann windows of 25 ms; the power of their spectrum in 40 triangular bands, equally wide on the mel scale
    `2595 log10(1 + f / 700)` from 0 to 4,000 Hz; its natural logarithm. Samples are scaled to -1 to 1.
    """
    xs = samples.astype(np.float32) / 32768
    xs = np.pad(xs, (0, max(0, WINDOW - len(xs))))
    frames = np.lib.stride_tricks.sliding_window_view(xs, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, FFT)) ** 2
    return np.log(power @ bands().T + 1e-6).astype(np.float32)


def bands() -> np.ndarray:
    """The weights of the mel bands, (40, 129): each rises from the middle of its neighbour to its own, and falls."""
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    frequencies = np.arange(FFT // 2 + 1) * RATE / FFT
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    return np.clip(np.minimum(rising, falling), 0, None)
