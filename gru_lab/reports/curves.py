"""Learning curves: the validation metric of every member against the update, with the task's floor."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gru_lab.reports.style import Palette, figure, files, legend, looks
from gru_lab.runs import Record
from gru_lab.runs.folder import read_metrics

if TYPE_CHECKING:
    import numpy as np


def curves(record: Record) -> "tuple[np.ndarray, np.ndarray]":
    """The updates (N,) of the evaluations and the validation metric (N, members).

    A member that stopped keeps its last value; one that diverged has NaN from there on.
    """
    import numpy as np

    members = len(record.members)
    lines = read_metrics(record.folder / "metrics.jsonl")[0] if record.folder else []
    updates = np.array([line["update"] for line in lines], float)
    values = np.full((len(lines), members), np.nan)
    for n, line in enumerate(lines):
        measured = line.get("validation", {}).get(record.metric) or [None] * members
        for i, (member, value) in enumerate(zip(record.members, measured, strict=True)):
            stopped = value is None and n > 0 and member.status != "diverged"
            values[n, i] = values[n - 1, i] if stopped else math.nan if value is None else value
    return updates, values


def learning_curves(title: str, runs: Mapping[str, Record], colours: Palette) -> dict[str, bytes]:
    """One task: a thin line a member and the median in bold; PNG and PDF, nothing if no run has an evaluation.

    The median counts a diverged member as the worst: its line ends where half of the members have diverged. A line
    ends in a dot where the last member solved the task, in a cross where one diverged. A metric that is better when
    lower gets a log axis where the values, the floor and the threshold span more than a factor of ten.
    """
    import numpy as np
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    found = {column: curves(record) for column, record in runs.items()}
    drawn = np.concatenate([values[np.isfinite(values)] for _, values in found.values()])
    if not drawn.size:
        return {}
    first = next(iter(runs.values()))
    lower = first.better == "lower"
    shown = np.append(drawn, [level for level in (first.floor, first.threshold) if level is not None])
    positive = shown[shown > 0]
    log = lower and positive.size > 0 and shown.max() > 10 * positive.min()

    handles = []
    with figure(2.1, len(runs) + 2) as page:
        axes = page.add_subplot()
        for (column, (updates, values)), look in zip(
            found.items(), looks([r.cell for r in runs.values()], colours), strict=True
        ):
            if log:
                values = np.where(values <= 0, positive.min(), values)
            worst = np.where(np.isnan(values), math.inf if lower else -math.inf, values)
            median = np.median(worst, axis=1)
            axes.plot(updates, values, **look, linewidth=0.5, alpha=0.4)
            label = column if np.isfinite(values).any() else f"{column} (diverged)"
            marker = "." if len(updates) == 1 else None  # a line needs two points
            handles += axes.plot(
                updates, np.where(np.isinf(median), np.nan, median), **look, marker=marker, label=label
            )
            if solved_by_all(runs[column]) and len(updates):
                axes.plot(updates[-1], median[-1], "o", color=look["color"], markersize=3.5, clip_on=False)
            for i, member in enumerate(runs[column].members):
                if member.status == "diverged":
                    last = np.flatnonzero(np.isfinite(values[:, i]))[-1:]
                    axes.plot(updates[last], values[last, i], "x", color=look["color"], markersize=4)
        grey: dict[str, Any] = {"color": "0.3", "linewidth": 0.9}
        if first.floor is not None:
            handles.append(axes.axhline(first.floor, linestyle="--", **grey, label="floor: no memory"))
        if first.threshold is not None:
            dots = " (dot: all seeds)" if any(map(solved_by_all, runs.values())) else ""
            handles.append(axes.axhline(first.threshold, linestyle=":", **grey, label=f"solved{dots}"))
        if any(member.status == "diverged" for record in runs.values() for member in record.members):
            handles.append(Line2D([], [], color="0.3", linestyle="", marker="x", markersize=4, label="diverged"))
        if log:
            axes.set_yscale("log")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set(
            title=f"{title}\nbold: median; thin: seeds",
            xlabel="update",
            ylabel=f"validation {first.metric}\n({first.better} is better)",
        )
        legend(page, handles)
        return files(page)


def solved_by_all(record: Record) -> bool:
    """Whether every member solved the task."""
    return record.solved == len(record.members) > 0
