"""`record.json`: what one run measured, for all its members; written last, read by every table and figure."""

import dataclasses
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from gru_lab.runs.files import write_atomically
from gru_lab.schema import Schema, UserError, build

SCHEMA = 1
Status = Literal["finished", "diverged", "failed"]


@dataclass(frozen=True)
class Member(Schema):
    """One seed of a run.

    `solved_at` and `diverged_at` count updates (None: never). `metrics` holds `validation` and `test`, each a
    dictionary of numbers at the member's best validation result, reached at update `best_at`.
    `seconds_per_update` is the wall time of one update of one member, compilation excluded.
    """

    group: ClassVar[str] = "member"

    seed: int
    status: Status
    solved_at: int | None
    diverged_at: int | None
    best_at: int | None
    updates: int
    metrics: dict[str, dict[str, float | None]]
    seconds_per_update: float | None


@dataclass(frozen=True)
class Record(Schema):
    """The result of one run.

    `cell` and `task` are the names in tables, `metric` what a table shows of this task, `better` its direction,
    `floor` the value of the best guess without memory, `threshold` the value that counts as solved.
    `parameters` counts the whole model, `parameters_by_part` splits it. `config` is the whole configuration,
    `config_hash` its fingerprint. `status` is `diverged` if every member diverged, `failed` (with `error`) if the
    run broke.
    """

    group: ClassVar[str] = "record"

    cell: str
    task: str
    config_hash: str
    config: dict[str, Any]
    status: Status
    hidden: int
    parameters: int
    parameters_by_part: dict[str, int]
    metric: str
    better: Literal["lower", "higher"]
    floor: float
    threshold: float
    members: tuple[Member, ...]
    versions: dict[str, str]
    device: str
    compile_seconds: float | None = None
    error: str | None = None
    schema: int = SCHEMA
    folder: Path | None = field(default=None, compare=False)

    def values(self, split: str = "test") -> list[float]:
        """The table's metric of every member that did not diverge."""
        found = [member.metrics.get(split, {}).get(self.metric) for member in self.members]
        return [value for value in found if value is not None]

    @property
    def solved(self) -> int:
        """How many members solved the task."""
        return sum(member.solved_at is not None for member in self.members)

    def save(self, path: Path) -> None:
        """Write the record in one piece: it is there whole or not at all."""
        content = {name: value for name, value in dataclasses.asdict(self).items() if name != "folder"}
        write_atomically(path, json.dumps(finite(content), indent=1, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read a record; `UserError` if the file is missing, truncated or of another schema."""
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            raise UserError(f"{path.parent} holds no record.json: the run did not finish") from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise UserError(f"{path} cannot be read: {error}") from None
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise UserError(f"{path} is not a record of schema {SCHEMA}")
        try:
            members = tuple(build(Member, member) for member in content.pop("members"))
            return build(cls, content | {"members": members, "folder": path.parent})
        except (KeyError, TypeError, AttributeError, UserError) as error:
            raise UserError(f"{path} is not a record of schema {SCHEMA}: {error}") from None


def finite(value: Any) -> Any:
    """The same tree with every NaN and infinity replaced by None: JSON has no word for them."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def find_records(folders: Iterable[Path]) -> tuple[list[Record], list[str]]:
    """The records of all runs in or under the folders, and one sentence for each run that is broken.

    A run folder is one that holds `config.yaml`. Raises `UserError` for a folder that does not exist or has no run.
    """
    records, broken = [], []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder: give the folder of a run or of a sweep")
        found = sorted(path.parent for name in ("config.yaml", "record.json") for path in folder.rglob(name))
        runs = list(dict.fromkeys(found))
        if not runs:
            raise UserError(f"{folder} holds no run: there is no config.yaml in it or under it")
        for run in runs:
            try:
                record = Record.load(run / "record.json")
                if record.status == "failed":
                    raise UserError(f"{run} failed: {record.error}")
                check_metrics(run / "metrics.jsonl")
            except UserError as error:
                broken.append(str(error))
                continue
            if record.config_hash not in {other.config_hash for other in records}:
                records.append(record)
    return records, broken


def check_metrics(path: Path) -> None:
    """Raise `UserError` if the metrics of a finished run are missing or truncated."""
    from gru_lab.runs.folder import read_metrics

    if not path.exists():
        raise UserError(f"{path.parent} holds no metrics.jsonl")
    lines, torn = read_metrics(path)
    if torn or not lines:
        raise UserError(f"{path} is truncated: line {len(lines) + 1} is not whole")
