"""A film for the classroom: the gradient's norm over lags while the networks learn, side by side."""

import io
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gru_lab.errors import UserError
from gru_lab.reports import escape
from gru_lab.reports.measured import over_time
from gru_lab.reports.panels import DEPTH
from gru_lab.reports.style import LINE, SETTINGS, Palette, looks
from gru_lab.runs import Group

FRAMES_PER_SECOND = 8
HOLD = 12  # frames that the first and the last picture stay
FRAMES = 120  # at most, of evenly spaced evaluations


class Reel(NamedTuple):
    """The curves of a network over time.

    Attributes:
        network: its name, which decides the colour.
        updates: the updates at which it was measured, (N,).
        norms: the norm against the lag, (N, members, lags); NaN where a member had stopped.
        solved: the update at which half of the members had solved the task; None if they never did.
    """

    network: str
    updates: np.ndarray
    norms: np.ndarray
    solved: int | None = None


def reel(group: Group) -> Reel:
    """The measurements that members made of their gradients while they trained.

    Raises:
        UserError: if they were not measured then.
    """
    curves = over_time(group, "gradient_flow", "norm")
    if curves is None:
        folder = group.shared.folder.parent.parent if group.shared.folder else group.shared.network
        raise UserError(f"{folder} holds no gradients over time: it was trained without diagnostics=[gradient_flow]")
    times = [math.inf if record.solved_at is None else record.solved_at for record in group.members]
    half = sorted(times)[(len(times) - 1) // 2]
    return Reel(group.shared.network, *curves, int(half) if math.isfinite(half) else None)


def film(title: str, reels: Mapping[str, Reel], colours: Palette) -> bytes:
    """An animated GIF: one panel per network, the median over members and their range, the first curve kept in grey.

    A member that has stopped keeps its last curve; a network whose members have all stopped stands still.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    filled = {label: reel._replace(norms=_held(reel.norms)) for label, reel in reels.items()}
    drawn = np.concatenate([reel.norms.ravel() for reel in filled.values()])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    edge = max(drawn.max() * DEPTH, drawn.min() / 2)
    updates = np.unique(np.concatenate([reel.updates for reel in filled.values()]))
    shown = updates[np.unique(np.linspace(0, len(updates) - 1, min(FRAMES, len(updates))).round().astype(int))]

    settings: dict[Any, Any] = SETTINGS | {"font.size": 10, "axes.titlesize": 11, "figure.titlesize": 12}
    with mpl.rc_context(settings):
        page = Figure(figsize=(3 * max(len(filled), 1.3), 3 + LINE), layout="constrained", dpi=100)
        canvas = FigureCanvasAgg(page)
        panels = page.subplots(1, len(filled), sharey=True, squeeze=False)[0]
        moving = []
        styles = looks([reel.network for reel in filled.values()], colours)
        for panel, (label, reel), look in zip(panels, filled.items(), styles, strict=True):
            lags = np.arange(reel.norms.shape[2])
            first = np.maximum(np.nanmedian(reel.norms[0], axis=0), edge)
            panel.plot(lags, first, color="0.7", linewidth=1, label=f"grey: at update {reel.updates[0]:,.0f}")
            (line,) = panel.plot(lags, np.full(lags.shape, np.nan), **(look | {"linestyle": "-", "linewidth": 2}))
            panel.set(yscale="log", ylim=(edge, 2 * drawn.max()), xlim=(0, lags[-1]), xlabel="lag (steps back)")
            moving.append((panel, label, reel, lags, line))
        panels[0].set_ylabel("norm of the gradient")
        panels[0].legend(handles=[panels[0].lines[0]], loc="lower left", handlelength=1.2)
        pictures, bands = [], []
        for update in shown:
            for band in bands:
                band.remove()
            bands = []
            for panel, label, reel, lags, line in moving:
                norms = np.maximum(reel.norms[max(np.searchsorted(reel.updates, update, side="right") - 1, 0)], edge)
                line.set_ydata(np.nanmedian(norms, axis=0))
                low, high = np.nanmin(norms, axis=0), np.nanmax(norms, axis=0)
                bands.append(panel.fill_between(lags, low, high, color=line.get_color(), alpha=0.2, linewidth=0))
                done = reel.solved is not None and update >= reel.solved
                panel.set_title(escape.figure(f"{label}: solved" if done else label, 30))
            page.suptitle(f"{escape.figure(title, 36 * len(filled))}: update {update:,.0f}")
            canvas.draw()
            picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
            pictures.append(picture.quantize(64, dither=Image.Dither.NONE))
    pictures = [pictures[0]] * HOLD + pictures + [pictures[-1]] * HOLD
    file = io.BytesIO()
    options = {"save_all": True, "append_images": pictures[1:], "duration": 1000 // FRAMES_PER_SECOND, "loop": 0}
    pictures[0].save(file, format="GIF", **options)
    return file.getvalue()


def _held(norms: np.ndarray) -> np.ndarray:
    """Every member's curve, the last one from where it stopped."""
    held = norms.copy()
    for n in range(1, len(held)):
        gone = ~np.isfinite(held[n]).all(axis=1)
        held[n, gone] = held[n - 1, gone]
    return held
