"""The figure of `experiments/speed.py`: other libraries' times over ours, a panel per cell and direction."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gru_lab.reports import style
from gru_lab.reports.labels import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHAPE = ("batch", "time", "inputs", "hidden")
LEFT_OUT = ("gru_lab", "plain scan")  # the measure itself, and what is no other library
MARKS = tuple(zip(("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"), "osD^vP", strict=True))
PANEL = 1.3  # inches: the height of seven shapes


def speed_figure(rows: Sequence[Mapping[str, Any]], on: "Axes | Sequence[Axes] | None" = None) -> "Figure | None":
    """The lines of `speed.csv`; None where no other library was measured."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    rows = [row for row in rows if row["contender"] not in LEFT_OUT]
    if not rows:
        return None
    names, cells, directions = (list(dict.fromkeys(row[n] for row in rows)) for n in ("contender", "cell", "direction"))
    shapes = list(dict.fromkeys(_shape(row) for row in rows))
    low, high = min(float(row["ratio"]) for row in rows), max(float(row["ratio"]) for row in rows)
    height, size = 0.6 + PANEL * len(cells) * max(len(shapes), 3) / 7, {"rows": len(cells), "columns": len(directions)}
    with style.sheet(height, names, on, sharex=True, sharey=True, **size) as drawing:
        axes = drawing.panels
        handles: dict[str, Any] = {}
        for (down, cell), (across, direction) in ((c, d) for c in enumerate(cells) for d in enumerate(directions)):
            axis = axes[down, across]
            axis.axvline(1, color="0.5", linewidth=0.8)
            for n, name in enumerate(names):
                key = (name, cell, direction)
                here = [row for row in rows if (row["contender"], row["cell"], row["direction"]) == key]
                colour, marker = MARKS[n % len(MARKS)]
                ratios, places = [float(row["ratio"]) for row in here], [shapes.index(_shape(row)) for row in here]
                looks: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 3.2, "linestyle": "none"}
                [handles[name]] = axis.plot(ratios, places, label=name, **looks)
            axis.set(xscale="log", xlim=(min(low / 1.15, 0.9), max(high * 1.15, 1.1)), ylim=(len(shapes) - 0.4, -0.6))
            axis.xaxis.set_major_locator(FixedLocator([2.0**k for k in range(-5, 8)]))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_yticks(range(len(shapes)), shapes)
            axis.grid(axis="y", linewidth=0.3, color="0.85")
            axis.set_axisbelow(True)
            axis.set_title(f"{display_name(cell)}, {direction}".replace("forward+backward", "with gradient"))
        if not drawing.borrowed:
            drawing.figure.supylabel("batch × time × inputs × hidden", fontsize=8)
        drawing.title("How fast?", "time of the library / time of gru_lab; above 1: gru_lab is faster")
        drawing.legend(list(handles.values()))
        return drawing.figure


def _shape(row: Mapping[str, Any]) -> str:
    return "×".join(str(row[name]) for name in SHAPE)
