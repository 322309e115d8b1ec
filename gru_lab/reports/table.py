"""The table of a comparison: rows are tasks, columns are cells; made of records alone, printed by `render`."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gru_lab.reports.labels import differences, layout
from gru_lab.reports.statistics import LEVEL, RESAMPLES, Interval, best, interval
from gru_lab.runs import Record

BEST = "the best mean of its row, marked only if its interval overlaps no other and none of its seeds diverged"


@dataclass(frozen=True)
class Entry:
    """One run in the table.

    `solved` and `diverged` count among `members` seeds. `seconds` is the wall time of one update of one member (the
    median over members); `parameters_ratio` and `time_ratio` are relative to the RNN of the row, None without one.
    """

    record: Record
    interval: Interval | None
    best: bool
    members: int
    solved: int
    diverged: int
    seconds: float | None
    parameters_ratio: float | None
    time_ratio: float | None
    reference: bool

    @property
    def value(self) -> str:
        """The mean, to the digits that its interval supports; `diverged` if all members did."""
        if self.interval is None:
            return "diverged" if self.diverged == self.members else "no value"
        return rounded(self.interval)[0]

    @property
    def bounds(self) -> str:
        """`[low, high]`; nothing where there is no interval."""
        if self.interval is None or self.interval.method == "none":
            return ""
        _, low, high = rounded(self.interval)
        return f"[{low}, {high}]"

    @property
    def count(self) -> str:
        """`4/5`: solved of all; with those that diverged, if some did and not all."""
        some = f" ({self.diverged} diverged)" if 0 < self.diverged < self.members else ""
        return f"{self.solved}/{self.members}{some}"

    @property
    def cost(self) -> str:
        """Parameters and time per update: of the RNN as they are, of the others relative to it."""
        if self.reference or self.parameters_ratio is None:
            time = f" · {duration(self.seconds)}" if self.reference and self.seconds else ""
            return f"{self.record.parameters:,}{time}"
        time = f" · {self.time_ratio:.2f}×" if self.time_ratio else ""
        return f"{self.parameters_ratio:.2f}×{time}"


@dataclass(frozen=True)
class Row:
    """One task: its entries under the names of their columns."""

    label: str
    metric: str
    entries: Mapping[str, Entry]


@dataclass(frozen=True)
class Table:
    """The whole table; `notes` say how to read it and what is missing in it."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def build(records: Sequence[Record], broken: Sequence[str] = ()) -> Table:
    """The table of the records; each sentence of `broken` names a run that is left out."""
    placed = layout(records)
    rows = tuple(_row(label, placed.row(label)) for label in placed.rows)
    notes = (*_reading(rows), *differences(placed), *(f"Left out: {sentence}." for sentence in broken))
    return Table(placed.columns, rows, notes)


def _row(label: str, group: Mapping[str, Record]) -> Row:
    intervals = [interval(record.values()) for record in group.values()]
    first = next(iter(group.values()))
    found = best(intervals, first.better)
    entries = {
        column: _entry(record, intervals[i], i == found, _reference(record, list(group.values())))
        for i, (column, record) in enumerate(group.items())
    }
    floor = "" if first.floor is None else f" (floor {first.floor:.3g})"
    return Row(label, f"{first.metric} {'↓' if first.better == 'lower' else '↑'}{floor}", entries)


def _entry(record: Record, found: Interval | None, best: bool, reference: Record | None) -> Entry:
    seconds = median_seconds(record)
    # a time on one device says nothing about a time on another
    base = median_seconds(reference) if reference and reference.device == record.device else None
    diverged = sum(member.status == "diverged" for member in record.members)
    return Entry(
        record=record,
        interval=found,
        best=best and not diverged,
        members=len(record.members),
        solved=record.solved,
        diverged=diverged,
        seconds=seconds,
        parameters_ratio=record.parameters / reference.parameters if reference else None,
        time_ratio=seconds / base if seconds and base else None,
        reference=reference is record,
    )


def _reference(record: Record, row: Sequence[Record]) -> Record | None:
    """The RNN of the row; of several the one with as many hidden units."""
    found = [other for other in row if other.cell == "rnn"]
    if record.cell == "rnn":
        return record
    found = found if len(found) == 1 else [other for other in found if other.hidden == record.hidden]
    return found[0] if len(found) == 1 else None


def median_seconds(record: Record) -> float | None:
    """The wall time of one update of one member in seconds: the median over the members."""
    times = [member.seconds_per_update for member in record.members if member.seconds_per_update]
    return statistics.median(times) if times else None


def _reading(rows: Sequence[Row]) -> list[str]:
    entries = [entry for row in rows for entry in row.entries.values()]
    seeds = sorted({entry.members for entry in entries})
    devices = dict.fromkeys(entry.record.device for entry in entries)
    versions = dict.fromkeys(
        f"{package} {version}" for entry in entries for package, version in sorted(entry.record.versions.items())
    )
    mixed = len({tuple(sorted(entry.record.versions.items())) for entry in entries}) > 1
    percentile = any(entry.interval and entry.interval.method == "percentile" for entry in entries)
    notes = [
        "Entry: the mean over the seeds on the test data, each seed at its best validation result, its "
        f"{LEVEL:.0%} bootstrap interval (BCa, {RESAMPLES:,} resamples, fixed seed), and how many seeds solved "
        "the task.",
        f"Seeds per entry: {seeds[0] if len(seeds) == 1 else f'{seeds[0]} to {seeds[-1]}'}."
        + (" A bootstrap interval of fewer than 10 seeds tends to be too narrow." if seeds[0] < 10 else ""),
        "Floor: the best guess without memory.",
        "Parameters (of the whole model) and time per update: of the RNN as they are, of the others relative to it. "
        f"Time is the wall time of one update of one seed on {' and '.join(devices)} (median over the seeds): noisy.",
    ]
    if percentile:
        notes.append("Where seeds are two or all equal, BCa is undefined: the interval is the percentile one.")
    if len(devices) > 1:
        notes.append("Times are compared within one device only.")
    if mixed:
        notes.append(f"The runs were made with different versions: {', '.join(versions)}.")
    return notes


def duration(seconds: float) -> str:
    """Three digits with their unit: `0.31 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def rounded(found: Interval) -> tuple[str, str, str]:
    """Mean, low and high with equally many decimals: two digits of the mean, and one of the interval's half width."""
    bounded = math.isfinite(found.high - found.low)
    half = (found.high - found.low) / 2 if bounded else 0.0
    size = abs(found.mean) or half or 1.0
    decimals = max(1 - exponent(size), -exponent(half)) if half else 2 - exponent(size)
    if 1e-4 <= size < 1e6:
        form = f".{min(max(decimals, 0), 8)}f"
    else:
        form = f".{min(max(decimals + exponent(size), 1), 5)}e"
    return f"{found.mean:{form}}", f"{found.low:{form}}", f"{found.high:{form}}"


def exponent(x: float) -> int:
    """The power of ten of the first digit of a positive number."""
    return math.floor(math.log10(x))
