"""`record.json`: what one member reached; written last, read by every table and figure.

A *member* is one seed with one setting of the continuous hyper-parameters in one role; a *record* is of one member. A
*run* is one experiment in one folder, and the records of a run whose hyper-parameters agree are a `Group`: one entry of
a table.
"""

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from gru_lab.errors import UserError
from gru_lab.runs.files import unreadable, write_atomically
from gru_lab.schema import Range, Schema

SCHEMA = 2
LAST_SEED = 2**31 - 4  # the three after it draw the held-out sets of sampled tasks

Status = Literal["finished", "diverged"]
Stopped = Literal["diverged", "solved", "patience", "halted", "updates"]
Role = Literal["tune", "report"]
Seed = Annotated[int, Range(0, LAST_SEED)]


@dataclass(frozen=True, kw_only=True)
class Member(Schema):
    """The unit of training, storage, resuming and counting: a seed, the continuous hyper-parameters, and a role.

    `hyper` names each number by its path, such as `optimizer.learning_rate`. A member of role `tune` is never measured
    on the test set.

    Attributes:
        seed: of parameters and data.
        hyper: the continuous hyper-parameters, by path.
        role: `tune` chooses, `report` is reported.
    """

    group: ClassVar[str] = "member"

    seed: Seed = 0
    hyper: dict[str, float] = field(default_factory=dict)
    role: Role = "report"

    @property
    def setting(self) -> str:
        """Eight letters that change with any hyper-parameter."""
        text = json.dumps({name: repr(float(value)) for name, value in sorted(self.hyper.items())})
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """The name of the member's folder: `report-1a2b3c4d-7` for seed 7."""
        return f"{self.role}-{self.setting}-{self.seed}"


@dataclass(frozen=True, kw_only=True)
class Record(Schema):
    """The result of one member.

    Attributes:
        identity: the fingerprint of the run, which covers all that can change a number of it.
        member: which seed, hyper-parameters and role.
        network: the name of the column in tables; `cell` is None for a network without one.
        status: `diverged` where a loss, a gradient, an update or a validation value was not finite.
        solved_at, diverged_at, best_at: updates; None for never.
        stopped: why training ended; `patience` is early stopping, `halted` the comparison by which a protocol
            stopped a member of role `tune`. None in a record that does not say.
        metrics: `validation` and `test` (empty in the role `tune`), numbers at the best validation result.
        metric, better, floor, threshold: what a table shows of the task, its direction, the value of the best guess
            without memory and the value that counts as solved, None where there is none.
        parameters: of the whole network, split in `parameters_by_part`.
        skipped: the updates that were passed over because a number was not finite; None where a member stops then.
        recurrence: the `method` that ran the steps; of `parallel` also the `iterations` of Newton's method, their mean
            over the evaluations, the `most_iterations` of any sequence, and the share that `fell_back` to be finished
            step by step. Empty for a network without a cell and in a record that does not say.
        flops: floating-point operations of one update, see `gru_lab.training.flops`; None where its batches differ in
            length, and in a record that does not say.
        config: the whole configuration but for the population; `sources`, `data`, `revisions` and `numerics` are the
            rest of the identity.
        layout: how the work was laid out, which is used again when the member resumes and changes no result.
        protocol: the name of the protocol that planned the member; `plan` states it in a sentence.
        selection: the hyper-parameters that the protocol chose for the member, the number of trials and of all their
            updates, and the axes at an end of which the choice lies; empty where nothing was chosen.
        timing: `seconds_per_update` (of one member while all train), `compile_seconds`, `finished` (date).
        model: the name of the model.
        task: the name of the task.
        updates: how many it trained for.
        parameters_by_part: embedding, recurrent layers, readout and the like.
        cell: the name of the cell; None without one.
        hidden: its units.
        sources: the fingerprint of each class from outside.
        data: the fingerprint of each data file.
        revisions: the revision of each class of ours.
        numerics: JAX's settings that change numbers.
        versions: of the packages.
        device: what it trained on.
        plan: the protocol in a sentence.
        schema: the version of this layout.
    """

    group: ClassVar[str] = "record"

    identity: str
    member: Member
    network: str
    model: str
    task: str
    status: Status
    updates: int
    solved_at: int | None
    diverged_at: int | None
    best_at: int | None
    metrics: dict[str, dict[str, float | None]]
    metric: str
    better: Literal["lower", "higher"]
    floor: float | None
    threshold: float | None
    parameters: int
    parameters_by_part: dict[str, int]
    config: dict[str, Any]
    stopped: Stopped | None = None
    flops: int | None = None
    skipped: int | None = None
    recurrence: dict[str, Any] = field(default_factory=dict)
    cell: str | None = None
    hidden: int | None = None
    sources: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)
    numerics: dict[str, Any] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    device: str = ""
    protocol: str = "fixed"
    plan: str = ""
    selection: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA
    folder: Path | None = field(default=None, compare=False)

    @property
    def seconds_per_update(self) -> float | None:
        """The wall time of one update of one member, compilation excluded."""
        return self.timing.get("seconds_per_update")

    def value(self, split: str = "test") -> float | None:
        """The table's metric; None if the member diverged or the split was not measured."""
        return None if self.status == "diverged" else self.metrics.get(split, {}).get(self.metric)

    def save(self, path: Path) -> None:
        """Write the record in one piece, with a checksum: it is there whole or not at all."""
        content = {name: value for name, value in dataclasses.asdict(self).items() if name != "folder"}
        content = finite(content)
        content["checksum"] = checksum(content)
        write_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read a record; `UserError` if the file is missing, changed, truncated or of another schema."""
        try:
            content = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path.parent} holds no record.json: the member did not finish") from None
        except (OSError, ValueError, RecursionError) as error:
            raise unreadable(path, error) from None
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            schema = content.get("schema") if isinstance(content, dict) else None
            raise UserError(f"{path} is not a record of schema {SCHEMA} but of {schema!r}: train this run again")
        if content.pop("checksum", None) != checksum(content):
            raise UserError(f"{path} is not as it was written: its checksum differs; run the same command to mend it")
        try:
            content["member"] = Member(**content["member"])
            return cls(**content, folder=path.parent)  # checks itself
        except (KeyError, TypeError, AttributeError, UserError) as error:
            raise UserError(f"{path} is not a record of schema {SCHEMA}: {error}") from None


@dataclass(frozen=True)
class Group:
    """The records of one run whose hyper-parameters agree, in the order of their seeds: one entry of a table.

    `shared` is the first of them, to be asked for what all members share: network, task, metric, parameters, ...
    """

    members: tuple[Record, ...]

    @property
    def shared(self) -> Record:
        """Any of the records."""
        return self.members[0]

    @property
    def hyper(self) -> Mapping[str, float]:
        """The continuous hyper-parameters."""
        return self.shared.member.hyper

    @property
    def key(self) -> str:
        """The fingerprint of the run and its hyper-parameters: two groups with one key are one."""
        return f"{self.shared.identity}-{self.shared.member.setting}"

    @property
    def solved(self) -> int:
        """The number of members that solved the task."""
        return sum(record.solved_at is not None for record in self.members)

    def values(self, split: str = "test") -> list[float]:
        """The table's metric of every member that has a value."""
        return [value for record in self.members if (value := record.value(split)) is not None]


def grouped(records: Iterable[Record]) -> list[Group]:
    """Records by run and hyper-parameters, each group in the order of its seeds."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.identity, record.member.setting, record.member.role), []).append(record)
    return [Group(tuple(sorted(members, key=lambda record: record.member.seed))) for members in groups.values()]


def checksum(content: Mapping[str, Any]) -> str:
    """The SHA-256 of a tree of plain values, whatever the order of its names."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def finite(value: Any) -> Any:
    """The same tree with every NaN and infinity replaced by None: JSON has no word for them."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class Found:
    """The members of some folders.

    Attributes:
        groups: of role `report`, each member once.
        broken: one sentence per member or run that cannot be read or did not finish.
        repeated: one sentence per group of which other folders hold members again; those are counted once.
        tuning: the groups of role `tune` beside those of role `report`.
    """

    groups: tuple[Group, ...]
    broken: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    tuning: tuple[Group, ...] = ()


def find_records(folders: Sequence[Path], role: Role = "report") -> Found:
    """The records of all members in or under the folders; none is left out without a sentence.

    Raises:
        UserError: for a folder that does not exist or holds no run.
    """
    records: dict[tuple[str, str], Record] = {}
    broken: list[str] = []
    again: dict[Path, int] = {}
    seen: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder: give the folder of a run or of a sweep")
        paths = _of_runs(folder)
        if not paths and not (paths := _of_members(folder)):
            raise UserError(f"{folder} holds no run: there is no config.yaml in it or under it")
        for path in paths:
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            members, sentences = _read_run(path)
            broken += sentences
            for record in members:
                key = (record.identity, record.member.name)
                if key not in records:
                    records[key] = record
                elif record.member.role == role:
                    again[path] = again.get(path, 0) + 1
    repeated = [f"{path}: {count} of its members stand in another folder too and are counted once there"
                for path, count in again.items()]  # fmt: skip
    groups = grouped(records.values())
    wanted, others = (tuple(g for g in groups if (g.shared.member.role == role) is same) for same in (True, False))
    return Found(wanted, tuple(broken), tuple(repeated), others if role == "report" else ())


def _of_runs(folder: Path) -> list[Path]:
    """The runs in and under a folder; what lies inside of one, as files of W&B do, is none."""
    paths = []
    for root, inside, files in os.walk(folder):
        if "config.yaml" in files:
            paths.append(Path(root))
            inside.clear()  # thousands of members need not be looked through
    return sorted(paths)


def _of_members(folder: Path) -> list[Path]:
    """The run to which the folder of a single member belongs."""
    return [folder.parent.parent] if (folder.parent.parent / "config.yaml").exists() else []


def _read_run(path: Path) -> tuple[list[Record], list[str]]:
    """The records of one run, and one sentence per member without a good one."""
    from gru_lab.runs.store import RunFolder

    records, broken = [], []
    run = RunFolder(path)
    if error := run.failure:
        broken.append(f"{path} failed: {error}")
    if not (names := run.members()) and not error:
        broken.append(f"{path} holds no member: the run was begun and did not finish one")
    for name in names:
        try:
            records.append(run.member(name).record_checked())
        except UserError as problem:
            broken.append(str(problem))
    return records, broken


__all__ = ["Found", "Group", "Member", "Record", "find_records", "grouped"]
