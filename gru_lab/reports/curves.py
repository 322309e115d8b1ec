"""Learning curves: the validation metric of every member against the update, with the task's floor."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gru_lab.reports import escape
from gru_lab.reports.style import Palette, looks, sheet
from gru_lab.runs import Group, MemberFolder

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curves(group: Group) -> "tuple[np.ndarray, np.ndarray]":
    """The updates (N,) of all evaluations and the validation metric (N, members).

    A member that stopped keeps its last value; one that diverged has NaN from there on.
    """
    import numpy as np

    members: list[dict[int, float]] = []
    for record in group.members:
        lines = MemberFolder(record.folder).read_metrics() if record.folder else []
        values = {line["update"]: line.get("validation", {}).get(record.metric) for line in lines}
        members.append({update: math.nan if value is None else float(value) for update, value in values.items()})
    updates = sorted({update for values in members for update in values})
    validation = np.full((len(updates), len(members)), np.nan)
    for i, (record, values) in enumerate(zip(group.members, members, strict=True)):
        last = math.nan
        for n, update in enumerate(updates):
            over = math.nan if record.status == "diverged" and update > max(values, default=0) else last
            validation[n, i] = last = values.get(update, over)
    return np.array(updates, float), validation


def learning_curves(
    name: str, groups: Mapping[str, Group], colours: Palette | None = None, on: "Axes | None" = None
) -> "Figure | None":
    """One task: a thin line per member and the median in bold; None if no group has an evaluation.

    The median counts a diverged member as the worst: its line ends where half of the members have diverged. A line
    ends in a dot where the last member solved the task, in a cross where one diverged. A metric that is better when
    lower gets a log axis where the values, the floor and the threshold span more than a factor of ten.
    """
    import numpy as np
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    lines = {column: curves(group) for column, group in groups.items()}
    drawn = np.concatenate([values[np.isfinite(values)] for _, values in lines.values()])
    if not drawn.size:
        return None
    first = next(iter(groups.values())).shared
    lower = first.better == "lower"
    levels = np.append(drawn, [level for level in (first.floor, first.threshold) if level is not None])
    positive = levels[levels > 0]
    log = lower and positive.size > 0 and levels.max() > 10 * positive.min()

    diverged = any(record.status == "diverged" for group in groups.values() for record in group.members)
    labels = {
        column: column if np.isfinite(values).any() else f"{column} (diverged)" for column, (_, values) in lines.items()
    }
    grey: dict[str, Any] = {"color": "0.3", "linewidth": 0.9}
    dots = " (dot: all seeds)" if any(map(solved_by_all, groups.values())) else ""
    further = ["floor: no memory"] * (first.floor is not None) + ["diverged"] * diverged
    further += [f"solved{dots}"] * (first.threshold is not None)

    handles = []
    with sheet(2.1, [*labels.values(), *further], on) as drawing:
        axes = drawing.panels[0, 0]
        styles = looks([group.shared.network for group in groups.values()], colours)
        for (column, (updates, values)), look in zip(lines.items(), styles, strict=True):
            if log:
                values = np.where(values <= 0, positive.min(), values)
            worst = np.where(np.isnan(values), math.inf if lower else -math.inf, values)
            median = np.median(worst, axis=1)
            axes.plot(updates, values, color=look["color"], linewidth=0.5, alpha=0.4)
            marker = "." if len(updates) == 1 else None  # a line needs two points
            finite = np.where(np.isinf(median), np.nan, median)
            handles += axes.plot(updates, finite, **look, marker=marker, label=labels[column])
            if solved_by_all(groups[column]) and len(updates):
                axes.plot(updates[-1], median[-1], "o", color=look["color"], markersize=3.5, clip_on=False)
            for i, record in enumerate(groups[column].members):
                if record.status == "diverged":
                    last = np.flatnonzero(np.isfinite(values[:, i]))[-1:]
                    axes.plot(updates[last], values[last, i], "x", color=look["color"], markersize=4)
        if first.floor is not None:
            handles.append(axes.axhline(first.floor, linestyle="--", **grey, label="floor: no memory"))
        if first.threshold is not None:
            handles.append(axes.axhline(first.threshold, linestyle=":", **grey, label=f"solved{dots}"))
        if diverged:
            handles.append(Line2D([], [], color="0.3", linestyle="", marker="x", markersize=4, label="diverged"))
        if log:
            axes.set_yscale("log")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set(xlabel="update", ylabel=f"validation {escape.figure(first.metric)}\n({first.better} is better)")
        drawing.title(name, "bold: median; thin: seeds")
        drawing.legend(handles)
        return drawing.figure


def solved_by_all(group: Group) -> bool:
    """True if every member solved the task."""
    return group.solved == len(group.members) > 0
