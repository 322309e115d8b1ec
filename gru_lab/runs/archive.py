"""An archive of finished members: three CSV files, small enough to be kept beside a published table.

    runs.csv      one line per run and choice: folder, network, task, protocol, ..., and the card of its identity
    members.csv   one line per member: seed, hyper-parameters, status, metrics, times, checksum
    logs.csv.gz   one line per line of a member's logs: evaluations, and what diagnostics measured

A member that is imported is the member that was exported, which its checksum and the marks of its logs show: tables are
made from it, and a sweep goes on from it without training anew. Parameters are not part of an archive: what needs them
says that the member must be trained again.
"""

import csv
import dataclasses
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from gru_lab.archives import gunzip
from gru_lab.errors import UserError
from gru_lab.runs.claim import claim
from gru_lab.runs.files import write_atomically
from gru_lab.runs.record import Member, Record, checksum, find_records
from gru_lab.runs.store import MemberFolder, RunFolder

Row = dict[str, str]

RUNS, MEMBERS, LOGS = "runs.csv", "members.csv", "logs.csv.gz"
OWN = ("member", "status", "updates", "solved_at", "diverged_at", "best_at", "stopped", "skipped", "metrics", "timing",
       "checksum")  # fmt: skip
IN_CARD = ("config", "sources", "data", "revisions", "numerics")
SLASH = "/"  # between the names of a path in a tree: those of hyper-parameters hold dots


class Exported(NamedTuple):
    """The content of an archive: numbers of runs and members, and one sentence per member or run that is left out."""

    runs: int
    members: int
    broken: tuple[str, ...]


class Imported(NamedTuple):
    """The numbers of members that were written into a sweep, and of those that it held already."""

    written: int
    known: int


def export_members(folders: Sequence[Path], archive: Path) -> Exported:
    """Write the finished members in or under the folders to an archive; an older one in the same place is replaced.

    Raises:
        UserError: if no member has finished, or the archive cannot be written.
    """
    records = find_records(folders)
    broken = list(records.broken)
    runs: dict[str, Row] = {}
    members: list[Row] = []
    logs: list[Row] = []
    for record in (each for group in (*records.groups, *records.tuning) for each in group.members):
        try:
            shared, single, lines = _rows(record)
        except UserError as error:
            broken.append(str(error))
            continue
        run = runs.setdefault(json.dumps(shared), {"run": str(len(runs) + 1)} | shared)["run"]
        members.append({"run": run} | single)
        logs += [{"run": run, "name": record.member.name} | line for line in lines]
    if not members:
        raise UserError(f"there is no member to export: {'; '.join(broken) or 'none has finished'}")
    try:
        archive.mkdir(parents=True, exist_ok=True)
        write_atomically(archive / RUNS, _text(runs.values()))
        write_atomically(archive / MEMBERS, _text(members))
        write_atomically(archive / LOGS, gzip.compress(_text(logs).encode(), mtime=0))
    except OSError as error:
        raise UserError(f"the archive {archive} cannot be written: {error.strerror}") from None
    return Exported(len({row["folder"] for row in runs.values()}), len(members), tuple(broken))


def import_members(archive: Path, sweep: Path) -> Imported:
    """Put the members of an archive into a sweep, each as if it had been trained there.

    Raises:
        UserError: if the archive cannot be read or was changed, the sweep cannot be written, or it holds another result
            of a member; what was imported before that member stays.
        Busy: if a process is at work on a run of the sweep.
    """
    runs = {row.pop("run", ""): row for row in _read(archive / RUNS)}
    logs: dict[tuple[str, str], list[Row]] = {}
    for row in _read(archive / LOGS):
        logs.setdefault((row.get("run", ""), row.get("name", "")), []).append(row)
    written = known = 0
    for row in _read(archive / MEMBERS):
        try:
            number = row.pop("run")
            folder, card, content = _content(runs[number], row)
            name = Member(**content["member"]).name
            if not (isinstance(content["layout"], dict) and isinstance(content["checksum"], str)):
                raise TypeError("its layout or its checksum is not one")
        except (KeyError, ValueError, TypeError, AttributeError, UserError) as error:
            raise UserError(f"{archive / MEMBERS} was changed: a line of it is not a member: {error!r}") from None
        run = RunFolder.open(sweep / folder, card)
        member = run.member(name)
        with claim(run.path / "claim.lock", lambda owner: None, patience=0):
            if _import(member, content, logs.get((number, member.path.name), []), archive):
                written += 1
            else:
                known += 1
    return Imported(written, known)


def _rows(record: Record) -> tuple[Row, Row, list[Row]]:
    """The row that a member shares with others of its run, the row of its own, and the lines of its logs."""
    assert record.folder is not None
    folder = MemberFolder(record.folder)
    run = RunFolder(folder.path.parent.parent)
    content = json.loads((folder.path / "record.json").read_text("utf-8"))
    single = {name: content.pop(name) for name in OWN if name in content}
    card = run.config
    for name in IN_CARD:
        if name not in content or content.pop(name) != card.get(name):
            raise UserError(f"{folder.path} does not belong to its run: {name} differs from config.yaml")
    del content["layout"]["files"]  # the marks of the logs follow from their lines
    texts = {name: _log(log.path) for name, log in folder.logs().items()}
    lines = [{"log": name, "line": line} for name, text in texts.items() for line in text.splitlines()]
    shared = {name: _cell(value) for name, value in content.items()}
    return {"folder": run.path.name, "card": json.dumps(card)} | shared, _flat(single), lines


def _log(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _content(shared: Row, single: Row) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The name of the run's folder, its card, and the record of a member without the marks of its logs."""
    folder, card = shared["folder"], json.loads(shared["card"])
    if Path(folder).name != folder or folder.startswith("."):
        raise ValueError(f"{folder!r} is not the name of a folder")
    rest = {name: _value(cell) for name, cell in shared.items() if name not in ("folder", "card") and cell}
    content = rest | {name: card[name] for name in IN_CARD} | _nested(single)
    order = {each.name: n for n, each in enumerate(dataclasses.fields(Record))}
    return folder, card, {name: content[name] for name in sorted(content, key=lambda name: order.get(name, len(order)))}


def _import(folder: MemberFolder, content: dict[str, Any], lines: Sequence[Row], archive: Path) -> bool:
    """Write one member, its record last; False if it is there already."""
    logs: dict[str, bytes] = {}
    for row in lines:
        if not re.fullmatch(r"metrics\.jsonl|measurements/[^/\\]+\.jsonl", row["log"]):
            raise UserError(f"{archive / LOGS} was changed: {row['log']!r} is not the name of a log")
        logs[row["log"]] = logs.get(row["log"], b"") + row["line"].encode() + b"\n"
    marks = {name: [len(text), sha256(text).hexdigest()] for name, text in logs.items() if name == "metrics.jsonl"}
    content["layout"]["files"] = marks
    known = content.pop("checksum")
    if checksum(content) != known:
        raise UserError(f"{archive} was changed: {folder.path.name} is not as it was exported, its checksum differs")
    if (record := folder.record) is not None:
        if _result(json.loads((folder.path / "record.json").read_text("utf-8"))) != _result(content):
            raise UserError(f"{record.folder} holds another result than {archive}: nothing of it was changed")
        return False
    folder.move_aside()  # what did not finish
    (folder.path / "measurements").mkdir(parents=True)
    for name, text in logs.items():
        write_atomically(folder.path / name, text)
    write_atomically(folder.path / "record.json", json.dumps(content | {"checksum": known}, indent=1) + "\n")
    return True


def _result(content: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a member, without what its clock, machine and layout say."""
    return {name: content[name] for name in OWN if name not in ("timing", "checksum")}


def _cell(value: Any) -> str:
    """A value as the text of a cell: JSON, but for a text that cannot be taken for it; never empty."""
    if isinstance(value, str) and value:
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value)


def _value(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _flat(tree: Mapping[str, Any], path: str = "") -> Row:
    """The leaves of a tree by their paths."""
    row: Row = {}
    for name, value in tree.items():
        where = f"{path}{SLASH}{name}" if path else name
        row |= _flat(value, where) if isinstance(value, dict) and value else {where: _cell(value)}
    return row


def _nested(row: Mapping[str, str]) -> dict[str, Any]:
    """The tree of the leaves; an empty cell says that there is none."""
    tree: dict[str, Any] = {}
    for path, cell in row.items():
        if cell:
            *above, name = path.split(SLASH)
            place = tree
            for each in above:
                place = place.setdefault(each, {})
            place[name] = _value(cell)
    return tree


def _text(rows: Iterable[Row]) -> str:
    """Rows as CSV, with every column that one of them has."""
    rows = list(rows)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _read(path: Path) -> list[Row]:
    """The rows of a CSV file, which may be compressed."""
    try:
        data = path.read_bytes()
        text = (gunzip(data, str(path)) if path.suffix == ".gz" else data).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        raise UserError(f"{path.parent} is not an archive of members: it lacks {path.name}") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if any(None in row or None in row.values() for row in rows):
        raise UserError(f"{path} cannot be read: a line of it has more or fewer cells than the first")
    return rows


csv.field_size_limit(2**27)  # a line of a log may be long
