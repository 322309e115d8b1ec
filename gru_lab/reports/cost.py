"""The table and the figure of `experiments/cost.py`: what a step of each cell costs, apart from training."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gru_lab.reports import style
from gru_lab.reports.labels import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]

MARKS = {"forward": ("#0072B2", "o"), "forward+backward": ("#D55E00", "s")}
LINE = 0.13  # inches: the height of a cell
RELATIVE = {
    "ratio": "time",
    "flops": "FLOPs",
    "bytes": "bytes moved",
    "temporaries_mb": "temporaries",
    "compile_s": "compiling",
}
TITLES = ("cell", "hidden", "parameters", "µs per step", *RELATIVE.values())


def summary(rows: Rows, sizing: str, direction: str) -> dict[str, dict[str, float]]:
    """The cells of one sizing in one direction, cheapest first: geometric means over the shapes they were measured at.

    `ratio` is the time over that of the first cell, `low` and `high` the least and the greatest of any shape; sizes and
    `parameters` are the same at every shape.
    """
    here = [row for row in rows if (row["sizing"], row["direction"]) == (sizing, direction)]
    cells = {}
    for cell in dict.fromkeys(row["cell"] for row in here):
        lines = [row for row in here if row["cell"] == cell]
        means = {
            name: math.exp(sum(math.log(max(float(line[name]), 1e-9)) for line in lines) / len(lines))
            for name in ("us_per_step", *RELATIVE)
        }
        ratios = [float(line["ratio"]) for line in lines]
        cells[cell] = means | {"low": min(ratios), "high": max(ratios)}
        cells[cell] |= {name: int(lines[0][name]) for name in ("hidden", "parameters")}
    return dict(sorted(cells.items(), key=lambda item: item[1]["ratio"]))


def cost_table(rows: Rows) -> str:
    """The lines of `cost.csv` as Markdown, a table per sizing and direction; geometric means over the shapes.

    From the fifth column on, numbers are relative to those of the first cell; in brackets the least and the greatest of
    any shape.
    """
    first, text = rows[0]["cell"], []
    shapes = list(dict.fromkeys(f"{row['batch']} x {row['time']} x {row['inputs']}" for row in rows))
    text.append(f"Relative to {first}; geometric means over batch x time x inputs of {', '.join(shapes)}.\n")
    for sizing in dict.fromkeys(row["sizing"] for row in rows):
        for direction in dict.fromkeys(row["direction"] for row in rows):
            cells = summary(rows, sizing, direction)
            base = cells.get(first) or next(iter(cells.values()))
            text += [f"**{sizing}, {direction}**\n", f"| {' | '.join(TITLES)} |"]
            text.append("|---" + "|---:" * (len(TITLES) - 1) + "|")
            for cell, values in cells.items():
                relative = {name: f"{values[name] / base[name]:.2f}" for name in RELATIVE}
                relative["ratio"] += f" [{values['low']:.2f}, {values['high']:.2f}]"
                numbers = (f"{values['hidden']}", f"{values['parameters']:,}", f"{values['us_per_step']:.3g}")
                text.append(f"| {' | '.join((cell, *numbers, *relative.values()))} |")
            text.append("")
    return "\n".join(text)


def cost_figure(rows: Rows, on: "Axes | Sequence[Axes] | None" = None) -> "Figure":
    """The times of the cells relative to the first one, a panel per sizing.

    A mark is the geometric mean over the shapes, a line reaches from the least to the greatest of any shape.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    sizings = list(dict.fromkeys(row["sizing"] for row in rows))
    orders = {sizing: list(summary(rows, sizing, "forward+backward")) for sizing in sizings}
    tall = max(len(order) for order in orders.values())
    with style.sheet(0.9 + LINE * max(tall, 4), list(MARKS), on, columns=len(sizings), sharex=True) as drawing:
        axes = drawing.panels[0]
        handles: dict[str, Any] = {}
        for axis, sizing in zip(axes, sizings, strict=True):
            axis.axvline(1, color="0.5", linewidth=0.8)
            order = orders[sizing]
            for direction, (colour, marker) in MARKS.items():
                cells = summary(rows, sizing, direction)
                places = [order.index(cell) for cell in cells]
                ratios, low, high = ([values[name] for values in cells.values()] for name in ("ratio", "low", "high"))
                axis.hlines(places, low, high, color=colour, linewidth=0.8, alpha=0.6)
                looks: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 3.2, "linestyle": "none"}
                [handles[direction]] = axis.plot(ratios, places, label=direction, **looks)
            axis.set(xscale="log", ylim=(len(order) - 0.4, -0.6))
            axis.xaxis.set_major_locator(FixedLocator([2.0**k for k in range(-5, 11)]))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_yticks(range(len(order)), [display_name(cell) for cell in order])
            axis.grid(axis="y", linewidth=0.3, color="0.85")
            axis.set_axisbelow(True)
            axis.set_title(sizing, fontsize=7)
        first = display_name(rows[0]["cell"])
        drawing.title("What does a step cost?", f"time of a cell / time of {first}, over shapes")
        drawing.legend(list(handles.values()))
        return drawing.figure
