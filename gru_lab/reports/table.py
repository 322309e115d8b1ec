"""The table of a comparison: rows are tasks, columns are networks; made of groups alone, written by `render`."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gru_lab.errors import UserError, listed, nearest
from gru_lab.reports.coverage import HARD, PROMISED, SIZES, WORST
from gru_lab.reports.differences import differences
from gru_lab.reports.labels import by, layout, short_names
from gru_lab.reports.quantities import LIMITS, duration, rounded
from gru_lab.reports.statistics import ANYWHERE, LEVEL, METHOD, Interval, Limits, best, interval, prediction
from gru_lab.runs import Group

REFERENCE = "rnn"
STATISTIC = "the mean over the seeds on the test data, each seed at its best validation result"
BEST = "the best mean of its row, marked only if its interval overlaps no other and all of its seeds have a value"
INTERVAL = (
    f"Interval: {METHOD}. In simulations (normal, exponential, beta and two-point results, {SIZES[0]} to {SIZES[-1]} "
    f"seeds) at least {PROMISED:.0%} of such intervals hold the mean where {LEVEL:.0%} are claimed, and {WORST:.0%} in "
    f"the worst case ({HARD[0]}, {SIZES[0]} seeds)."
)
PROCESSORS = (
    "The same command gives the same numbers to the bit on one machine; on another processor rounding makes other "
    "trajectories (of 12 entries repeated on another CPU three means fell outside the first run's 95% interval)."
)
MOST = 7  # notes under a table, beside the one that explains what is bold; the page has all


@dataclass(frozen=True)
class Entry:
    """One group in the table.

    `seconds` is the wall time of one update of one member (the median over members); `parameters_ratio` and
    `time_ratio` are relative to the reference of the row, None without one. `repeated` is the number of seeds of a
    repetition whose mean is predicted: None for no prediction, 0 for as many as there are.
    """

    group: Group
    interval: Interval | None
    best: bool
    seconds: float | None
    parameters_ratio: float | None
    time_ratio: float | None
    reference: bool
    repeated: int | None = None

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
        if self.interval is None or not self.interval.bounded:
            return ""
        _, low, high = rounded(self.interval)
        return f"[{low}, {high}]"

    @property
    def limits(self) -> Limits:
        """The least and the largest value that the metric can have."""
        return LIMITS.get(self.group.shared.metric, ANYWHERE)

    def again(self, m: int) -> tuple[float, float]:
        """The interval in which the mean of a repetition with m seeds will fall; see `statistics.prediction`."""
        return prediction(self.group.values(), m, self.limits)

    @property
    def repetition(self) -> str:
        """`again 0.0010 to 0.0015`; nothing where it was not asked for or is not finite."""
        if self.repeated is None or self.interval is None:
            return ""
        low, high = self.again(self.repeated or self.members)
        around = replace(self.interval, low=low, high=high)
        return "again {1} to {2}".format(*rounded(around)) if around.bounded else ""

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
    """The whole table; `notes` say how to read it and what is missing in it, `further` what only the page says."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    reference: str | None
    further: tuple[str, ...] = ()


def build(
    groups: Sequence[Group],
    broken: Sequence[str] = (),
    repeated: Sequence[str] = (),
    reference: str | None = REFERENCE,
    *,
    mixed: bool = False,
    repetition: int | None = None,
) -> Table:
    """The table of the groups.

    Args:
        groups: the entries.
        broken: a sentence per member or run that is left out.
        repeated: a sentence per folder whose members stand in another one too.
        reference: the network to which parameters and times are relative; without it they are shown as they are.
        mixed: whether columns may differ in what they share, which is then told; see `differences`.
        repetition: whether each entry also shows where the mean of a repetition with so many seeds will fall; 0 for
            as many as the entry has.

    Raises:
        UserError: if none of the groups is of that network, unless it is the default one; if columns differ in what
            they must share.
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
    differ = differences(placed, seeds=not broken)
    if differ.shared and not mixed:
        first, *others = differ.shared
        more = f" (and {len(others)} more)" if others else ""
        raise UserError(
            f"{first.rstrip('.')}{more}: columns that are compared must share it; choose other runs, or "
            "show them side by side with --mixed"
        )
    rows = tuple(_row(label, placed.row(label), names, repetition) for label in placed.rows)
    notes: tuple[str, ...] = (
        *_reading(rows, reference, repetition),
        *(f"Mixed: {sentence}" for sentence in differ.shared),
        *(f"Left out: {sentence.rstrip('.')}." for sentence in broken),
        *(f"Counted once: {sentence.rstrip('.')}." for sentence in repeated),
        *differ.chosen,
        PROCESSORS,
        *differ.columns,
    )
    room = len(notes) if len(notes) <= MOST else MOST - 1
    notes, further = notes[:room], notes[room:]
    if further:
        notes = (*notes, f"{len(further)} further notes are in README.md of the report.")
    return Table(placed.columns, rows, notes, reference if names else None, further)


def _row(label: str, row: Mapping[str, Group], names: set[str], repetition: int | None) -> Row:
    first = next(iter(row.values())).shared
    limits = LIMITS.get(first.metric, ANYWHERE)
    intervals = [interval(group.values(), limits) for group in row.values()]
    winner = best(intervals, first.better)
    entries = {
        column: _entry(group, intervals[i], i == winner, reference_of(group, list(row.values()), names), repetition)
        for i, (column, group) in enumerate(row.items())
    }
    floor = "" if first.floor is None else f"floor {first.floor:.3g}"
    return Row(label, f"{first.metric} {'↓' if first.better == 'lower' else '↑'}", floor, entries)


def _entry(
    group: Group, around: Interval | None, first: bool, reference: Group | None, repetition: int | None
) -> Entry:
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
        repeated=repetition,
    )


def reference_of(group: Group, row: Sequence[Group], names: set[str]) -> Group | None:
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


def _reading(rows: Sequence[Row], reference: str | None, repetition: int | None) -> list[str]:
    entries = [entry for row in rows for entry in row.entries.values()]
    intervals = [entry.interval for entry in entries if entry.interval]
    places = sorted({device for entry in entries for device in devices(entry.group)} - {""})
    packages = {tuple(versions(entry.group)) for entry in entries}
    solvable = any(entry.group.shared.threshold is not None for entry in entries)
    relative = any(entry.parameters_ratio is not None and not entry.reference for entry in entries)
    cost = f": of {reference} as they are, of the others in its row relative to it" if relative else ""
    notes = [
        f"Entry: {STATISTIC}, its {LEVEL:.0%} interval, and how many seeds "
        f"{'solved the task' if solvable else 'there are'}."
        + (" Floor: the best guess without memory." if any(row.floor for row in rows) else "")
        + f" Seeds per entry: {_seeds(rows)}.",
        INTERVAL
        + (" Equal results: as far as the metric's limits and the number of seeds allow (Clopper and Pearson)."
           if any(around.method == "all equal" for around in intervals) else "")
        + (" No interval: a single seed, or results that are all equal and tell nothing of their spread."
           if not all(around.bounded for around in intervals) else ""),
    ]  # fmt: skip
    if repetition is not None:
        again = "as many seeds" if not repetition else f"{repetition} seed{'s' * (repetition > 1)}"
        notes.append(f"Again: where the mean of a repetition with {again} on another machine will fall ({LEVEL:.0%}).")
    plans = dict.fromkeys(record.plan for entry in entries for record in entry.group.members if record.plan)
    notes += [f"Protocol: {plan}." for plan in plans]
    notes.append(
        f"Parameters (of the whole network) and time per update{cost}. Time is the wall time of one update of one seed"
        f"{' on ' if places else ''}{' and '.join(places)} (median over the seeds): noisy"
        f"{', and compared within one device only' * (len(places) > 1)}."
    )
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
