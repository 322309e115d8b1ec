"""The table of a comparison: rows are tasks, columns are networks; made of groups alone, written by `render`."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gru_lab.errors import UserError, listed, nearest
from gru_lab.reports.differences import differences
from gru_lab.reports.labels import by, layout, short_names
from gru_lab.reports.quantities import duration, rounded
from gru_lab.reports.statistics import LEVEL, RESAMPLES, Interval, best, interval
from gru_lab.runs import Group

REFERENCE = "rnn"
STATISTIC = "the mean over the seeds on the test data, each seed at its best validation result"
BEST = "the best mean of its row, marked only if its interval overlaps no other and all of its seeds have a value"
PROCESSORS = (
    "The same command gives the same numbers to the bit on one machine; on another processor rounding makes other "
    "trajectories (of 12 entries repeated on another CPU three means fell outside the first run's 95% interval)."
)


@dataclass(frozen=True)
class Entry:
    """One group in the table.

    `seconds` is the wall time of one update of one member (the median over members); `parameters_ratio` and
    `time_ratio` are relative to the reference of the row, None without one.
    """

    group: Group
    interval: Interval | None
    best: bool
    seconds: float | None
    parameters_ratio: float | None
    time_ratio: float | None
    reference: bool

    @property
    def members(self) -> int:
        """The number of seeds."""
        return len(self.group.members)

    @property
    def diverged(self) -> int:
        """The number of seeds that diverged."""
        return sum(record.status == "diverged" for record in self.group.members)

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
        """`4/5`: solved of all, or `5 seeds` of a task that is never solved; with those that have no value."""
        missing = self.members - self.diverged - (self.interval.n if self.interval else 0)
        parts = [f"{self.diverged} diverged"] if 0 < self.diverged < self.members else []
        parts += [f"{missing} without a value"] if 0 < missing < self.members else []
        seeds = f"{self.members} seed{'s' * (self.members > 1)}"
        first = seeds if self.group.shared.threshold is None else f"{self.group.solved}/{self.members}"
        return f"{first} ({', '.join(parts)})" if parts else first

    @property
    def cost(self) -> str:
        """Parameters and time per update: relative to the reference, or as they are."""
        if self.reference or self.parameters_ratio is None:
            return f"{self.group.shared.parameters:,}{f' · {duration(self.seconds)}' if self.seconds else ''}"
        return f"{self.parameters_ratio:.2f}×{f' · {self.time_ratio:.2f}×' if self.time_ratio else ''}"


@dataclass(frozen=True)
class Row:
    """One task: its entries under the names of their columns."""

    label: str
    metric: str
    floor: str
    entries: Mapping[str, Entry]


@dataclass(frozen=True)
class Table:
    """The whole table; `notes` say how to read it and what is missing in it."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    reference: str | None


def build(
    groups: Sequence[Group],
    broken: Sequence[str] = (),
    repeated: Sequence[str] = (),
    reference: str | None = REFERENCE,
) -> Table:
    """The table of the groups.

    Args:
        groups: the entries.
        broken: a sentence per member or run that is left out.
        repeated: a sentence per folder whose members stand in another one too.
        reference: the network to which parameters and times are relative; without it they are shown as they are.

    Raises:
        UserError: if none of the groups is of that network, unless it is the default one.
    """
    networks = short_names(group.shared.network for group in groups)
    known = [*networks, *networks.values()]
    if reference not in (None, REFERENCE, *known):
        raise UserError(
            f"reference is {reference!r}: it must be a network of the table, "
            f"{listed(dict.fromkeys(networks.values()))}.{nearest(reference, known)}"
        )
    names = {name for name, short in networks.items() if reference in (name, short)}
    placed = layout(groups)
    rows = tuple(_row(label, placed.row(label), names) for label in placed.rows)
    notes = (
        *_reading(rows, reference),
        *differences(placed),
        *(f"Counted once: {sentence.rstrip('.')}." for sentence in repeated),
        *(f"Left out: {sentence.rstrip('.')}." for sentence in broken),
    )
    return Table(placed.columns, rows, notes, reference if names else None)


def _row(label: str, row: Mapping[str, Group], names: set[str]) -> Row:
    intervals = [interval(group.values()) for group in row.values()]
    first = next(iter(row.values())).shared
    winner = best(intervals, first.better)
    entries = {
        column: _entry(group, intervals[i], i == winner, _reference(group, list(row.values()), names))
        for i, (column, group) in enumerate(row.items())
    }
    floor = "" if first.floor is None else f"floor {first.floor:.3g}"
    return Row(label, f"{first.metric} {'↓' if first.better == 'lower' else '↑'}", floor, entries)


def _entry(group: Group, around: Interval | None, first: bool, reference: Group | None) -> Entry:
    seconds = median_seconds(group)
    # a time on one device says nothing about a time on another
    same = reference is not None and len(devices(group)) == 1 and devices(group) == devices(reference)
    base = median_seconds(reference) if reference and same else None
    return Entry(
        group=group,
        interval=around,
        best=first and around is not None and around.n == len(group.members),
        seconds=seconds,
        parameters_ratio=group.shared.parameters / reference.shared.parameters if reference else None,
        time_ratio=seconds / base if seconds and base else None,
        reference=reference is group,
    )


def _reference(group: Group, row: Sequence[Group], names: set[str]) -> Group | None:
    """The group of the row that a group is compared to: of several the one with as many hidden units."""
    if group.shared.network in names:
        return group
    candidates = [other for other in row if other.shared.network in names]
    if len(candidates) > 1:
        candidates = [other for other in candidates if other.shared.hidden == group.shared.hidden]
    return candidates[0] if len(candidates) == 1 else None


def devices(group: Group) -> list[str]:
    """The devices on which the members were trained, each once."""
    return sorted({record.device for record in group.members})


def versions(group: Group) -> list[str]:
    """The packages and versions with which the members were trained, each once: `jax 0.10.2`."""
    return sorted({f"{name} {version}" for record in group.members for name, version in record.versions.items()})


def median_seconds(group: Group) -> float | None:
    """The wall time of one update of one member in seconds: the median over the members."""
    times = [record.seconds_per_update for record in group.members if record.seconds_per_update]
    return statistics.median(times) if times else None


def _reading(rows: Sequence[Row], reference: str | None) -> list[str]:
    entries = [entry for row in rows for entry in row.entries.values()]
    places = sorted({device for entry in entries for device in devices(entry.group)} - {""})
    packages = {tuple(versions(entry.group)) for entry in entries}
    solvable = any(entry.group.shared.threshold is not None for entry in entries)
    relative = any(entry.parameters_ratio is not None and not entry.reference for entry in entries)
    cost = f": of {reference} as they are, of the others in its row relative to it" if relative else ""
    notes = [
        f"Entry: {STATISTIC}, its {LEVEL:.0%} bootstrap interval (BCa, {RESAMPLES:,} resamples, fixed seed), and "
        f"how many seeds {'solved the task' if solvable else 'there are'}.",
        f"Seeds per entry: {_seeds(rows)}."
        + (
            " A bootstrap interval of fewer than 10 seeds tends to be too narrow."
            if min(entry.members for entry in entries) < 10
            else ""
        ),
    ]
    if any(row.floor for row in rows):
        notes.append("Floor: the best guess without memory.")
    notes.append(
        f"Parameters (of the whole network) and time per update{cost}. Time is the wall time of one update of one seed"
        f"{' on ' if places else ''}{' and '.join(places)} (median over the seeds): noisy."
    )
    if any(entry.interval and entry.interval.method == "percentile" for entry in entries):
        notes.append("Where seeds are two or all equal, BCa is undefined: the interval is the percentile one.")
    if len(places) > 1:
        notes.append("Times are compared within one device only.")
    notes.append(PROCESSORS)
    if len(packages) > 1:
        every = dict.fromkeys(package for group in sorted(packages) for package in group)
        notes.append(f"The members were trained with different versions: {', '.join(sorted(every))}.")
    return notes


def _seeds(rows: Sequence[Row]) -> str:
    """`6`; where entries differ `6 (adding: rnn, gru; copy: gru); 5 (adding: lstm)`, the most first."""
    counts = sorted({entry.members for row in rows for entry in row.entries.values()}, reverse=True)
    if len(counts) == 1:
        return str(counts[0])
    parts = []
    for count in counts:
        of_row = {row.label: [c for c, entry in row.entries.items() if entry.members == count] for row in rows}
        same = by((row for row, columns in of_row.items() if columns), lambda row, of_row=of_row: tuple(of_row[row]))
        where = [f"{', '.join(labels)}: {', '.join(columns)}" for columns, labels in same.items()]
        parts.append(f"{count} ({'; '.join(where)})")
    return "; ".join(parts)
