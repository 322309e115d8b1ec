"""Data sets: prepared once by TensorFlow Datasets, without TensorFlow, and kept as arrays.

A set comes, in this order, from a folder that TFDS prepared, from files that the user brought, or from TFDS's download.
Its examples are then written as plain arrays to `gru_lab/<set>.safetensors` in the folder of TFDS
(`TFDS_DATA_DIR`, else `~/tensorflow_datasets`), sorted by their content: the same data give the same file wherever they
came from, and that file is what a run's identity knows of them.
"""

import contextlib
import fcntl
import functools
import hashlib
import io
import logging
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from gru_lab.data.files import FOLDER, File, brought, content, manual_dir
from gru_lab.errors import UserError, listed

PATIENCE = 4.0  # seconds for a host to answer before it counts as out of reach
LENGTHS = ":lengths"

Example = Mapping[str, Any]
Contents = Mapping[str, bytes]
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Ragged:
    """Arrays of different lengths, one after the other.

    >>> words = Ragged(np.array([1, 2, 3, 4, 5, 6]), np.array([3, 1, 2]))
    >>> words[2].tolist(), words.padded().tolist()
    ([5, 6], [[1, 2, 3], [4, 0, 0], [5, 6, 0]])
    """

    values: np.ndarray
    lengths: np.ndarray

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """The position behind the last value of each."""
        return np.cumsum(self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, n: int) -> np.ndarray:
        end = self.ends[n]
        return self.values[end - self.lengths[n] : end]

    @property
    def stacked(self) -> np.ndarray:
        """All arrays, which must be equally long, (arrays, length, ...); a view."""
        return self.values.reshape(len(self), -1, *self.values.shape[1:])

    def padded(self, longest: int | None = None) -> np.ndarray:
        """All arrays with zeros behind them, (arrays, longest, ...); cut where `longest` is shorter."""
        time = int(self.lengths.max()) if longest is None else longest
        whole = np.zeros((len(self), time, *self.values.shape[1:]), self.values.dtype)
        for row, array in zip(whole, self, strict=True):
            row[: len(array)] = array[:time]
        return whole

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[n] for n in range(len(self)))


Columns = dict[str, Any]  # a name -> Ragged, or an array of one number per example


@dataclass(frozen=True)
class DataSet:
    """A data set that TFDS knows or that the user brings.

    Attributes:
        name, version, config: under these TFDS keeps it.
        splits: those that it has.
        folder: its folder in the user's.
        files: what the user brings, and what TFDS downloads where they have addresses.
        features: the features as TFDS declares them; called when TFDS is needed.
        read: the examples of each split, with their keys, from the contents of the files.
        arrays: the arrays of an example as TFDS reads it.
        ours: False where TFDS's own builder does the download, from `host`.
    """

    name: str
    version: str
    folder: str
    files: tuple[File, ...]
    features: Callable[[], Any]
    read: Callable[[Contents], Mapping[str, Iterable[tuple[Any, Example]]]]
    arrays: Callable[[Example], Mapping[str, np.ndarray]]
    splits: tuple[str, ...] = ("train", "test")
    config: str = ""
    ours: bool = True
    host: str = ""

    @property
    def full_name(self) -> str:
        """The folder of the prepared set below that of TFDS."""
        return "/".join(part for part in (self.name, self.config, self.version) if part)


def data_dir() -> Path:
    """The folder of TFDS."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def load(dataset: DataSet, say: Say | None = None) -> dict[str, Columns]:
    """The columns of every split of a set, which is prepared first where it is not.

    Raises:
        UserError: see `prepare`.
    """
    path = prepare(dataset, say)
    return _loaded(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _loaded(path: Path, changed: int) -> dict[str, Columns]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): remove it, and it is made anew") from None
    splits: dict[str, Columns] = {}
    for name, values in arrays.items():
        split, _, column = name.partition("/")
        if not column.endswith(LENGTHS):
            lengths = arrays.get(f"{name}{LENGTHS}")
            splits.setdefault(split, {})[column] = values if lengths is None else Ragged(values, lengths)
    return splits


def prepare(dataset: DataSet, say: Say | None = None) -> Path:
    """The file of a set's arrays, made first where it is missing; whole or not there.

    Raises:
        UserError: if there are neither prepared data nor files nor a way to the place where they can be downloaded, or
            if a file is damaged.
    """
    path = data_dir() / "gru_lab" / f"{dataset.name}.safetensors"
    if path.exists():
        return path
    announce = say or (lambda sentence: print(sentence, file=sys.stderr))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be made: {error.strerror}; TFDS_DATA_DIR names another folder") from None
    with _alone(path.with_suffix(".lock")):
        if not path.exists():
            splits = _examples(dataset, _prepared(dataset, announce))
            _write(path, {split: _stacked(map(dataset.arrays, each)) for split, each in splits.items()})
    return path


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; others wait."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prepared(dataset: DataSet, say: Say) -> Path:
    """The folder that TFDS prepared, then from files of the user's, then from its download."""
    folder = data_dir() / dataset.full_name
    if (folder / "dataset_info.json").exists():
        say(f"{dataset.name}: the prepared folder {folder}")
        return folder
    files = brought(dataset.folder, dataset.files)
    if files is not None:
        say(f"{dataset.name}: files of yours in {next(iter(files.values())).parent}")
        contents = {file.name: content(files[file.name], file) for file in dataset.files}
    else:
        _check_reachable(dataset)
        say(f"{dataset.name}: downloaded by TFDS from {dataset.host or _host(dataset)}")
        contents = None
    _build(dataset, contents)
    return folder


def _host(dataset: DataSet) -> str:
    return next((host for file in dataset.files if file.url and (host := urlsplit(file.url).hostname)), "")


def _check_reachable(dataset: DataSet) -> None:
    """Raise `UserError` where the download would fail: TFDS itself tries for minutes."""
    host = dataset.host or _host(dataset)
    base = manual_dir()
    place = f"{base}/{dataset.folder}/" if base else f"FOLDER/{dataset.folder}/"
    ways = "" if base else f", and set {FOLDER} to FOLDER"
    missing = f"put {listed((file.name for file in dataset.files), 'and')} into {place}{ways}"
    if not host:
        raise UserError(f"{dataset.name} is not there, and TFDS has no download of it: {missing}")
    if not reachable(host):
        raise UserError(f"{dataset.name} is not there, and {host} cannot be reached: {missing}")


def reachable(host: str) -> bool:
    """True if a host answers within a few seconds, through the proxy if there is one."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"https://{host}/", method="HEAD"), timeout=PATIENCE):
            return True
    except urllib.error.HTTPError:
        return True  # it answers
    except (OSError, ValueError):
        return False


def _build(dataset: DataSet, contents: Contents | None) -> None:
    """Have TFDS prepare a set; from the contents of the user's files if they are given."""
    import tensorflow_datasets as tfds

    class Brought(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """The set of this name, by our reading of its files."""

        name = dataset.name
        VERSION = tfds.core.Version(dataset.version)
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=dataset.config)] if dataset.config else []

        def _info(self) -> Any:
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(dataset.features()))

        def _split_generators(self, dl_manager: Any) -> Any:
            return dataset.read(_downloaded(dataset, dl_manager) if contents is None else contents)

        def _generate_examples(self, **kwargs: Any) -> Any:
            raise NotImplementedError

    with _quiet(tfds):
        options = {"data_dir": data_dir(), "file_format": "array_record"}
        if contents is None and not dataset.ours:
            builder = tfds.builder(f"{dataset.name}/{dataset.config}".strip("/"), **options)
        else:
            builder = Brought(**options)
        builder.download_and_prepare(file_format="array_record")


def _downloaded(dataset: DataSet, manager: Any) -> Contents:
    paths = manager.download({file.name: file.url for file in dataset.files})
    return {file.name: content(Path(paths[file.name]), file) for file in dataset.files}


@contextlib.contextmanager
def _quiet(tfds: Any) -> Iterator[None]:
    """Progress bars of TFDS where a person sees them, on standard error; no advice of its own."""
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    log = logging.getLogger("absl")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        log.setLevel(before)


def _examples(dataset: DataSet, folder: Path) -> dict[str, Iterable[Example]]:
    """The examples of a prepared folder by split."""
    import tensorflow_datasets as tfds

    with _quiet(tfds):
        try:
            builder: Any = tfds.builder_from_directory(folder)
            sources = {name: builder.as_data_source(split=name) for name in builder.info.splits}
        except Exception as error:  # whatever TFDS raises for a folder that is damaged or of another format
            said = str(error).strip().splitlines()
            raise UserError(
                f"{folder} cannot be read without TensorFlow ({said[0] if said else type(error).__name__}): prepare it "
                "with file_format='array_record', or remove it"
            ) from None
        missing = [split for split in dataset.splits if split not in sources]
        if missing:
            raise UserError(f"{folder} lacks the split {missing[0]}: remove it, and it is prepared anew")
        return {split: list(sources[split]) for split in dataset.splits}


def _stacked(examples: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The examples' arrays one after the other, sorted by their content."""
    rows = sorted(examples, key=_digest)
    if not rows:
        return {}
    joined: dict[str, np.ndarray] = {}
    for name, first in rows[0].items():
        values = [row[name] for row in rows]
        if np.ndim(first) == 0:
            joined[name] = np.asarray(values)
        else:
            joined[name] = np.concatenate(values)
            joined[f"{name}{LENGTHS}"] = np.array([len(value) for value in values], np.int64)
    return joined


def _digest(example: Mapping[str, np.ndarray]) -> bytes:
    return hashlib.sha256(b"".join(np.ascontiguousarray(example[name]).tobytes() for name in sorted(example))).digest()


def _write(path: Path, splits: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    from safetensors.numpy import save_file

    arrays = {f"{split}/{name}": array for split, each in splits.items() for name, array in each.items()}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        save_file(arrays, name)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
