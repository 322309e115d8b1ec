"""Comparisons of the networks of a table with its reference, on each task and over the tasks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gru_lab.reports.effects import (
    NOTHING,
    STATISTICS,
    Better,
    Estimate,
    aggregate,
    averaged,
    holm,
    improvement,
    mean_ranks,
    permutation_p,
    restricted,
    score,
    solved_share,
)
from gru_lab.reports.labels import short_names
from gru_lab.reports.statistics import Interval, interval, median
from gru_lab.reports.table import Entry, Row, Table, reference_of
from gru_lab.runs import Record

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Pair:
    """A network on a task, and the same against the reference where it is not the reference itself.

    Attributes:
        task, network: the labels of row and column.
        entry: what the table shows.
        reference: the label of the network that it is compared to.
        pairs: the number of seeds that both have.
        difference: of the means over these, with its interval.
        p, corrected: of the paired permutation test, and after Holm's correction over the whole table.
        improvement: the probability that a seed of this network is better than one of the reference.
        solved: the share of seeds that solved the task; None where nothing counts as solved.
        updates, spent, flops, seconds: to solve: the median, the restricted mean, and the median in floating-point
            operations and in seconds; None for what the records do not say.
    """

    task: str
    network: str
    entry: Entry
    reference: str | None
    pairs: int
    difference: Interval | None
    p: float
    corrected: float
    improvement: Estimate
    solved: Estimate | None
    updates: Interval | None
    spent: Interval | None
    flops: Interval | None
    seconds: Interval | None


@dataclass(frozen=True)
class Overall:
    """A network over the tasks that all networks have.

    Attributes:
        network: the label of the column.
        rank: the mean rank over the tasks.
        improvement: the mean over the tasks of the probability of improvement on the reference.
        mean, median, iqm: of the normalised scores; see `score`.
        solved: the share of all seeds that solved their task.
        scores: by task.
    """

    network: str
    rank: Estimate
    improvement: Estimate
    mean: Estimate
    median: Estimate
    iqm: Estimate
    solved: Estimate | None
    scores: "Mapping[str, np.ndarray]"


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of a table.

    Attributes:
        reference: the network that the others are compared to.
        pairs, overall: the comparisons on each task and over the tasks.
        tasks: the rows that all networks have; `scored` are those of them with a score.
        network_of: the network of each column, whose label may say more.
    """

    reference: str
    pairs: tuple[Pair, ...]
    overall: tuple[Overall, ...]
    tasks: tuple[str, ...]
    scored: tuple[str, ...]
    network_of: Mapping[str, str]

    @property
    def tests(self) -> int:
        """The number of tests that Holm's correction is over."""
        return sum(not math.isnan(pair.p) for pair in self.pairs)


def compare(table: Table) -> Comparisons | None:
    """Every network of a table against its reference, or its first network; None for a single network."""
    if len(table.columns) < 2:
        return None
    groups = [entry.group for row in table.rows for entry in row.entries.values()]
    short = short_names(group.shared.network for group in groups)
    first = next(entry.group for row in table.rows for name, entry in row.entries.items() if name == table.columns[0])
    reference = table.reference or short[first.shared.network]
    names = {name for name, last in short.items() if reference in (name, last)}
    pairs = [pair for row in table.rows for pair in _pairs(row, names)]
    tested = [n for n, pair in enumerate(pairs) if not math.isnan(pair.p)]
    for n, corrected in zip(tested, holm([pairs[n].p for n in tested]), strict=True):
        pairs[n] = replace(pairs[n], corrected=corrected)
    whole = [row for row in table.rows if set(row.entries) == set(table.columns)]
    overall, scored = _overall(table, whole, pairs)
    network_of = {name: entry.group.shared.network for row in table.rows for name, entry in row.entries.items()}
    return Comparisons(reference, tuple(pairs), overall, tuple(row.label for row in whole), scored, network_of)


def _results(row: Row) -> "dict[str, dict[int, float]]":
    """The results by seed of every network.

    A seed without a result has the worst of its row, or the floor, if that is worse.
    """
    shared = next(iter(row.entries.values())).group.shared
    worse = max if shared.better == "lower" else min
    known = [value for entry in row.entries.values() for value in entry.group.values()]
    known += [] if shared.floor is None else [shared.floor]
    worst = worse(known) if known else 0.0
    return {
        column: {
            record.member.seed: worst if (value := record.value()) is None else value for record in entry.group.members
        }
        for column, entry in row.entries.items()
    }


def _pairs(row: Row, names: set[str]) -> list[Pair]:
    import numpy as np

    results = _results(row)
    columns = {id(entry.group): column for column, entry in row.entries.items()}
    made = []
    for column, entry in row.entries.items():
        members = entry.group.members
        against = reference_of(entry.group, [other.group for other in row.entries.values()], names)
        solvable = entry.group.shared.threshold is not None
        updates = [record.solved_at for record in members]
        pair = Pair(
            row.label, column, entry, None, 0, None, math.nan, math.nan, NOTHING,
            solved_share(entry.group.solved, len(members)) if solvable else None,
            _to_solve(members, lambda record: 1),
            restricted(updates, max(record.updates for record in members)) if solvable else None,
            _to_solve(members, lambda record: record.flops),
            _to_solve(members, lambda record: record.seconds_per_update),
        )  # fmt: skip
        if against is not None and against is not entry.group:
            ours, theirs = results[column], results[columns[id(against)]]
            seeds = sorted(ours.keys() & theirs.keys())
            differences = np.array([ours[seed] - theirs[seed] for seed in seeds])
            pair = replace(
                pair,
                reference=columns[id(against)],
                pairs=len(seeds),
                difference=interval(differences.tolist()),
                p=permutation_p(differences) if len(seeds) > 1 else math.nan,
                improvement=improvement(
                    np.array([*ours.values()]), np.array([*theirs.values()]), entry.group.shared.better
                ),
            )
        made.append(pair)
    return made


def _to_solve(members: Sequence[Record], of_update: Callable[[Record], float | None]) -> Interval | None:
    """The median cost until a task is solved, of that of an update; None where a record does not say it."""
    if members[0].threshold is None:
        return None
    costs = [math.inf if r.solved_at is None else r.solved_at * (of_update(r) or math.nan) for r in members]
    return None if any(map(math.isnan, costs)) else median(costs)


def _overall(table: Table, whole: Sequence[Row], pairs: Sequence[Pair]) -> tuple[tuple[Overall, ...], tuple[str, ...]]:
    import numpy as np

    labels = {row.label for row in whole}
    results = [_results(row) for row in whole]
    better: list[Better] = [next(iter(row.entries.values())).group.shared.better for row in whole]
    ranks = [NOTHING] * len(table.columns)
    if whole:
        ranks = mean_ranks([[np.array([*of[c].values()]) for c in table.columns] for of in results], better)
    overall, scored = [], tuple[str, ...]()
    for n, column in enumerate(table.columns):
        of_column = [pair for pair in pairs if pair.network == column and pair.task in labels]
        scores: dict[str, np.ndarray] = {}
        highest = 0.0
        for pair in of_column:
            shared = pair.entry.group.shared
            if shared.floor is not None and shared.threshold is not None and shared.floor != shared.threshold:
                values = [score(record.value(), shared.floor, shared.threshold) for record in pair.entry.group.members]
                scores[pair.task] = np.array(values)
                highest = max(highest, *(score(x, shared.floor, shared.threshold) for x in pair.entry.limits))
        scored = tuple(scores)
        strata = [*scores.values()]
        mean, middle, inner = (aggregate(strata, of, (0.0, highest)) if strata else NOTHING for of in STATISTICS)
        solvable = [pair.entry.group for pair in of_column if pair.solved]
        overall.append(Overall(
            column, ranks[n],
            averaged([pair.improvement for pair in of_column if pair.reference]),
            mean, middle, inner,
            solved_share(sum(g.solved for g in solvable), sum(len(g.members) for g in solvable)) if solvable else None,
            scores,
        ))  # fmt: skip
    return tuple(overall), scored
