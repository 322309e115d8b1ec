"""The figure of `experiments/methods.py`: the time of parallel methods over that of the loop, against the length."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gru_lab.reports.style import looks, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def methods_figure(rows: Sequence[Mapping[str, Any]], on: "Sequence[Axes] | None" = None) -> "Figure":
    """A panel per size of the state: below 1 all steps at once are faster; large marks are large batches."""
    rows = [row for row in rows if row["method"] != "sequential"]
    sizes = sorted({int(row["hidden"]) for row in rows})
    names = list(dict.fromkeys(str(row["cell"]) for row in rows))
    batches = sorted({int(row["batch"]) for row in rows})
    with sheet(1.9, names, on, columns=max(len(sizes), 1), sharex=True, sharey=True) as drawing:
        handles: list[Any] = []
        for panel, hidden in zip(drawing.panels[0], sizes, strict=True):
            handles = []
            panel.axhline(1, color="0.6", linewidth=0.8)
            for name, look in zip(names, looks(names), strict=True):
                handles += panel.plot([], [], **look, label=name)
                for batch in batches:
                    here = [row for row in rows if (row["cell"], int(row["batch"])) == (name, batch)]
                    here = sorted((r for r in here if int(r["hidden"]) == hidden), key=lambda r: int(r["time"]))
                    times, ratios = [int(row["time"]) for row in here], [float(row["ratio"]) for row in here]
                    panel.plot(times, ratios, **look, marker="o", markersize=3 + 2 * batches.index(batch), alpha=0.8)
            panel.set(xscale="log", yscale="log", xlabel="steps", title=f"{hidden} unit{'s' * (hidden > 1)}")
        drawing.panels[0, 0].set(ylabel="time / time of the loop")
        drawing.title("All steps at once", *(f"large dots: {batch} sequences" for batch in batches[1:2]))
        drawing.legend(handles)
        return drawing.figure
