"""A sweep while it trains: how far each run is, the curves of those at work, and the page of what has finished."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from gru_lab.errors import UserError
from gru_lab.reports import pages
from gru_lab.reports.document import Block, Chart, Document, Heading, Line, Table, Text
from gru_lab.reports.style import looks, palette
from gru_lab.runs import MemberFolder, RunFolder, find_records
from gru_lab.runs.log import read_lines
from gru_lab.runs.sweep import State, states

LARGEST = 1e300  # of a number that is drawn
WATCHED = ("progress.json", "failure.txt", "members/*/record.json", "members/*/metrics.jsonl")


def live(folder: Path) -> Document:
    """The page of a sweep as it is now.

    Args:
        folder: of the sweep, such as `runs/default`.

    Raises:
        UserError: if no command has begun in it.
    """
    runs = states(folder)
    done = sum(state.done for state in runs)
    blocks: list[Block] = [Heading("How far it is"), _states(runs), *_curves(folder, runs)]
    if done:
        blocks.append(Heading("What has finished"))
        try:
            records = find_records([folder])
            page = pages.create("sweep").make(pages.Material(records, pages.subjects(records.groups)))
            blocks += page.blocks
        except UserError as error:  # such as runs that no one table holds
            blocks.append(Text(str(error)))
    return Document(f"{folder.name}: {done} of {sum(state.members for state in runs)} members done", blocks)


def mark(folder: Path) -> str:
    """The mark, which changes whenever the page would: a hash of sizes and times of the files behind it."""
    digest = hashlib.sha256(repr([(state.name, state.word) for state in states(folder)]).encode())
    for path in sorted(path for pattern in WATCHED for path in folder.glob(f"*/{pattern}")):
        try:
            seen = path.stat()
        except FileNotFoundError:  # progress of a run that has just ended
            continue
        digest.update(f"{path} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _states(runs: Sequence[State]) -> Table:
    rows = []
    for state in runs:
        left = "" if state.seconds is None or state.word == "done" else f"{state.seconds:.0f}"
        rows.append([state.title, state.word, f"{state.done}/{state.members}", left, state.failure or "", state.name])
    return Table(["run", "state", "members", "seconds of work left", "error", "folder"], rows, "lllrll", sortable=True)


def _curves(folder: Path, runs: Sequence[State]) -> Iterator[Block]:
    """One chart per run that is being trained: a line per member."""
    colours = palette(state.title.partition(" on ")[0] for state in runs)
    for state in runs:
        if state.word != "running":
            continue
        run = RunFolder(folder / state.name)
        look = looks([state.title.partition(" on ")[0]], colours)[0]
        lines = []
        for name in run.members():
            xs, ys = _loss(run.member(name))
            if xs:
                lines.append(Line({"member": name}, look["color"], (), xs, ys))
        if lines:
            yield Chart(f"Now training: {state.title}", "update", "validation loss", lines)


def _loss(member: MemberFolder) -> tuple[list[float], list[float | None]]:
    """Updates and validation losses so far; nothing where a line is only half there."""
    try:
        lines = read_lines(member.metrics)
    except UserError:
        return [], []
    seen = [
        (line["update"], line["validation"].get("loss")) for line in lines if isinstance(line.get("validation"), dict)
    ]
    points = [(update, loss) for update, loss in seen if _number(update) and (loss is None or _number(loss))]
    return [update for update, _ in points], [loss for _, loss in points]


def _number(value: object) -> bool:
    """True for a number as a log holds it, and not for what a changed one may hold."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST


__all__ = ["live", "mark"]
