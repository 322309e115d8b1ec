"""The style of every figure: column width, colours that colour-blind readers tell apart, one legend under the axes."""

import hashlib
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gru_lab.reports import escape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 3.5  # inches: a column of a two-column paper
LINE = 0.17  # inches: a line of the legend
HANDLE, CHARACTER = 0.42, 0.056  # inches: an entry of the legend without its text, and a letter of that
LEGEND, TITLE = int((WIDTH - HANDLE) / CHARACTER), 56  # letters that fit into a line of the legend and of the title
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
# Okabe and Ito's palette (jfly.uni-koeln.de/color, 2008) without its yellow, too light for a line; with its dash
KNOWN = {"rnn": ("#D55E00", 2), "lstm": ("#0072B2", 1), "gru": ("#009E73", 0)}
OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
SETTINGS: dict[Any, Any] = {
    "font.size": 8, "axes.titlesize": 8, "figure.titlesize": 8, "legend.fontsize": 7,
    "xtick.labelsize": 7, "ytick.labelsize": 7,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "lines.linewidth": 1.4,
    "legend.frameon": False, "legend.handlelength": 2.0, "legend.columnspacing": 1.2, "pdf.fonttype": 42,
    "axes.formatter.useoffset": False, "axes.formatter.limits": (-4, 6),
}  # fmt: skip


Palette = Mapping[str, tuple[str, int]]  # network -> colour, number of its dash


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


def looks(networks: Sequence[str], colours: Palette) -> list[dict[str, Any]]:
    """Colour and dash of one line per network; a network that appears again with other settings has another dash."""
    lines = []
    for i, network in enumerate(networks):
        colour, dash = colours[network]
        lines.append({"color": colour, "linestyle": DASHES[(dash + networks[:i].count(network)) % len(DASHES)]})
    return lines


@contextmanager
def figure(height: float, labels: Sequence[str]) -> Iterator["Figure"]:
    """A figure of column width, with room below for a legend of these labels; drawn without a display."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        words = [escape.figure(label, LEGEND) for label in labels]
        columns = _columns(words)
        rows = [words[n : n + columns] for n in range(0, len(words), columns)]
        lines = sum(max(word.count("\n") + 1 for word in row) for row in rows)
        yield Figure(figsize=(WIDTH, height + LINE * lines), layout="constrained")


def title(page: "Figure", text: str, *lines: str) -> None:
    """The title of a figure, which names may be part of, and lines below it that say how to read it."""
    page.suptitle("\n".join([escape.figure(text, TITLE), *lines]))


def legend(figure: "Figure", handles: Sequence[Any]) -> None:
    """One legend under the axes, in as many columns as the longest label leaves room for, four at most."""
    words = [escape.figure(handle.get_label(), LEGEND) for handle in handles]
    figure.legend(handles=handles, labels=words, loc="outside lower center", ncols=_columns(words))


def _columns(words: Sequence[str]) -> int:
    longest = max((len(line) for word in words for line in word.split("\n")), default=0)
    return min(max(len(words), 1), 4, max(1, int(WIDTH / (HANDLE + CHARACTER * longest))))


def files(figure: "Figure") -> dict[str, bytes]:
    """The figure as PNG and PDF; the same figure gives the same bytes."""
    content = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names may have letters that the font lacks
        for suffix, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=300, metadata=metadata)
            content[suffix] = buffer.getvalue()
    return content
