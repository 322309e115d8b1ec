"""Two panels side by side, at initialisation and after training: one curve per network, with the range of its seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gru_lab.reports.measured import WHEN
from gru_lab.reports.style import Palette, figure, files, legend, looks
from gru_lab.reports.style import title as set_title

if TYPE_CHECKING:
    import numpy as np

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


class Axes(NamedTuple):
    """The labels and scales of both panels."""

    x: str
    y: str
    log: bool = True
    floor: float | None = None  # the lowest value shown, in place of what is found


def two_panels(
    title: str,
    lines: Mapping[str, Curves],
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

    whens = [when for when in WHEN if any(when in curves.values for curves in lines.values())]
    drawn = np.concatenate([np.zeros(0), *(v.ravel() for curves in lines.values() for v in curves.values.values())])
    drawn = drawn[np.isfinite(drawn) & ((drawn > 0) | (not axes.log))]
    if not drawn.size:
        return {}
    edge = max(drawn.max() * DEPTH, drawn.min() / 2) if axes.log else -np.inf
    edge = edge if axes.floor is None else max(edge, axes.floor)
    highest = max(drawn.max(), *(y.max() for _, _, y in references), edge)

    with figure(1.9, [*lines, *(label for label, _, _ in references)]) as page:
        handles: list[Any] = []
        panels = page.subplots(1, len(whens), sharey=True, squeeze=False)[0]
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
            if axes.log:
                panel.set_yscale("log")
                panel.set_ylim(edge, 2 * highest)
            elif axes.floor is not None:
                panel.set_ylim(bottom=edge)
            panel.set_xlim(left=0)
            panel.set(title=WHEN[when], xlabel=axes.x)
        panels[0].set_ylabel(axes.y)
        set_title(page, title, "line: median; band: range of the seeds")
        legend(page, handles)
        return files(page)
