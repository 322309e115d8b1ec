"""Every reader of files, with a whole file of its kind: what the fuzzer changes, and who reads it then."""

import functools
import gzip
import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from tiny import experiment, run

import gru_lab
from gru_lab import UserError, convert
from gru_lab.data import images, mot, multi30k, music, series, speech, text
from gru_lab.data.files import File, content
from gru_lab.reports.live import live
from gru_lab.runs import RunFolder, archive, find_records
from gru_lab.runs.arrays import load_arrays
from gru_lab.runs.claim import claim
from gru_lab.runs.log import read_lines
from gru_lab.runs.record import checksum
from gru_lab.runs.sweep import states
from gru_lab.training.callbacks.diagnostics import Diagnostics
from gru_lab.training.run import begun_parts


@dataclass(frozen=True)
class Reader:
    """A reader, with a whole file of its kind.

    Attributes:
        whole: the bytes of such a file.
        read: what reads the file at a path.
        ending: of the file's name.
        tree: for files of JSON: the value in them, so that a changed one can be written again; with `sealed` a
            checksum that fits is put into it.
    """

    whole: Callable[[], bytes]
    read: Callable[[Path], object]
    ending: str = ""
    tree: bool = False
    sealed: bool = False

    def written(self, value):
        """A changed value as the file that the reader takes for whole."""
        if self.sealed and isinstance(value, dict):
            value = {name: each for name, each in value.items() if name != "checksum"}
            value["checksum"] = checksum(value)
        return json.dumps(value).encode() + b"\n"


@functools.cache
def finished() -> Path:
    """The folder of a sweep of one run with one member."""
    folder = Path(tempfile.mkdtemp(prefix="gru-lab-fuzz-")) / "s"
    run(experiment(seeds=1), folder, [Diagnostics(names=("gradient_flow",))])
    return folder


def of_run(pattern):
    """The bytes of a file in the finished run."""
    return lambda: next(finished().glob(f"*/{pattern}")).read_bytes()


def in_run(pattern, *readers):
    """A reader of a run in which one file is another; the sweep is read in all ways that we have."""

    def read(path):
        folder = path.parent / "sweep"
        shutil.copytree(finished(), folder, dirs_exist_ok=True)
        place = next(finished().glob(f"*/{pattern}")).relative_to(finished())
        shutil.copyfile(path, folder / place)
        run_folder = RunFolder(folder / place.parts[0])
        member = run_folder.member(run_folder.members()[0])
        rarely = zlib.crc32(path.read_bytes()) % 8 > 0  # to train again takes a second
        for reader in readers:
            if reader is WAYS["train"] and rarely:
                continue
            try:
                reader(folder, run_folder, member)
            except UserError as error:
                one_sentence(error)

    return read


def one_sentence(error):
    """An error of the user's is one line, and short enough to be read."""
    assert len(str(error).splitlines()) == 1, repr(str(error))
    assert len(str(error)) < 2000, f"{len(str(error))} letters: {str(error)[:200]}"


def while_it_trains(sweep, run_folder, member):
    """The page of a run that trains, which reads what no record vouches for."""
    (member.path / "record.json").unlink(missing_ok=True)
    with claim(run_folder.path / "claim.lock"):
        live(sweep).write("html")


WAYS = {
    "records": lambda sweep, run, member: find_records([sweep]),
    "states": lambda sweep, run, member: states(sweep),
    "live": lambda sweep, run, member: live(sweep).write("html"),
    "load": lambda sweep, run, member: gru_lab.load(run.path),
    "running": while_it_trains,
    "failure": lambda sweep, run, member: (run.failure, begun_parts(run.path)),
    "metrics": lambda sweep, run, member: member.read_metrics(),
    "moments": lambda sweep, run, member: (known := member.measured("gradient_flow")) and known.over_time(),
    "export": lambda sweep, run, member: archive.export_members([sweep], sweep.parent / "archive"),
    "train": lambda sweep, run, member: gru_lab.run(experiment(seeds=1), sweep, say=lambda sentence: None),
}


def ways(*names):
    return [WAYS[name] for name in names]


def weights(ending):
    def whole():
        path = Path(tempfile.mkdtemp()) / f"w{ending}"
        arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.float32)}
        if ending == ".keras":
            inner = path.with_suffix(".h5")
            convert.write(inner, arrays)
            with zipfile.ZipFile(path, "w") as archive:
                archive.write(inner, "model.weights.h5")
        else:
            convert.write(path, arrays)
        return path.read_bytes()

    return whole


def specimen(name):
    return lambda: (Path(os.environ["GRU_LAB_DATA"]) / name).read_bytes()


def wave():
    from scipy.io import wavfile

    file = io.BytesIO()
    wavfile.write(file, 8000, np.arange(-50, 50, dtype=np.int16))
    return file.getvalue()


def drained(dataset, *names):
    """All examples of a set whose file is at a path; the other files of the set are whole."""

    def read(path):
        folder = Path(os.environ["GRU_LAB_DATA"]) / dataset.folder
        files = [file for file in dataset.files if file.name not in names[:1]]
        contents = {file.name: content(folder / file.name, file) for file in files}
        contents = {names[0]: path.read_bytes()} | contents if names else {dataset.files[0].name: path.read_bytes()}
        ordered = {file.name: contents[file.name] for file in dataset.files}
        for examples in dataset.read(ordered).values():
            for _, example in examples:
                dataset.arrays(example)

    return read


def packed(path):
    """A file of a user's that is compressed."""
    return content(path, File(path.name))


def archived():
    """The logs of an archive of members."""
    folder = Path(tempfile.mkdtemp())
    archive.export_members([finished()], folder)
    return folder


def imported(name):
    def read(path):
        whole = archived()
        shutil.copyfile(path, whole / name)
        archive.import_members(whole, path.parent / "imported")

    return read


READERS = {
    "record": Reader(
        of_run("members/*/record.json"),
        in_run("members/*/record.json", *ways("records", "states", "live", "load", "export", "train")),
        ".json",
        True,
        True,
    ),
    "metrics": Reader(
        of_run("members/*/metrics.jsonl"),
        in_run("members/*/metrics.jsonl", *ways("metrics", "live", "records", "export", "running", "train")),
        ".jsonl",
    ),
    "metrics line": Reader(
        lambda: of_run("members/*/metrics.jsonl")().splitlines()[0],
        in_run("members/*/metrics.jsonl", *ways("metrics", "live", "running")),
        ".jsonl",
        True,
    ),
    "measurements": Reader(
        of_run("members/*/measurements/*.jsonl"),
        in_run("members/*/measurements/*.jsonl", *ways("moments", "records", "live", "export", "train")),
        ".jsonl",
    ),
    "checkpoint": Reader(
        of_run("members/*/checkpoint.safetensors"),
        in_run("members/*/checkpoint.safetensors", *ways("load", "train")),
        ".safetensors",
    ),
    "layout": Reader(
        of_run("members/*/layout.json"),
        in_run("members/*/layout.json", *ways("failure", "records", "train")),
        ".json",
        True,
        True,
    ),
    "config": Reader(
        of_run("config.yaml"),
        in_run("config.yaml", *ways("records", "states", "live", "load", "export", "train")),
        ".yaml",
    ),
    "arrays": Reader(of_run("members/*/checkpoint.safetensors"), load_arrays, ".safetensors"),
    "lines": Reader(of_run("members/*/metrics.jsonl"), read_lines, ".jsonl"),
    "archive runs": Reader(lambda: (archived() / archive.RUNS).read_bytes(), imported(archive.RUNS), ".csv"),
    "archive members": Reader(lambda: (archived() / archive.MEMBERS).read_bytes(), imported(archive.MEMBERS), ".csv"),
    "archive logs": Reader(lambda: (archived() / archive.LOGS).read_bytes(), imported(archive.LOGS), ".csv.gz"),
    "safetensors": Reader(weights(".safetensors"), convert.read, ".safetensors"),
    "npz": Reader(weights(".npz"), convert.read, ".npz"),
    "h5": Reader(weights(".h5"), convert.read, ".h5"),
    "keras": Reader(weights(".keras"), convert.read, ".keras"),
    "pt": Reader(weights(".pt"), convert.read, ".pt"),
    "mat": Reader(specimen("poly_music/JSB_Chorales.mat"), drained(music.SETS["jsb_chorales"]), ".mat"),
    "csv": Reader(specimen("series.csv"), series.read_series, ".csv"),
    "csv with gaps": Reader(specimen("series.csv"), lambda path: series.read_series(path, fill=True), ".csv"),
    "mot": Reader(specimen("tracks.txt"), lambda path: mot.read_tracks(path, 3), ".txt"),
    "text": Reader(specimen("text.txt"), text.read_text, ".txt"),
    "wav": Reader(wave, lambda path: speech.read_wave(path.read_bytes(), path.name), ".wav"),
    "recordings": Reader(specimen("spoken_digit/recordings.tar.gz"), drained(speech.SPOKEN_DIGIT), ".tar.gz"),
    "cifar": Reader(specimen("cifar10/cifar-10-binary.tar.gz"), drained(images.CIFAR10), ".tar.gz"),
    "idx": Reader(
        lambda: gzip.decompress(specimen("mnist/t10k-labels-idx1-ubyte.gz")()),
        drained(images.MNIST, "t10k-labels-idx1-ubyte.gz"),
        ".idx",
    ),
    "packed": Reader(specimen("mnist/t10k-labels-idx1-ubyte.gz"), packed, ".gz"),
    "reviews": Reader(
        lambda: gzip.decompress(specimen("imdb/test.jsonl.gz")()), drained(text.IMDB, "test.jsonl.gz"), ".jsonl"
    ),
    "sentences": Reader(
        lambda: gzip.decompress(specimen("multi30k/val.en.gz")()),
        lambda path: multi30k.sentences(path.read_bytes(), path.name),
        ".en",
    ),
    "yaml": Reader(of_run("config.yaml"), lambda path: RunFolder(path.parent).config, "/config.yaml"),
}


def survives(reader, data, folder):
    """Read bytes; whatever is wrong with them is a `UserError` of one sentence."""
    path = folder / "config.yaml" if reader.ending == "/config.yaml" else folder / f"file{reader.ending}"
    path.write_bytes(data)
    try:
        reader.read(path)
    except UserError as error:
        one_sentence(error)


def with_torch():
    """True if PyTorch is there, which alone reads its files."""
    import importlib.util

    return importlib.util.find_spec("torch") is not None


def change(value):
    """YAML of a value, as our configurations are written."""
    return yaml.safe_dump(value, sort_keys=False).encode()
