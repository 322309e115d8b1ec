"""The memory horizon: what networks still reach as the task grows longer, and the longest that they solve."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gru_lab.errors import UserError
from gru_lab.reports import escape
from gru_lab.reports.labels import Place, arrange, describe, display_name, labelled
from gru_lab.reports.style import Palette, looks, sheet
from gru_lab.runs import Group

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARE = 0.5  # of the members that must solve a length

Rungs = Mapping[int, Group]  # length -> what was trained on it


def climbs(groups: Sequence[Group]) -> dict[str, dict[str, dict[int, Group]]]:
    """The groups by the labels of their task (without its length) and network, and by length.

    Raises:
        UserError: for a task without the setting `length`.
    """
    entries = [describe(group) for group in groups]
    places = []
    for entry, place in zip(entries, arrange(entries), strict=True):
        if not entry.of_task.get("length", "").isdigit():
            raise UserError(f"task {entry.task!r} has no whole number as its length, so that it makes no ladder")
        task, pairs = place.row
        places.append(Place((task, tuple(pair for pair in pairs if pair[0] != "length")), place.column))
    ladders: dict[str, dict[str, dict[int, Group]]] = {}
    for group, entry, (row, column) in zip(groups, entries, labelled(places), strict=True):
        ladders.setdefault(row, {}).setdefault(column, {})[int(entry.of_task["length"])] = group
    return {
        row: {column: dict(sorted(rungs.items())) for column, rungs in columns.items()}
        for row, columns in ladders.items()
    }


def solved(group: Group) -> bool:
    """True if at least half of the members solved the task."""
    return group.solved >= SHARE * len(group.members)


def horizon(rungs: Rungs) -> int:
    """The longest length up to which every rung tried was solved by half of the members; 0 if the first was not."""
    reached = 0
    for length in sorted(rungs):
        if not solved(rungs[length]):
            break
        reached = length
    return reached


def ladder(
    task: str, networks: Mapping[str, Rungs], colours: Palette | None = None, on: "Axes | None" = None
) -> "Figure | None":
    """The test metric against the length, median and range of the seeds, with the value of the best guess (dotted).

    Filled dots: solved by half of the seeds. A diverged member counts as the best guess, and is left out where the task
    has none. None if no member has a value.
    Source: Bai, Kolter & Koltun 2018, arXiv:1803.01271, figure 5.
    """
    import numpy as np

    first = next(iter(next(iter(networks.values())).values())).shared
    floors = {n: group.shared.floor for rungs in networks.values() for n, group in sorted(rungs.items())}
    guesses = {n: floor for n, floor in sorted(floors.items()) if floor is not None}
    if not any(_values(group).size for rungs in networks.values() for group in rungs.values()):
        return None
    labels = {label: f"{display_name(label)}: {horizon(rungs)}" for label, rungs in networks.items()}
    with sheet(2.0, [*labels.values(), *["best guess"] * bool(guesses)], on) as drawing:
        axes = drawing.panels[0, 0]
        handles = []
        styles = looks([next(iter(rungs.values())).shared.network for rungs in networks.values()], colours)
        for (label, rungs), look in zip(networks.items(), styles, strict=True):
            values = {n: _values(group) for n, group in sorted(rungs.items()) if _values(group).size}
            low, middle, high = (np.array([f(v) for v in values.values()]) for f in (np.min, np.median, np.max))
            lengths = list(values)
            axes.fill_between(lengths, low, high, color=look["color"], alpha=0.2, linewidth=0)
            handles += axes.plot(lengths, middle, **look, label=labels[label])
            for length, value in zip(lengths, middle, strict=True):
                inside = look["color"] if solved(rungs[length]) else "white"
                axes.plot([length], [value], "o", color=look["color"], markerfacecolor=inside, markersize=4)
        if guesses:
            style = {"linestyle": ":", "color": "0.45", "linewidth": 1}
            handles += axes.plot(list(guesses), list(guesses.values()), **style, label="best guess")
        axes.set(xscale="log", xlabel="length of the task (steps)", ylabel=f"test {escape.figure(first.metric)}")
        axes.set_xticks(sorted(floors), [str(n) for n in sorted(floors)])
        axes.minorticks_off()
        lowest = min(float(np.min(np.asarray(line.get_ydata()))) for line in axes.lines)
        if first.better == "lower" and lowest > 0:
            axes.set_yscale("log")
        drawing.title(task, "legend: longest length that half of the seeds solve (filled)")
        drawing.legend(handles)
        return drawing.figure


def _values(group: Group) -> "np.ndarray":
    """The members' test results; the floor in place of a diverged one, if there is a floor."""
    import numpy as np

    values = [group.shared.floor if record.value() is None else record.value() for record in group.members]
    return np.array([value for value in values if value is not None], float)
