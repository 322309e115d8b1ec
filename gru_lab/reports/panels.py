"""Two panels side by side, at initialisation and after training: one curve a cell, with the range of its seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gru_lab.reports.style import Palette, figure, files, legend, looks

if TYPE_CHECKING:
    import numpy as np

WHEN = {"initial": "at initialisation", "trained": "after training"}
DEPTH = 1e-16  # of the largest value on a log axis: whatever is below counts as vanished


class Curves(NamedTuple):
    """What one cell adds to the panels.

    Attributes:
        cell: its name, which decides the colour.
        x: where the curves are known, (N,).
        values: by `initial` and `trained` one curve a member, (members, N); a panel may be missing.
    """

    cell: str
    x: "np.ndarray"
    values: "Mapping[str, np.ndarray]"


class Axes(NamedTuple):
    """How both panels are labelled and scaled."""

    x: str
    y: str
    log: bool = True
    floor: float | None = None  # the lowest value shown, in place of what is found


def two_panels(
    title: str,
    found: Mapping[str, Curves],
    colours: Palette,
    axes: Axes,
    references: Sequence[tuple[str, "np.ndarray", "np.ndarray"]] = (),
) -> dict[str, bytes]:
    """The median over the members and a band from the smallest to the largest, as PNG and PDF.

    On a log axis values below 1e-16 of the largest, zeros among them, lie on the lower edge. Members with a value that
    is not finite (diverged) are left out; nothing is drawn if none is left. `references` are dashed grey lines
    (label, x, y) in both panels.
    """
    import numpy as np

    whens = [when for when in WHEN if any(when in curves.values for curves in found.values())]
    drawn = np.concatenate([np.zeros(0), *(v.ravel() for curves in found.values() for v in curves.values.values())])
    drawn = drawn[np.isfinite(drawn) & ((drawn > 0) | (not axes.log))]
    if not drawn.size:
        return {}
    edge = max(drawn.max() * DEPTH, drawn.min() / 2) if axes.log else -np.inf
    edge = edge if axes.floor is None else max(edge, axes.floor)

    with figure(1.9, len(found) + len(references)) as page:
        handles: list[Any] = []
        panels = page.subplots(1, len(whens), sharey=True, squeeze=False)[0]
        for panel, when in zip(panels, whens, strict=True):
            handles = []
            for (label, curves), look in zip(
                found.items(), looks([curves.cell for curves in found.values()], colours), strict=True
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
            if axes.log:
                panel.set_yscale("log")
                panel.set_ylim(edge, 2 * drawn.max())
            elif axes.floor is not None:
                panel.set_ylim(bottom=edge)
            panel.set_xlim(left=0)
            panel.set(title=WHEN[when], xlabel=axes.x)
        panels[0].set_ylabel(axes.y)
        page.suptitle(f"{title}\nline: median; band: range of the seeds", fontsize=8)
        legend(page, handles)
        return files(page)
