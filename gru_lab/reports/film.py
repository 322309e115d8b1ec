"""A film for the classroom: gradient and loss of networks side by side while they learn, as GIF, MP4 and a player."""

import importlib.util
import io
import math
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gru_lab.errors import UserError
from gru_lab.reports import escape, html
from gru_lab.reports.blocks import Film
from gru_lab.reports.curves import curves
from gru_lab.reports.labels import display_name
from gru_lab.reports.measured import over_time
from gru_lab.reports.panels import DEPTH
from gru_lab.reports.style import LINE, SETTINGS, Palette, looks
from gru_lab.runs import Group

FRAMES_PER_SECOND = 8
HOLD = 12  # frames that the first and the last picture stay
FRAMES = 120  # at most, of evenly spaced evaluations
LAGS = 100  # points of a curve in the player at most
# on one thread and without the marks of its version: the same film gives the same bytes
ENCODER = ("-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-threads", "1",
           "-flags:v", "+bitexact", "-fflags", "+bitexact")  # fmt: skip


class Reel(NamedTuple):
    """The curves of a network over time.

    Attributes:
        network: its name, which decides the colour.
        updates: the updates at which the gradient was measured, (N,).
        norms: the norm against the lag, (N, members, lags); NaN where a member had stopped.
        evaluations: the updates at which the network was evaluated, (M,).
        values: the validation metric, (M, members); NaN where a member had diverged.
        metric: its name.
        floor: its value for the best guess without memory; None if there is none.
        lower: whether lower is better.
        solved: the update at which half of the members had solved the task; None if they never did.
    """

    network: str
    updates: np.ndarray
    norms: np.ndarray
    evaluations: np.ndarray
    values: np.ndarray
    metric: str = "loss"
    floor: float | None = None
    lower: bool = True
    solved: int | None = None


class Scene(NamedTuple):
    """The moments that a film shows and the limits of its axes.

    Attributes:
        updates: the moments, (N,).
        edge, top: the limits of the gradient's logarithmic axis.
        metric, floor, log: of the loss below it, and whether its axis is logarithmic.
        low, high: the limits of that axis.
        reels: by label, with norms that are never NaN for a stopped member, and never below `edge`.
    """

    updates: np.ndarray
    edge: float
    top: float
    metric: str
    floor: float | None
    log: bool
    low: float
    high: float
    reels: Mapping[str, Reel]

    @property
    def last(self) -> float:
        """The last update."""
        return float(self.updates[-1])


def reel(group: Group) -> Reel:
    """The measurements that members made while they trained: of their gradients and on the validation set.

    Raises:
        UserError: if gradients were not measured then.
    """
    measured, shared = over_time(group, "gradient_flow", "norm"), group.shared
    if measured is None:
        folder = shared.folder.parent.parent if shared.folder else shared.network
        raise UserError(f"{folder} holds no gradients over time: it was trained without diagnostics=[gradient_flow]")
    times = [math.inf if record.solved_at is None else record.solved_at for record in group.members]
    half = sorted(times)[(len(times) - 1) // 2]
    solved = int(half) if math.isfinite(half) else None
    about = (shared.metric, shared.floor, shared.better == "lower", solved)
    return Reel(shared.network, *measured, *curves(group), *about)


def scene(reels: Mapping[str, Reel]) -> Scene:
    """The moments, curves and limits of a film of these networks."""
    held = {label: each._replace(norms=_held(each.norms)) for label, each in reels.items()}
    drawn = np.concatenate([each.norms.ravel() for each in held.values()])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    edge = max(drawn.max() * DEPTH, drawn.min() / 2)
    clipped = {label: each._replace(norms=np.maximum(each.norms, edge)) for label, each in held.items()}
    updates = np.unique(np.concatenate([each.updates for each in held.values()]))
    shown = updates[np.unique(np.linspace(0, len(updates) - 1, min(FRAMES, len(updates))).round().astype(int))]

    first = next(iter(held.values()))
    values = np.concatenate([each.values.ravel() for each in held.values()])
    levels = values[np.isfinite(values)]
    levels = levels if first.floor is None else np.append(levels, first.floor)
    levels = levels if levels.size else np.array([0.0, 1.0])
    positive = levels[levels > 0]
    log = first.lower and positive.size > 0 and bool(levels.max() > 10 * positive.min())
    low, high = (positive.min() / 1.3, levels.max() * 1.3) if log else (levels.min(), levels.max())
    room = 0 if log else 0.05 * (high - low or 1.0)
    return Scene(shown, edge, 2 * drawn.max(), first.metric, first.floor, log, low - room, high + room, clipped)


def film(title: str, reels: Mapping[str, Reel], colours: Palette | None = None) -> dict[str, bytes]:
    """The film as an animated GIF, and as MP4 where `imageio_ffmpeg` is installed; by suffix.

    Per network the norm of the gradient against the lag, median and range of the members, with the first curve kept in
    grey; below it the validation metric up to that update. A member that has stopped keeps its last curve.
    """
    from PIL import Image

    pictures, raw = [], []
    for picture in frames(title, reels, colours):
        pictures.append(Image.fromarray(picture).quantize(64, dither=Image.Dither.NONE))
        raw.append(picture)
    file = io.BytesIO()
    options = {"save_all": True, "append_images": pictures[1:], "duration": 1000 // FRAMES_PER_SECOND, "loop": 0}
    pictures[0].save(file, format="GIF", **options)
    return {"gif": file.getvalue()} | _encoded(raw)


def _encoded(pictures: Sequence[np.ndarray]) -> dict[str, bytes]:
    """The pictures as MP4, if there is an encoder."""
    if not importlib.util.find_spec("imageio_ffmpeg"):
        return {}
    from imageio_ffmpeg import get_ffmpeg_exe

    height, width = pictures[0].shape[:2]
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FRAMES_PER_SECOND), "-i", "-"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "film.mp4"
        line = [get_ffmpeg_exe(), "-loglevel", "error", *given, *ENCODER, str(file)]
        subprocess.run(line, input=b"".join(picture.tobytes() for picture in pictures), check=True)
        return {"mp4": file.read_bytes()}


def frames(title: str, reels: Mapping[str, Reel], colours: Palette | None = None) -> Iterator[np.ndarray]:
    """The pictures of a film one after the other, (height, width, 3) of 8 bits; the first and the last stay a while."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = scene(reels)
    count = len(shown.reels)
    settings: dict[Any, Any] = SETTINGS | {"font.size": 10, "axes.titlesize": 11, "figure.titlesize": 12}
    with mpl.rc_context(settings):
        page = Figure(figsize=(3 * max(count, 1.3), 4.4 + LINE), layout="constrained", dpi=100)
        canvas = FigureCanvasAgg(page)
        above, below = page.subplots(2, count, sharex="row", sharey="row", squeeze=False, height_ratios=(2, 1))
        styles = looks([each.network for each in shown.reels.values()], colours)
        drawings = []
        for (label, each), look, panel, under in zip(shown.reels.items(), styles, above, below, strict=True):
            drawings.append(_Drawing(shown, display_name(label), each, look["color"], panel, under))
        above[0].set_ylabel("norm of the gradient")
        above[0].legend(handles=[above[0].lines[0]], loc="lower left", handlelength=1.2)
        below[0].set_ylabel(f"validation\n{escape.figure(shown.metric)}")
        for n, update in enumerate(shown.updates):
            for drawing in drawings:
                drawing.move(update)
            page.suptitle(f"{escape.figure(display_name(title), 36 * count)}: update {update:,.0f}")
            canvas.draw()
            if n == 0:
                page.set_layout_engine("none")  # what is laid out once stays where it is
            picture = np.asarray(canvas.buffer_rgba())[..., :3]
            height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2  # as the encoder needs them
            picture = picture[:height, :width].copy()
            for _ in range(HOLD + 1 if n in (0, len(shown.updates) - 1) else 1):
                yield picture


class _Drawing:
    """The two panels of one network."""

    def __init__(self, shown: Scene, label: str, reel: Reel, colour: str, panel: Any, under: Any) -> None:
        self.label, self.reel, self.panel, self.under = label, reel, panel, under
        self.lags = np.arange(reel.norms.shape[2])
        first = np.nanmedian(reel.norms[0], axis=0)
        panel.plot(self.lags, first, color="0.7", linewidth=1, label=f"grey: at update {reel.updates[0]:,.0f}")
        (self.line,) = panel.plot(self.lags, first, color=colour, linewidth=2)
        panel.set(yscale="log", ylim=(shown.edge, shown.top), xlim=(0, self.lags[-1]), xlabel="lag (steps back)")
        if shown.floor is not None:
            under.axhline(shown.floor, color="0.45", linestyle="--", linewidth=0.9)
        (self.course,) = under.plot([], [], color=colour, linewidth=2)
        (self.dot,) = under.plot([], [], "o", color=colour, markersize=4, clip_on=False)
        scale = "log" if shown.log else "linear"
        under.set(yscale=scale, ylim=(shown.low, shown.high), xlim=(0, max(shown.last, 1)), xlabel="update")
        self.dot.set_in_layout(False)
        self.bands: list[Any] = []
        self.values = _spread(reel.values)
        self.lowest = shown.low

    def move(self, update: float) -> None:
        """Show the network as it was at an update."""
        reel, colour = self.reel, self.line.get_color()
        norms = reel.norms[max(np.searchsorted(reel.updates, update, side="right") - 1, 0)]
        low, middle, high = _spread(norms.T).T
        self.line.set_ydata(middle)
        for band in self.bands:
            band.remove()
        style: dict[str, Any] = {"color": colour, "alpha": 0.2, "linewidth": 0}
        self.bands = [self.panel.fill_between(self.lags, low, high, **style)]
        until = np.searchsorted(reel.evaluations, update, side="right")
        if until:
            xs, values = reel.evaluations[:until], np.maximum(self.values[:until], self.lowest)
            self.course.set_data(xs, values[:, 1])
            self.dot.set_data(xs[-1:], values[-1:, 1])
            self.bands.append(self.under.fill_between(xs, values[:, 0], values[:, 2], **style))
        done = reel.solved is not None and update >= reel.solved
        self.panel.set_title(escape.figure(f"{self.label}: solved" if done else self.label, 30))


def player(reels: Mapping[str, Reel], colours: Palette | None = None) -> dict[str, Any]:
    """The film as plain values, from which the player of an HTML page draws it; see `page.js`.

    Norms are decimal logarithms; a point is [low, median, high] of the members, and None where there is none.
    """
    shown = scene(reels)
    styles = looks([each.network for each in shown.reels.values()], colours)
    tracks = []
    for (label, each), look in zip(shown.reels.items(), styles, strict=True):
        lags = np.unique(np.linspace(0, each.norms.shape[2] - 1, LAGS).round().astype(int))
        places = np.maximum(np.searchsorted(each.updates, shown.updates, side="right") - 1, 0)
        norms = [_rounded(_spread(np.log10(each.norms[place][:, lags]).T).T, ".2f") for place in places]
        tracks.append({
            "label": display_name(label), "colour": look["color"], "solved": each.solved, "lags": lags.tolist(),
            "norms": norms, "evaluations": [*map(float, each.evaluations)],
            "values": _rounded(np.maximum(_spread(each.values), shown.low), ".4g"),
        })  # fmt: skip
    return {
        "updates": [*map(float, shown.updates)], "x": "lag (steps back)", "y": "norm of the gradient",
        "edge": math.log10(shown.edge), "top": math.log10(shown.top), "metric": f"validation {shown.metric}",
        "log": shown.log, "low": float(shown.low), "high": float(shown.high), "floor": shown.floor,
        "milliseconds": 1000 // FRAMES_PER_SECOND, "tracks": tracks,
    }  # fmt: skip


def moving(name: str, title: str, reels: Mapping[str, Reel], colours: Palette | None = None) -> Film:
    """The film as a block of a page, its files GIF, MP4 and the player's page among them."""
    block = _block(name, title, reels, colours)
    return block._replace(files=film(title, reels, colours) | {"html": _page(title, block).encode()})


def player_page(title: str, reels: Mapping[str, Reel], colours: Palette | None = None) -> str:
    """A page of HTML that needs no other file, on which the film is played and wound by hand."""
    return _page(title, _block("film", title, reels, colours))


def _block(name: str, title: str, reels: Mapping[str, Reel], colours: Palette | None) -> Film:
    caption = f"The norm of the gradient over lags, and the validation metric below it, while learning: {title}"
    return Film(name, {}, caption, player(reels, colours))


def _page(title: str, block: Film) -> str:
    return html.page(f"{display_name(title)}: the gradient while the networks learn", [block])


def _spread(values: np.ndarray) -> np.ndarray:
    """The least, the median and the greatest of the members that have a value, (N, members) -> (N, 3)."""
    spread = np.full((len(values), 3), np.nan)
    some = np.isfinite(values).any(axis=1)
    for n, of in enumerate((np.nanmin, np.nanmedian, np.nanmax)):
        spread[some, n] = of(np.where(np.isfinite(values[some]), values[some], np.nan), axis=1)
    return spread


def _rounded(values: np.ndarray, digits: str) -> list[list[float | None]]:
    return [[float(f"{x:{digits}}") if math.isfinite(x) else None for x in row] for row in values.tolist()]


def _held(norms: np.ndarray) -> np.ndarray:
    """Every member's curve, the last one from where it stopped."""
    held = norms.copy()
    for n in range(1, len(held)):
        gone = ~np.isfinite(held[n]).all(axis=1)
        held[n, gone] = held[n - 1, gone]
    return held
