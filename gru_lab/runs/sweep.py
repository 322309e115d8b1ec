"""The state of a sweep: what its commands planned, what has finished, what is being worked on, and by whom.

<sweep>/.plan/<hash>.json       the runs and members of one command, written when it begins
<sweep>/<run>/progress.json     how far the members are that are being trained; gone when they have ended
"""

import hashlib
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gru_lab.errors import UserError
from gru_lab.runs.claim import alive
from gru_lab.runs.files import unwritable, write_atomically
from gru_lab.runs.record import Record
from gru_lab.runs.store import RunFolder, move_aside


@dataclass(frozen=True)
class Planned:
    """One run that a command asks for: what it is, its members by name, and the updates of each at most.

    Where a protocol chooses hyper-parameters first, `trials` is the number of members that choose, and `reported` that
    of those that will be reported: not all names are known before.
    """

    title: str
    members: tuple[str, ...]
    updates: int
    reported: int = 0
    trials: int = 0


@dataclass(frozen=True)
class Plan:
    """The plan of a command, or of a part of it: its line, the folder it was called in, and its runs by name."""

    command: str
    folder: str
    runs: Mapping[str, Planned]
    part: str = ""

    @property
    def name(self) -> str:
        """The name of its file: the same command has the same."""
        text = f"{self.folder} {self.command} {self.part}" if self.command else json.dumps(sorted(self.runs))
        return f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


@dataclass(frozen=True)
class State:
    """The state of one run.

    Attributes:
        name, title: the run's folder, and what it is in words.
        members, done: the members that were asked for, and those that have a record.
        owner: the process that works on it, in words; None if none does.
        failure: the error that ended the last attempt.
        seconds: how much work is left, in seconds of one process; None if nothing like it has been measured.
    """

    name: str
    title: str
    members: int
    done: int
    owner: str | None = None
    failure: str | None = None
    seconds: float | None = None

    @property
    def word(self) -> str:
        """`done`, `running`, `failed` or `to do`."""
        if self.done == self.members:
            return "done"
        return "running" if self.owner else "failed" if self.failure else "to do"


def keep_plan(folder: Path, plan: Plan) -> list[str]:
    """Write a plan down; sentences for what the same command had planned otherwise, before something changed.

    Raises:
        UserError: if it cannot be written.
    """
    path = folder / ".plan" / plan.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = _read(path)
        if before == plan:
            return []
        sentences = []
        if before is not None and plan.command and (gone := [name for name in before.runs if name not in plan.runs]):
            sentences = [f"{_changed(folder, name, plan)}; its results stay" for name in gone]
            move_aside(path)
        content = {
            "command": plan.command,
            "folder": plan.folder,
            "part": plan.part,
            "runs": {name: asdict(each) | {"members": list(each.members)} for name, each in plan.runs.items()},
        }
        write_atomically(path, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise unwritable(path, error) from error
    return sentences


def plans(folder: Path) -> list[Plan]:
    """The plans of all commands that began in a sweep; one that cannot be read is left out."""
    paths = sorted((folder / ".plan").glob("*.json")) if (folder / ".plan").is_dir() else []
    readable = [_read(path) for path in paths if not path.name.startswith("old-")]
    return [plan for plan in readable if plan is not None]


def states(folder: Path) -> list[State]:
    """The state of every run of a sweep, planned or begun.

    Raises:
        UserError: if the folder is not one of a sweep.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give the folder of a sweep, such as runs/default")
    planned: dict[str, Planned] = {}
    for plan in plans(folder):
        for name, each in plan.runs.items():
            known = planned[name].members if name in planned else ()
            reported = max(each.reported, planned[name].reported if name in planned else 0)
            members = tuple(dict.fromkeys([*known, *each.members]))
            planned[name] = Planned(each.title, members, each.updates, reported, each.trials)
    begun = sorted(path.parent.name for path in folder.glob("*/config.yaml"))
    if not planned and not begun:
        raise UserError(f"{folder} holds no sweep: no command has begun in it")
    owners = alive([folder / name / "claim.lock" for name in dict.fromkeys([*planned, *begun])])
    seen = [_state(folder / name, planned.get(name), owners) for name in dict.fromkeys([*planned, *begun])]
    known = {state.title: each for state, each in seen if each is not None}
    usual = statistics.median(known.values()) if known else None
    return [_estimated(folder, state, planned.get(state.name), known.get(state.title, usual)) for state, _ in seen]


def _state(path: Path, planned: Planned | None, owners: Mapping[Path, str]) -> tuple[State, float | None]:
    """The state of a run without an estimate, and the seconds that one update of one of its members takes."""
    run = RunFolder(path)
    begun = run.members()
    members = [*dict.fromkeys([*(planned.members if planned else ()), *begun])]
    records = [record for name in begun if (record := _record(run, name)) is not None]
    title = planned.title if planned else " on ".join(path.name.split("-")[:2])
    seconds = [each for record in records if (each := record.seconds_per_update) is not None]
    later = max((planned.reported if planned else 0) - sum(name.startswith("report-") for name in begun), 0)
    if planned and later:  # where some are still to be reported, some trials may be to come
        later += max(planned.trials - sum(name.startswith("tune-") for name in members), 0)
    state = State(path.name, title, len(members) + later, len(records), owners.get(path / "claim.lock"), run.failure)
    return state, statistics.median(seconds) if seconds else None


def _record(run: RunFolder, name: str) -> Record | None:
    try:
        return run.member(name).record
    except UserError:  # the same command trains it again
        return None


def _estimated(folder: Path, state: State, planned: Planned | None, each: float | None) -> State:
    """With the time that is left, of what has been measured: on the way, in the run's records, or in others."""
    if state.word == "done":
        return replace(state, seconds=0.0)
    progress = _progress(folder / state.name)
    if state.owner and isinstance(progress.get("seconds"), (int, float)):
        return replace(state, seconds=progress["seconds"])
    if each is None or planned is None:
        return state
    return replace(state, seconds=each * planned.updates * (state.members - state.done))


def _progress(run: Path) -> dict[str, Any]:
    try:
        content = json.loads((run / "progress.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _read(path: Path) -> Plan | None:
    try:
        content = json.loads(path.read_text("utf-8"))
        runs = {
            str(name): Planned(
                str(each["title"]),
                tuple(map(str, each["members"])),
                int(each["updates"]),
                int(each["reported"]),
                int(each.get("trials", 0)),
            )
            for name, each in content["runs"].items()
        }
        return Plan(str(content["command"]), str(content["folder"]), runs, str(content["part"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _changed(folder: Path, name: str, plan: Plan) -> str:
    """One sentence on a run that the same command no longer asks for."""
    kind, _, _ = name.rpartition("-")
    now = [other for other in plan.runs if other.rpartition("-")[0] == kind]
    became = f"it is {' or '.join(now)} now" if now else "it is not asked for any more"
    return f"{name} was planned when this sweep began, and what its identity covers has changed since: {became}"


__all__ = ["Plan", "Planned", "State", "keep_plan", "plans", "states"]
