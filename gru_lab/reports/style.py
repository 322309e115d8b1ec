"""The looks of every figure: sizes, colours that colour-blind readers tell apart, one legend under the axes.

Every figure is a function that returns a matplotlib `Figure`, or draws on axes of the caller's:

>>> with using("slides"), sheet(2.0, ["gru"]) as drawn:
...     [panel] = drawn.panels.flat
...     drawn.legend(panel.plot([1, 2, 3], label="gru", **looks(["gru"])[0]))
>>> [text.get_text() for text in drawn.figure.legends[0].get_texts()], float(drawn.figure.get_figwidth())
(['GRU'], 4.5)
"""

import hashlib
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gru_lab.errors import UserError, listed, nearest
from gru_lab.reports import escape
from gru_lab.reports.labels import display_name

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Style(NamedTuple):
    """The size of a figure: `width` in inches, its `height` relative to that of `paper`, dots per inch of a PNG."""

    width: float
    height: float
    dpi: int


STYLES: Mapping[str, Style] = {  # letters have 8 points in each: on a slide, which is magnified, about 24
    "paper": Style(3.5, 1.0, 300),  # a column of a two-column paper
    "wide": Style(7.0, 1.2, 300),  # both columns
    "slides": Style(4.5, 1.1, 427),  # 1,920 pixels
}
_style: ContextVar[Style] = ContextVar("style", default=STYLES["paper"])

LINE = 0.17  # inches: a line of the legend
HANDLE, CHARACTER = 0.42, 0.056  # inches: an entry of the legend without its text, and a letter of that
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
# Okabe and Ito's palette (jfly.uni-koeln.de/color, 2008) without its yellow, too light for a line; with its dash
KNOWN = {"rnn": ("#D55E00", 2), "lstm": ("#0072B2", 1), "gru": ("#009E73", 0)}
OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
TICKS: dict[str, Any] = {"labelsize": 7, "width": 0.6}
SETTINGS: dict[Any, Any] = {
    "font.size": 8, "axes.titlesize": 8, "figure.titlesize": 8, "legend.fontsize": 7,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "lines.linewidth": 1.4,
    "legend.frameon": False, "legend.handlelength": 2.0, "legend.columnspacing": 1.2, "pdf.fonttype": 42,
    "axes.formatter.useoffset": False, "axes.formatter.limits": (-4, 6),
}  # fmt: skip


Palette = Mapping[str, tuple[str, int]]  # network -> colour, number of its dash


@contextmanager
def using(name: str) -> Iterator[None]:
    """Figures made inside have the style `paper` (the default), `wide` or `slides`.

    Raises:
        UserError: for another name.
    """
    if name not in STYLES:
        raise UserError(f"style is {name!r}: it must be {listed(STYLES)}.{nearest(name, STYLES)}")
    token = _style.set(STYLES[name])
    try:
        yield
    finally:
        _style.reset(token)


def current() -> Style:
    """The style of the figures that are made now."""
    return _style.get()


def palette(networks: Iterable[str]) -> Palette:
    """Colour and dash of every network of a report, which differ in print without colours too.

    rnn, lstm and gru always have their own. Another network's colour comes from a hash of its name, or is the next free
    one; its dash is that of the fewest others.
    """
    chosen = dict(KNOWN)
    for network in sorted(set(networks) - set(KNOWN)):
        start = int.from_bytes(hashlib.sha256(network.encode()).digest()[:4])
        turned = [OTHERS[(start + i) % len(OTHERS)] for i in range(len(OTHERS))]
        used = list(chosen.values())
        uses = [[colour for colour, _ in used].count(colour) for colour in turned]
        colour = turned[uses.index(min(uses))]
        counts = [[dash for _, dash in used].count(n) for n in range(len(DASHES))]
        dashes = sorted(range(len(DASHES)), key=counts.__getitem__)
        dash = next((dash for dash in dashes if (colour, dash) not in used), dashes[0])
        chosen[network] = (colour, dash)
    return chosen


def looks(networks: Sequence[str], colours: Palette | None = None) -> list[dict[str, Any]]:
    """Colour and dash of one line per network; a network that appears again with other settings has another dash."""
    colours, lines = colours or palette(networks), []
    for i, network in enumerate(networks):
        colour, dash = colours[network]
        lines.append({"color": colour, "linestyle": DASHES[(dash + networks[:i].count(network)) % len(DASHES)]})
    return lines


@dataclass(frozen=True)
class Sheet:
    """The panels to draw on, and what stands around them.

    Attributes:
        figure: what they belong to.
        panels: the axes, (rows, columns).
        borrowed: whether the axes are the caller's, whose figure then has neither our title nor our legend below.
    """

    figure: "Figure"
    panels: "np.ndarray"
    borrowed: bool = False

    def title(self, text: str, *lines: str) -> None:
        """The title, which names may be part of, and lines below it that say how to read the figure.

        Axes of the caller's have none of it: it belongs to a caption.
        """
        if not self.borrowed:
            letters = int(16 * _style.get().width)
            self.figure.suptitle("\n".join([escape.figure(text, letters), *lines]))

    def legend(self, handles: Sequence[Any]) -> None:
        """One legend under the axes, in as many columns as the longest label leaves room for, four at most.

        On axes of the caller's it stands inside the last of them.
        """
        words = _words([handle.get_label() for handle in handles])
        if self.borrowed:
            self.panels.flat[-1].legend(handles=handles, labels=words)
        else:
            self.figure.legend(handles=handles, labels=words, loc="outside lower center", ncols=_columns(words))


@contextmanager
def sheet(
    height: float,
    labels: Sequence[str],
    on: "Axes | Sequence[Axes] | None" = None,
    *,
    rows: int = 1,
    columns: int = 1,
    **shared: Any,
) -> Iterator[Sheet]:
    """A new figure of the style's width, drawn without a display; or the axes `on` which the caller wants it.

    Args:
        height: of the panels in inches, in the style `paper`.
        labels: of the legend, which has room below.
        on: the axes to draw on, one per panel, row by row.
        rows: of panels.
        columns: of panels.
        shared: `sharex` and `sharey` of a new figure.

    Raises:
        ValueError: if `on` has not one axes per panel.
    """
    import matplotlib as mpl
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    if on is not None:
        given = np.array([on] if isinstance(on, Axes) else [*on], object)
        if given.size != rows * columns:
            raise ValueError(f"this figure has {rows} x {columns} panels, and {given.size} axes are given to draw on")
        yield Sheet(given[0].figure, given.reshape(rows, columns), borrowed=True)
        return
    style, words = _style.get(), _words(labels)
    per_line = _columns(words)
    legend = [words[n : n + per_line] for n in range(0, len(words), per_line)]
    height = height * style.height + LINE * sum(max(word.count("\n") + 1 for word in line) for line in legend)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(style.width, height), dpi=style.dpi, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, **shared)
        for panel in panels.flat:
            panel.tick_params(which="both", **TICKS)  # ticks are made when they are drawn, under other settings
        yield Sheet(figure, panels)


def _words(labels: Sequence[str]) -> list[str]:
    letters = int((_style.get().width - HANDLE) / CHARACTER)
    return [escape.figure(display_name(label), letters) for label in labels]


def _columns(words: Sequence[str]) -> int:
    longest = max((len(line) for word in words for line in word.split("\n")), default=0)
    return min(max(len(words), 1), 4, max(1, int(_style.get().width / (HANDLE + CHARACTER * longest))))


def files(figure: "Figure | None") -> dict[str, bytes]:
    """The figure as PNG, and as PDF without its title, which a paper has as its caption; nothing for no figure.

    The same figure gives the same bytes.
    """
    import matplotlib as mpl

    if figure is None:
        return {}
    content, title = {}, figure.get_suptitle()
    with warnings.catch_warnings(), mpl.rc_context(SETTINGS):
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names may have letters that the font lacks
        for suffix, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
            buffer = io.BytesIO()
            if title:
                figure.suptitle(title if suffix == "png" else "")
            figure.savefig(buffer, format=suffix, dpi=figure.dpi, metadata=metadata)
            content[suffix] = buffer.getvalue()
        if title:
            figure.suptitle(title)
    return content
