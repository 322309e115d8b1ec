"""Comparisons for their readers: tables as blocks of a document, the figure of performance profiles, and CSV."""

import csv as lines
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gru_lab.errors import listed
from gru_lab.reports.blocks import Block, Figure, Heading, Strong, Table, Words
from gru_lab.reports.comparisons import Comparisons, Overall, Pair
from gru_lab.reports.coverage import WORST_AGGREGATE, WORST_IMPROVEMENT
from gru_lab.reports.effects import Estimate, profile
from gru_lab.reports.escape import plain
from gru_lab.reports.quantities import duration, rounded, scaled
from gru_lab.reports.statistics import LEVEL, RESAMPLES, Interval
from gru_lab.reports.style import Palette, files, looks, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

SIGNIFICANT = 0.05


def tables(made: Comparisons) -> list[Block]:
    """Both tables with their notes."""
    parts: list[Block] = [Heading(f"Compared with {made.reference}, task by task"), on_tasks(made)]
    return [*parts, Heading("Over the tasks"), over_tasks(made)] if made.tasks else parts


def blocks(made: Comparisons, colours: Palette) -> list[Block]:
    """Both tables, and the performance profiles where there are scores."""
    if not made.scored:
        return tables(made)
    caption = "Performance profiles: the share of all seeds and tasks whose score is above each level"
    return [*tables(made), Figure("performance_profiles", files(profiles(made, colours)), caption)]


def on_tasks(made: Comparisons) -> Table:
    """A line per network and task: difference, tests, probability of improvement, solved, cost to solve."""
    head = ["task", "network", "difference", "p", "p (Holm)", "P(better)", "solved", "updates to solve", "mean spent",
            "FLOPs to solve", "time to solve"]  # fmt: skip
    rows: list[list[Words]] = []
    for pair in made.pairs:
        corrected = _p(pair.corrected)
        rows.append([
            pair.task, pair.network, _interval(pair.difference) if pair.reference else "",
            _p(pair.p), Strong(corrected) if pair.corrected < SIGNIFICANT else corrected,
            _estimate(pair.improvement), _solved(pair),
            _interval(pair.updates, _count), _interval(pair.spent, _count),
            _interval(pair.flops, scaled) if pair.flops or not pair.updates else "—",
            _interval(pair.seconds, duration),
        ])  # fmt: skip
    starts = [n for n, pair in enumerate(made.pairs) if n == 0 or made.pairs[n - 1].task != pair.task]
    pairs = min((pair.pairs for pair in made.pairs if not math.isnan(pair.p)), default=0)
    notes: list[Words] = [
        f"Difference: the mean over the seeds that both have, network minus {made.reference}, with its {LEVEL:.0%} "
        "interval (as in the table of results). A seed without a result counts as the worst of its row, or the floor.",
        "p: permutation test of the differences paired by seed, two-sided (exact for at most 13 pairs)"
        + (f"; {pairs} pairs cannot give less than {_p(2.0 ** (1 - pairs))}." if pairs else "."),
        f"p (Holm): corrected over the {made.tests} tests of this table; bold below {SIGNIFICANT}.",
        f"P(better): probability that a seed of the network is better than one of {made.reference} (Mann and Whitney; "
        f"interval: Newcombe 2006, holds in at least {WORST_IMPROVEMENT:.0%} of simulated normal samples).",
        "Solved: how many of the seeds, and Wilson's interval of their share.",
        "To solve: the median over all seeds (interval: order statistics, from six seeds on), never for those that do "
        "not solve it; mean spent: the updates until solved, or until the end. FLOPs: of loss, gradient and optimiser, "
        "counted in the plain loop over each cell's step, whatever method ran it; — where the records have no count.",
    ]
    return Table(head, rows, "llrrrrrrrrr", starts, notes, f"Comparison with {made.reference}", "tab:statistics")


def over_tasks(made: Comparisons) -> Table:
    """A line per network: ranks, probability of improvement, aggregated scores, solved."""
    head = ["network", "mean rank", "P(better)", "score: mean", "median", "IQM", "solved"]
    rows = [
        [each.network, *map(_estimate, (each.rank, each.improvement, each.mean, each.median, each.iqm, each.solved))]
        for each in made.overall
    ]
    tasks, scored = (listed(labels, "and") for labels in (made.tasks, made.scored))
    notes: list[Words] = [
        f"Over {tasks}: the tasks on which all networks were trained, taken as given.",
        "Rank: of the mean results on each task, 1 for the best; then the mean over the tasks.",
        f"P(better): the mean over the tasks of the probability of improvement on {made.reference} (interval: MOVER).",
        f"Score on {scored if made.scored else 'no task'}: (result - floor) / (threshold - floor), 0 for the best "
        "guess without memory and for a seed without a result, 1 for solved. Mean and median: over the tasks, of the "
        "mean score on each; IQM: the interquartile mean of all seeds and tasks.",
        f"Intervals ({LEVEL:.0%}): of the score's mean from those of the tasks (MOVER); of ranks, median and IQM a "
        f"stratified bootstrap ({RESAMPLES:,} resamples, the seeds of every task by themselves), which for the IQM "
        f"holds in at least {WORST_AGGREGATE:.0%} of simulated samples.",
    ]
    return Table(head, rows, "lrrrrrr", (), notes, "Comparison over the tasks", "tab:statistics-overall")


def profiles(made: Comparisons, colours: Palette | None = None, on: "Axes | None" = None) -> "Drawn":
    """The performance profile of every network."""
    import numpy as np

    scores = {each.network: np.concatenate([*each.scores.values()]) for each in made.overall}
    highest = max(1.0, *(float(values.max()) for values in scores.values()))
    levels = np.linspace(0, 1.02 * highest, 300)
    with sheet(1.9, list(scores), on) as drawing:
        axes = drawing.panels[0, 0]
        networks = [made.network_of[label] for label in scores]
        handles: list[Any] = []
        for (label, values), look in zip(scores.items(), looks(networks, colours), strict=True):
            handles += axes.plot(levels, profile(values, levels), **look, label=label, drawstyle="steps-post")
        axes.set(
            xlabel="score: 0 best guess without memory, 1 solved", ylabel="share of runs above", ylim=(-0.02, 1.02)
        )
        axes.set_xlim(0, levels[-1])
        drawing.title("Performance profiles", f"{len(made.scored)} tasks, all seeds")
        drawing.legend(handles)
        return drawing.figure


def csv(made: Comparisons) -> dict[str, bytes]:
    """Both tables with all digits, by the names of the files; an empty field where there is no number."""
    pairs = [_of_pair(pair) for pair in made.pairs]
    overall = [_of_overall(each) for each in made.overall]
    return {"statistics.csv": _csv(pairs), "statistics_overall.csv": _csv(overall)}


def _of_pair(pair: Pair) -> dict[str, Any]:
    numbers = {
        "difference": pair.difference, "improvement": pair.improvement, "solved": pair.solved,
        "updates_to_solve": pair.updates, "updates_spent": pair.spent, "flops_to_solve": pair.flops,
        "seconds_to_solve": pair.seconds,
    }  # fmt: skip
    about = {"task": pair.task, "network": pair.network, "reference": pair.reference, "pairs": pair.pairs}
    return about | {"p": pair.p, "p_holm": pair.corrected} | _flat(numbers)


def _of_overall(each: Overall) -> dict[str, Any]:
    numbers = {
        "rank": each.rank, "improvement": each.improvement, "score_mean": each.mean, "score_median": each.median,
        "score_iqm": each.iqm, "solved": each.solved,
    }  # fmt: skip
    return {"network": each.network} | _flat(numbers)


def _flat(numbers: Mapping[str, Estimate | Interval | None]) -> dict[str, float | None]:
    flat: dict[str, float | None] = {}
    for name, around in numbers.items():
        for suffix, field in (("", "value"), ("_low", "low"), ("_high", "high")):
            flat[f"{name}{suffix}"] = getattr(around, field) if around else None
    return flat


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    def cell(value: Any) -> Any:
        if isinstance(value, str):
            return plain(value)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    file = io.StringIO()
    writer = lines.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return file.getvalue().encode()


def _p(p: float) -> str:
    return "" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def _estimate(around: Estimate | None) -> str:
    """`0.83 [0.35, 0.98]`."""
    if around is None or math.isnan(around.value):
        return ""
    bounded = math.isfinite(around.high - around.low)
    return f"{around.value:.2f}{f' [{around.low:.2f}, {around.high:.2f}]' * bounded}"


def _solved(pair: Pair) -> str:
    """`4/6 [0.30, 0.90]`."""
    group = pair.entry.group
    bounds = f" [{pair.solved.low:.2f}, {pair.solved.high:.2f}]" if pair.solved else ""
    return f"{group.solved}/{len(group.members)}{bounds}" if pair.solved else ""


def _count(updates: float) -> str:
    return f"{updates:,.0f}"


def _interval(around: Interval | None, form: Callable[[float], str] | None = None) -> str:
    """`-0.10 [-0.20, 0.00]`, or by a form of one's own, in which an infinite number is `never`."""
    if around is None:
        return ""
    if form is None:
        value, low, high = rounded(around)
        return f"{value} [{low}, {high}]" if around.bounded else value
    value, low, high = ("never" if math.isinf(x) else form(x) for x in (around.value, around.low, around.high))
    spread = around.high > around.low > -math.inf and (around.low, around.high) != (around.value, around.value)
    return f"{value} [{low}, {high}]" if spread else value
