"""The folders of results: one per run, and in it one per member.

    <sweep>/<network>-<task>-<identity>/
        config.yaml                        all that the identity covers
        members/<role>-<setting>-<seed>/
            metrics.jsonl                  one line per evaluation
            measurements/<name>.jsonl      one line per moment at which a diagnostic was measured
            checkpoint.safetensors         where the member stands, with the marks of the files above
            record.json                    what it reached; written last

Every file is whole or not there, but for the last line of the two logs; a member goes on from its checkpoint if the
logs still hold what they held when it was taken, else it begins again.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import yaml

from gru_lab.errors import UserError, in_one_line
from gru_lab.runs.arrays import load_arrays, save_arrays
from gru_lab.runs.files import DiskFault, unreadable, unwritable, write_atomically
from gru_lab.runs.log import Line, Log, Mark, read_lines
from gru_lab.runs.record import Member, Record


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @classmethod
    def open(cls, path: Path, config: Mapping[str, Any]) -> "RunFolder":
        """Make the folder and write its `config.yaml`; an existing one must be of the same identity.

        Raises:
            UserError: if the folder cannot be written, or holds a run of another identity.
        """
        path = Path(path)
        text = yaml.safe_dump(dict(config), sort_keys=False)
        try:
            path.mkdir(parents=True, exist_ok=True)
            file = path / "config.yaml"
            if not file.exists():
                write_atomically(file, text)
            elif file.read_bytes() != text.encode():
                raise UserError(f"{path} already holds a run of another configuration: nothing was overwritten")
        except OSError as error:
            raise unwritable(path, error) from error
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """The content of `config.yaml`."""
        file = self.path / "config.yaml"
        try:
            content = yaml.safe_load(file.read_text("utf-8"))
        except FileNotFoundError:
            raise UserError(f"{self.path} holds no config.yaml: give the folder of a run") from None
        except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
            raise UserError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
        if not isinstance(content, dict):
            raise UserError(f"{file} cannot be read: it is not a configuration")
        return content

    def members(self) -> list[str]:
        """The names of the members that were begun; what was moved aside is not among them."""
        folder = self.path / "members"
        names = (path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ()
        return sorted((name for name in names if name.count("-") == 2), key=_natural)

    def member(self, member: Member | str) -> "MemberFolder":
        """The folder of one member, which need not exist."""
        return MemberFolder(self.path / "members" / (member if isinstance(member, str) else member.name))

    @property
    def failure(self) -> str | None:
        """The error that ended the last attempt, in one line; None if there was none."""
        try:
            return (self.path / "failure.txt").read_text("utf-8").strip().partition("\n")[0]
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            return str(error)

    def note_failure(self, error: BaseException | None) -> None:
        """Write down the error that ended an attempt, in one line and where it came from; None when it is over."""
        if error is None:
            (self.path / "failure.txt").unlink(missing_ok=True)
        else:
            trace = "".join(traceback.format_exception(error))
            write_atomically(self.path / "failure.txt", f"{in_one_line(error)}\n\n{trace}")


class Moments(NamedTuple):
    """The measurements of one diagnostic on one member over time.

    Attributes:
        updates: the number of updates before each moment, (N,).
        when: what each moment is: `initial`, `live` or `trained` (the best parameters).
        values: the measured arrays by name, (N, ...).
    """

    updates: np.ndarray
    when: list[str]
    values: dict[str, np.ndarray]

    def at(self, when: str) -> dict[str, np.ndarray] | None:
        """The values at the last moment of a kind; None if there is none."""
        places = [n for n, kind in enumerate(self.when) if kind == when]
        return {name: array[places[-1]] for name, array in self.values.items()} if places else None

    def over_time(self) -> "Moments":
        """The moments that were measured while the member trained, its beginning among them."""
        places = [n for n, kind in enumerate(self.when) if kind != "trained"]
        values = {name: array[places] for name, array in self.values.items()}
        return Moments(self.updates[places], [self.when[n] for n in places], values)


@dataclass(frozen=True)
class MemberFolder:
    """The folder of one member."""

    path: Path

    @property
    def record(self) -> Record | None:
        """The record, if the member has ended."""
        file = self.path / "record.json"
        return Record.load(file) if file.exists() else None

    def record_checked(self) -> Record:
        """The record of a member whose files agree with it.

        Raises:
            UserError: if there is none, or a file beside it is missing or was changed.
        """
        record = Record.load(self.path / "record.json")
        for name, mark in record.layout.get("files", {}).items():
            if not self._holds(name, mark):
                raise UserError(f"{self.path / name} is not as the record left it: run the same command to mend it")
        return record

    def _holds(self, name: str, mark: Mark) -> bool:
        import hashlib

        try:
            content = (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False
        except OSError as error:
            raise unreadable(self.path / name, error) from None
        return [len(content), hashlib.sha256(content).hexdigest()] == list(mark)

    @property
    def metrics(self) -> Path:
        """The log of evaluations."""
        return self.path / "metrics.jsonl"

    def read_metrics(self) -> list[Line]:
        """The evaluations, one line each; see `read_lines`."""
        return read_lines(self.metrics)

    def measurement(self, name: str) -> Path:
        """The log of one diagnostic with one choice of its settings."""
        return self.path / "measurements" / f"{name}.jsonl"

    def measured(self, name: str) -> Moments | None:
        """The measurements of a diagnostic; None if there are none.

        Raises:
            UserError: if the file was changed: each line carries a checksum.
        """
        path = self.measurement(name)
        if not path.exists():
            return None
        lines = read_lines(path)
        for number, line in enumerate(lines, start=1):
            if line.get("checksum") != _line_checksum(line):
                raise UserError(f"{path} is not as it was written: line {number} was changed")
        if not lines:
            return None
        values = {key: np.stack([np.array(line["values"][key], float) for line in lines]) for key in lines[0]["values"]}
        return Moments(np.array([line["update"] for line in lines]), [line["when"] for line in lines], values)

    def broken_measurements(self) -> list[str]:
        """Move aside what cannot be read of the measurements, to be measured again; one sentence each."""
        sentences = []
        for path in sorted((self.path / "measurements").glob("*.jsonl")):
            try:
                self.measured(path.stem)
            except DiskFault:  # it may be whole
                raise
            except UserError as error:
                sentences.append(f"measured again, because {error}; what was there is in {move_aside(path)}")
        return sentences

    def logs(self) -> dict[str, Log]:
        """The logs that are there, by their names in the folder."""
        paths = [self.metrics, *sorted((self.path / "measurements").glob("*.jsonl"))]
        return {str(path.relative_to(self.path)): Log(path) for path in paths if path.exists()}

    def save_checkpoint(self, tree: Any, identity: str, marks: Mapping[str, Mark]) -> None:
        """Write a pytree of arrays of a run of that identity, with the marks of the logs that belong to it."""
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        named = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
        save_arrays(self.path / "checkpoint.safetensors", named, {"identity": identity, "marks": dict(marks)})

    def load_checkpoint(self, like: Any, identity: str) -> tuple[Any, dict[str, Mark]] | None:
        """The saved pytree with the structure of `like`, and its marks; None if there is none.

        Raises:
            UserError: if the file cannot be read, was changed, is of another run, or holds other arrays or shapes.
        """
        file = self.path / "checkpoint.safetensors"
        if not file.exists():
            return None
        named, about = load_arrays(file)
        paths, structure = jax.tree_util.tree_flatten_with_path(like)
        wanted = {jax.tree_util.keystr(path): (tuple(leaf.shape), np.dtype(leaf.dtype)) for path, leaf in paths}
        held = {name: (array.shape, array.dtype) for name, array in named.items()}
        if about["identity"] != identity:
            raise UserError(f"{file} is a checkpoint of run {about['identity']}, and this one is {identity}")
        if held != wanted:
            name = next(key for key in [*wanted, *held] if wanted.get(key) != held.get(key))
            raise UserError(
                f"{file} is not a checkpoint of this configuration: {name} is {_said(held.get(name))}, "
                f"and must be {_said(wanted.get(name))}"
            )
        leaves = [named[jax.tree_util.keystr(path)] for path, _ in paths]
        return jax.tree.unflatten(structure, leaves), about["marks"]

    def move_aside(self) -> Path | None:
        """Rename the folder, so that the member can be trained anew; nothing is ever overwritten."""
        return move_aside(self.path) if self.path.exists() else None


def move_aside(path: Path) -> Path:
    """Rename a file or folder to a name that is free."""
    number = 1
    while (aside := path.with_name(f"old-{number}-{path.name}")).exists():
        number += 1
    return path.rename(aside)


def measurement_line(update: int, when: str, values: Mapping[str, Any]) -> Line:
    """One line of a log of measurements, with its checksum; NaN becomes null, and an infinity stays one in words."""
    line = {"update": update, "when": when, "values": {name: _words(value) for name, value in values.items()}}
    return line | {"checksum": _line_checksum(line)}


def _words(values: Any) -> Any:
    """As nested lists, with the nine digits that tell all float32 numbers apart."""
    array, odd = np.asarray(values, np.float64), {"nan": None, "inf": "inf", "-inf": "-inf"}
    flat = [odd[str(value)] if str(value) in odd else float(f"{value:.9g}") for value in array.ravel().tolist()]
    return np.array(flat, object).reshape(array.shape).tolist()


def _line_checksum(line: Mapping[str, Any]) -> str:
    from gru_lab.runs.record import checksum

    return checksum({name: value for name, value in line.items() if name != "checksum"})[:16]


def _said(entry: tuple[tuple[int, ...], np.dtype] | None) -> str:
    return "not there" if entry is None else f"{entry[1]}{list(entry[0])}"


def _natural(name: str) -> tuple[str, str, int]:
    role, setting, seed = name.split("-")
    return role, setting, int(seed) if seed.isdigit() else -1
