"""The memory horizons of a study: the longest length that each network solves, for all tasks in one figure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gru_lab.reports import escape
from gru_lab.reports.labels import display_name
from gru_lab.reports.ladder import Rungs, horizon
from gru_lab.reports.style import Palette, palette, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vPXp<>*"  # shapes tell networks apart in print without colours
LINE = 0.1  # inches: the line of one network


def horizons(
    ladders: Mapping[str, Mapping[str, Rungs]], colours: Palette | None = None, on: "Axes | None" = None
) -> "Figure":
    """The longest length that half of the seeds solve, per task and network.

    Networks of one task lie below each other in the order of the legend. A hollow dot half a rung before the first
    length: the network does not solve that. An arrow: it solves the last one, and its horizon lies beyond.

    Args:
        ladders: task -> network -> length -> what was trained on it, see `gru_lab.reports.ladder.climbs`.
        colours: the networks' colours, see `gru_lab.reports.style.palette`.
        on: the axes to draw on.
    """
    every = [rungs for columns in ladders.values() for rungs in columns.values()]
    colours = colours or palette(next(iter(rungs.values())).shared.network for rungs in every)
    networks = list(dict.fromkeys(network for columns in ladders.values() for network in columns))
    lengths = sorted({n for columns in ladders.values() for rungs in columns.values() for n in rungs})
    with sheet(0.7 + LINE * sum(len(columns) + 1 for columns in ladders.values()), networks, on) as drawing:
        axes = drawing.panels[0, 0]
        handles, middles, line = {}, [], 0
        for columns in ladders.values():
            first, last = min(map(min, columns.values())), max(map(max, columns.values()))
            middles.append(line + (len(columns) - 1) / 2)
            for network in (network for network in networks if network in columns):
                reached = horizon(columns[network])
                at = reached or first / 2**0.5
                colour, _ = colours[next(iter(columns[network].values())).shared.network]
                shape = MARKERS[networks.index(network) % len(MARKERS)]
                axes.plot([lengths[0] / 2, at], [line, line], color=colour, linewidth=0.8)
                inside = colour if reached else "white"
                dots = axes.plot(
                    [at],
                    [line],
                    shape,
                    color=colour,
                    markerfacecolor=inside,
                    markersize=3.5,
                    linestyle="",
                    label=network,
                )
                if reached == last:
                    ends = {"xy": (at * 2**0.5, line), "xytext": (at, line)}
                    axes.annotate("", **ends, arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 0.8})
                if reached or network not in handles:
                    handles[network] = dots[0]
                line += 1
            line += 1
        axes.set(xscale="log", xlabel="longest length solved (steps)", xlim=(lengths[0] / 2, lengths[-1] * 2))
        axes.set_xticks(lengths, [str(n) for n in lengths], rotation=90)
        axes.minorticks_off()
        axes.set_yticks(middles, [escape.figure(display_name(task)) for task in ladders])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        drawing.title("Memory horizons", "half of the seeds solve it; hollow: not even the first length")
        drawing.legend([handles[network] for network in networks])
        return drawing.figure
