"""Two panels side by side, at initialisation and after training: one curve per network, with the range of its seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gru_lab.reports.measured import WHEN
from gru_lab.reports.style import Palette, looks, sheet

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEPTH = 1e-16  # of the largest value on a log axis: whatever is below counts as vanished


class Curves(NamedTuple):
    """The curves of a network in both panels.

    Attributes:
        network: its name, which decides the colour.
        x: the positions of the values, (N,).
        values: by `initial` and `trained` one curve per member, (members, N); a panel may be missing.
    """

    network: str
    x: "np.ndarray"
    values: "Mapping[str, np.ndarray]"


class Scales(NamedTuple):
    """The labels and scales of both panels."""

    x: str
    y: str
    log: bool = True
    floor: float | None = None  # the lowest value shown, in place of what is found
    members: str = "seeds"  # what the band is the range of


def two_panels(
    title: str,
    lines: Mapping[str, Curves],
    scales: Scales,
    colours: Palette | None = None,
    on: "Axes | Sequence[Axes] | None" = None,
    references: Sequence[tuple[str, "np.ndarray", "np.ndarray"]] = (),
) -> "Figure | None":
    """The median over the members and a band from the smallest to the largest; one panel where one moment was measured.

    On a log axis values below 1e-16 of the largest, zeros among them, lie on the lower edge. Members with a value that
    is not finite (diverged) are left out; None if none is left. `references` are dashed grey lines
    (label, x, y) in both panels.
    """
    import numpy as np

    whens = [when for when in WHEN if any(when in curves.values for curves in lines.values())]
    drawn = np.concatenate([np.zeros(0), *(v.ravel() for curves in lines.values() for v in curves.values.values())])
    drawn = drawn[np.isfinite(drawn) & ((drawn > 0) | (not scales.log))]
    if not drawn.size:
        return None
    edge = max(drawn.max() * DEPTH, drawn.min() / 2) if scales.log else -np.inf
    edge = edge if scales.floor is None else max(edge, scales.floor)
    highest = max(drawn.max(), *(y.max() for _, _, y in references), edge)

    labels = [*lines, *(label for label, _, _ in references)]
    with sheet(1.9, labels, on, columns=len(whens), sharey=True) as drawing:
        handles: list[Any] = []
        panels = drawing.panels[0]
        for panel, when in zip(panels, whens, strict=True):
            handles = []
            for (label, curves), look in zip(
                lines.items(), looks([curves.network for curves in lines.values()], colours), strict=True
            ):
                values = curves.values.get(when, np.zeros((0, len(curves.x))))
                members = np.maximum(values[np.isfinite(values).all(axis=1)], edge)
                handles += panel.plot([], [], **look, label=label)
                if len(members):
                    band = (members.min(0), members.max(0))
                    panel.fill_between(curves.x, *band, color=look["color"], alpha=0.2, linewidth=0)
                    panel.plot(curves.x, np.median(members, axis=0), **look)
            for label, x, y in references:
                handles += panel.plot(x, y, color="0.45", linestyle="--", linewidth=0.9, label=label)
            if scales.log:
                panel.set_yscale("log")
                panel.set_ylim(edge, 2 * highest)
            elif scales.floor is not None:
                panel.set_ylim(bottom=edge)
            panel.set_xlim(left=0)
            panel.set(title=WHEN[when], xlabel=scales.x)
        panels[0].set_ylabel(scales.y)
        drawing.title(title, f"line: median; band: range of the {scales.members}")
        drawing.legend(handles)
        return drawing.figure
