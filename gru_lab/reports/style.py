"""How every figure looks: column width, colours that colour-blind readers tell apart, one legend under the axes."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 3.5  # inches: a column of a two-column paper
LINE = 0.17  # inches: a line of the legend
HANDLE, CHARACTER = 0.42, 0.056  # inches: an entry of the legend without its text, and a letter of that
# Okabe and Ito's palette (jfly.uni-koeln.de/color, 2008) without its yellow, too light for a line
KNOWN = {"rnn": "#D55E00", "lstm": "#0072B2", "gru": "#009E73"}
OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)))
SETTINGS: dict[Any, Any] = {
    "font.size": 8, "axes.titlesize": 8, "legend.fontsize": 7, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "lines.linewidth": 1.4,
    "legend.frameon": False, "legend.handlelength": 2.0, "legend.columnspacing": 1.2, "pdf.fonttype": 42,
    "axes.formatter.useoffset": False, "axes.formatter.limits": (-4, 6),
}  # fmt: skip


Palette = Mapping[str, tuple[str, int]]


def palette(cells: Iterable[str]) -> Palette:
    """The colour of every cell of a report, and with which dash to start: rnn, lstm and gru always have their own.

    Another cell's colour comes from a hash of its name, or is the next free one; where none is left, cells share a
    colour and differ in their dashes.
    """
    found = {cell: (colour, 0) for cell, colour in KNOWN.items()}
    for cell in sorted(set(cells) - set(KNOWN)):
        start = int.from_bytes(hashlib.sha256(cell.encode()).digest()[:4])
        uses = [(sum(colour == used for used, _ in found.values()), i) for i, colour in enumerate(_turned(start))]
        dash, i = min(uses)
        found[cell] = (_turned(start)[i], dash)
    return found


def _turned(start: int) -> list[str]:
    return [OTHERS[(start + i) % len(OTHERS)] for i in range(len(OTHERS))]


def looks(cells: Sequence[str], colours: Palette) -> list[dict[str, Any]]:
    """Colour and dash of one line a cell; a cell that appears again, with other settings, takes the next dash."""
    found = []
    for i, cell in enumerate(cells):
        colour, dash = colours[cell]
        found.append({"color": colour, "linestyle": DASHES[(dash + cells[:i].count(cell)) % len(DASHES)]})
    return found


@contextmanager
def figure(height: float, entries: int) -> Iterator["Figure"]:
    """A figure of column width, with room below for a legend of so many entries; drawn without a display."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        yield Figure(figsize=(WIDTH, height + LINE * -(-entries // 2)), layout="constrained")


def legend(figure: "Figure", handles: Sequence[Any]) -> None:
    """One legend under the axes, in as many columns as the longest label leaves room for, four at most."""
    longest = max(len(handle.get_label()) for handle in handles)
    columns = min(len(handles), 4, max(1, int(WIDTH / (HANDLE + CHARACTER * longest))))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def files(figure: "Figure") -> dict[str, bytes]:
    """The figure as PNG and PDF; the same figure gives the same bytes."""
    found = {}
    for suffix, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, dpi=300, metadata=metadata)
        found[suffix] = buffer.getvalue()
    return found
