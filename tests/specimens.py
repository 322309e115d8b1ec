"""Data sets of a few generated examples in the files of the real ones, with the `SHA256SUMS` that says so.

Sequences have few different lengths: every length is compiled for.
"""

import gzip
import hashlib
import io
import json
import os
import struct
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from scipy.io import savemat, wavfile

TRAIN, TEST = 240, 24  # images


def install():
    """Let this process and those that it starts look for data among the specimens.

    So tasks on data go the way of real ones: a user's files, through TFDS. The fixture `real_data` gives the real sets.
    """
    if "GRU_LAB_REAL_DATA" in os.environ:  # in a worker of pytest
        return
    beside = Path(__file__).parents[2] / "shared" / "data"
    os.environ["GRU_LAB_REAL_DATA"] = os.environ.get("GRU_LAB_DATA") or (str(beside) if beside.is_dir() else "")
    os.environ["GRU_LAB_DATA"] = tempfile.mkdtemp(prefix="gru-lab-specimens-")
    os.environ["TFDS_DATA_DIR"] = tempfile.mkdtemp(prefix="gru-lab-tfds-")
    write(Path(os.environ["GRU_LAB_DATA"]))


def write(folder):
    """Write every set into a folder of the layout that users bring."""
    for number, (name, files) in enumerate(SETS.items()):
        (folder / name).mkdir(parents=True)
        rng = np.random.RandomState(number)  # frozen: golden numbers rest on it
        contents = files(rng)
        for file, data in contents.items():
            (folder / name / file).write_bytes(data)
        sums = [f"{hashlib.sha256(data).hexdigest()}  {file}" for file, data in contents.items()]
        (folder / name / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    for number, (name, content) in enumerate(LOOSE.items()):
        (folder / name).write_text(content(np.random.RandomState(100 + number)))


def idx(array):
    """An array of bytes in the format of MNIST."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def digits(rng):
    """Images whose bright row is their label, under noise."""
    files = {}
    for split, count in (("train", TRAIN), ("t10k", TEST)):
        labels = np.arange(count) % 10
        images = rng.randint(0, 50, (count, 28, 28))
        images[np.arange(count), 2 * labels + 4] += 200
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            files[f"{split}-{name}-ubyte.gz"] = gzip.compress(idx(array), mtime=0)
    return files


def photographs(rng):
    """Rows of a label and 3,072 colours."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, count in (("data_batch_1", TRAIN), ("test_batch", TEST)):
            rows = np.concatenate([np.arange(count)[:, None] % 10, rng.randint(0, 256, (count, 3072))], axis=1)
            data = rows.astype(np.uint8).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return {"cifar-10-binary.tar.gz": packed.getvalue()}


def roll(rng, frames):
    """Notes that begin and end at random."""
    notes = np.zeros((frames, 88), np.uint8)
    for start in range(0, frames, 2):
        key = rng.randint(20, 60)
        notes[start : start + rng.randint(1, 5), [key, key + 7]] = 1
    return notes


def music(rng):
    """Rolls of few lengths, and in each split one of a single frame."""
    files = {}
    for name in ("JSB_Chorales", "Nottingham", "MuseData", "Piano_midi"):
        cells = {}
        for split in ("traindata", "validdata", "testdata"):
            cells[split] = np.empty((1, 25), object)
            for n in range(25):
                cells[split][0, n] = roll(rng, int(rng.choice([6, 9, 12])) if n else 1)
        packed = io.BytesIO()
        savemat(packed, cells)
        files[f"{name}.mat"] = packed.getvalue()
    return files


def text(rng):
    """Words drawn at random from a few."""
    words = ["the", "sea", "was", "calm", "and", "no", "wind", "blew.\n", "A", "ship", "lay", "still;"]
    return " ".join(words[n] for n in rng.randint(0, len(words), 5000))


def shakespeare(rng):
    return {"input.txt": text(rng).encode()}


def reviews(rng):
    """The label is that of the word in the middle."""
    files = {}
    for split, count in (("train", TRAIN), ("test", TEST)):
        lines = []
        for n in range(count):
            words = [f"word{k}" for k in rng.randint(0, 40, rng.choice([5, 20]))]
            words[len(words) // 2] = ["bad", "good"][n % 2]
            lines.append(json.dumps({"text": " ".join(words), "label": n % 2}))
        files[f"{split}.jsonl.gz"] = gzip.compress("\n".join(lines).encode(), mtime=0)
    return files


def recordings(rng):
    """A tone per digit, 0.2 to 0.4 seconds long."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for digit in range(10):
            for index in range(15):
                steps = np.arange(rng.randint(1600, 3200))
                tone = 8000 * np.sin(2 * np.pi * (200 + 150 * digit) * steps / 8000) + rng.randint(
                    -500, 500, len(steps)
                )
                wave = io.BytesIO()
                wavfile.write(wave, 8000, tone.astype(np.int16))
                member = tarfile.TarInfo(f"recordings/{digit}_ann_{index}.wav")
                member.size = len(wave.getvalue())
                archive.addfile(member, io.BytesIO(wave.getvalue()))
    return {"recordings.tar.gz": packed.getvalue()}


def commands(rng):
    """A tone per word at 16,000 samples per second, in the folders, lists and archives of Speech Commands."""
    words = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "bed", "cat"]
    lists = {"validation_list.txt": [], "testing_list.txt": []}
    main, test = {}, {}
    for place, word in enumerate(words):
        for n in range(9):
            path = f"{word}/{n}_nohash_0.wav"
            main[path] = spoken(rng, 200 + 150 * place, rng.choice([4800, 9600]))
            if n >= 6:
                lists["validation_list.txt" if n < 8 else "testing_list.txt"].append(path)
        test[f"{word if place < 10 else '_unknown_'}/{place}_nohash_1.wav"] = spoken(rng, 200 + 150 * place, 9600)
    for name in ("running_tap", "white_noise"):
        main[f"_background_noise_/{name}.wav"] = spoken(rng, 0, 40000)
    test["_silence_/0.wav"] = spoken(rng, 0, 16000)
    main |= {name: "\n".join(paths).encode() for name, paths in lists.items()}
    archives = {"speech_commands_v0.02.tar.gz": main, "speech_commands_test_set_v0.02.tar.gz": test}
    return {name: archived({f"./{path}": data for path, data in files.items()}) for name, files in archives.items()}


def spoken(rng, hertz, count):
    """A recording of a tone under noise."""
    tone, wave = 8000 * np.sin(2 * np.pi * hertz * np.arange(count) / 16000), io.BytesIO()
    wavfile.write(wave, 16000, (tone + rng.randint(-500, 500, count)).astype(np.int16))
    return wave.getvalue()


def archived(files):
    """An archive of files by their paths."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def translations(rng):
    """Sentences of numbers and their translation, word by word."""
    words = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier", "and": "und"}
    files = {}
    for split, count in (("train", TRAIN), ("val", TEST), ("test_2016_flickr", TEST)):
        rows = [rng.choice([*words], rng.choice([3, 6])) for _ in range(count)]
        rows = [[split[0], *row] for row in rows]  # so that validation and test have no sentence in common
        texts = {"en": rows, "de": [[words.get(word, word) for word in row] for row in rows]}
        for language, lines in texts.items():
            text = "".join(f"{' '.join(line).capitalize()}.\n" for line in lines)
            files[f"{split}.{language}.gz"] = gzip.compress(text.encode(), mtime=0)
    return files


def series(rng):
    """A season of twelve months under noise."""
    values = np.sin(np.arange(600) * np.pi / 6) + 0.1 * rng.randn(600)
    return "month,value\n" + "".join(f"m{n},{value:.6f}\n" for n, value in enumerate(values))


def tracks(rng):
    """Boxes that move straight on, with gaps."""
    rows = []
    for track in range(60):
        left, top, across, down = rng.randint(0, 500), rng.randint(0, 300), rng.randint(-8, 9), rng.randint(-8, 9)
        for n in range(rng.choice([12, 20])):
            if n == 0 or rng.rand() > 0.2:
                rows.append(
                    (10 * track + n + 1, track, left + across * n + rng.randint(0, 3), top + down * n, 40, 90, 1)
                )
    return "".join(",".join(map(str, row)) + "\n" for row in sorted(rows))


SETS = {
    "mnist": digits,
    "fashion_mnist": digits,
    "cifar10": photographs,
    "poly_music": music,
    "tiny_shakespeare": shakespeare,
    "imdb": reviews,
    "spoken_digit": recordings,
    "speech_commands": commands,
    "multi30k": translations,
}
LOOSE = {"text.txt": text, "series.csv": series, "tracks.txt": tracks}  # what users bring of their own
