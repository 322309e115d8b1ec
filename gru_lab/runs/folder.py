"""The folder of one run: `config.yaml`, `metrics.jsonl`, `checkpoint.safetensors`, and at the end `record.json`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from gru_lab.runs.files import write_atomically
from gru_lab.runs.record import Record, finite
from gru_lab.schema import UserError

Line = dict[str, Any]


def read_metrics(path: Path) -> tuple[list[Line], bool]:
    """The whole lines of a `metrics.jsonl`, and whether anything after them is torn."""
    lines: list[Line] = []
    for text in path.read_text().splitlines(keepends=True) if path.exists() else []:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            return lines, True
        if not text.endswith("\n") or not isinstance(line, dict):
            return lines, True
        lines.append(line)
    return lines, False


def measured(lines: list[Line], diagnostic: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One curve or number of a live diagnostic from the lines of metrics: updates (evaluations,), and its values.

    `measured(read_metrics(path)[0], "gradient_flow", "norm")`: values (evaluations, members, ...), NaN for members that
    had stopped before. Raises `UserError` if no line holds it.
    """
    found = {line["update"]: line.get("diagnostics", {}).get(diagnostic, {}).get(name) for line in lines}
    found = {update: members for update, members in found.items() if members is not None}
    shapes = [np.shape(values) for members in found.values() for values in members if values is not None]
    if not shapes:
        raise UserError(f"these metrics hold no {diagnostic}.{name}: train with diagnostics=[{diagnostic}]")
    missing = np.full(shapes[0], np.nan)
    rows = [[missing if values is None else np.array(values, float) for values in row] for row in found.values()]
    return np.array(list(found)), np.array(rows)


@dataclass(frozen=True)
class RunFolder:
    """Where one run keeps what it produced; every file is whole or not there, but for the last line of metrics."""

    path: Path

    @classmethod
    def open(cls, path: Path, config: dict[str, Any]) -> "RunFolder":
        """Make the folder and write its `config.yaml`; an existing one must be of the same configuration."""
        path = Path(path)
        text = yaml.safe_dump(config, sort_keys=False)
        try:
            path.mkdir(parents=True, exist_ok=True)
            file = path / "config.yaml"
            if not file.exists():
                write_atomically(file, text)
            elif file.read_text() != text:
                raise UserError(f"{path} already holds a run of another configuration: nothing was overwritten")
        except OSError as error:
            raise UserError(f"the run folder {path} cannot be written: {error.strerror}") from None
        return cls(path)

    @property
    def record(self) -> Record | None:
        """The record, if the run has ended."""
        file = self.path / "record.json"
        return Record.load(file) if file.exists() else None

    def save_record(self, record: Record) -> None:
        """Write `record.json`: the run has ended."""
        record.save(self.path / "record.json")

    def save_json(self, name: str, content: Any) -> None:
        """Write a further result of the run, such as `gradient_flow.json`."""
        write_atomically(self.path / name, json.dumps(finite(content), allow_nan=False) + "\n")

    def append_metrics(self, line: Line) -> None:
        """Add one evaluation to `metrics.jsonl` and flush it to the disk."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(finite(line), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def keep_metrics(self, until: int) -> None:
        """Drop the lines after an update: they were written after the checkpoint from which the run goes on."""
        path = self.path / "metrics.jsonl"
        lines = [line for line in read_metrics(path)[0] if line["update"] <= until]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in lines))

    def save_checkpoint(self, tree: Any) -> None:
        """Write a pytree of arrays to `checkpoint.safetensors`."""
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        named = {jax.tree_util.keystr(path): np.ascontiguousarray(leaf) for path, leaf in leaves}
        write_atomically(self.path / "checkpoint.safetensors", save(named))

    def load_checkpoint(self, like: Any) -> Any | None:
        """The saved pytree, with the structure of `like`; None if there is none or it is of another structure."""
        file = self.path / "checkpoint.safetensors"
        if not file.exists():
            return None
        try:
            named = load_file(file)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{file} cannot be read: {error}; delete it to start this run again") from None
        paths, structure = jax.tree_util.tree_flatten_with_path(like)
        keys = [jax.tree_util.keystr(path) for path, _ in paths]
        if set(keys) != set(named):
            raise UserError(f"{file} is not a checkpoint of this configuration; delete it to start this run again")
        return jax.tree.unflatten(structure, [named[key] for key in keys])
