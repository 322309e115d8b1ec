"""The blocks of a page: plain text, which each writer escapes for its format."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

MEDIA = {"png": "image/png", "gif": "image/gif"}


class Strong(str):
    """Words in bold."""


Words = str | tuple[str, ...]  # a text, or parts of it of which some are Strong


class Heading(NamedTuple):
    """A heading below the title."""

    text: str
    level: int = 2


class Text(NamedTuple):
    """A paragraph."""

    words: Words


class Code(NamedTuple):
    """Verbatim text, to be typed or as it was printed."""

    text: str


class Table(NamedTuple):
    """Rows of cells under a head, and notes below.

    Attributes:
        head, rows: the cells.
        align: a letter per column, `l`, `c` or `r`; all `l` if shorter.
        sections: the rows before which a line is drawn.
        notes: how to read it.
        caption: what LaTeX prints above it; elsewhere a heading says it.
        label: what LaTeX refers to it by.
        sortable: whether a page on a screen lets its reader sort and search the rows; there must be no sections.
    """

    head: Sequence[Words]
    rows: Sequence[Sequence[Words]]
    align: str = ""
    sections: Sequence[int] = ()
    notes: Sequence[Words] = ()
    caption: str = ""
    label: str = ""
    sortable: bool = False


class Figure(NamedTuple):
    """A picture in one or more formats: PNG or GIF for a screen, PDF for paper.

    Attributes:
        name: of its files, without the suffix.
        files: the content by suffix.
        caption: what it shows, in words.
    """

    name: str
    files: Mapping[str, bytes]
    caption: str

    @property
    def shown(self) -> str | None:
        """The suffix that a screen shows; None if there is none."""
        return next((suffix for suffix in MEDIA if suffix in self.files), None)


class Line(NamedTuple):
    """One line of a chart.

    Attributes:
        labels: what it is, by kind: network, learning rate, seed; a reader chooses lines by them.
        colour, dash: how it looks, see `style.looks`; a `bold` line is drawn above the others.
        xs, ys: its points; a y that is None breaks it.
    """

    labels: Mapping[str, str]
    colour: str
    dash: Sequence[float]
    xs: Sequence[float]
    ys: Sequence[float | None]
    bold: bool = False


class Chart(NamedTuple):
    """Lines that a reader on a screen points at and chooses from; on paper there is a `Figure` instead.

    Attributes:
        caption: what it shows, in words.
        xlabel, ylabel: of the axes.
        lines: in the order in which they are drawn.
        levels: horizontal lines by their names.
        log: whether the y axis is logarithmic.
    """

    caption: str
    xlabel: str
    ylabel: str
    lines: Sequence[Line]
    levels: Mapping[str, float] = {}
    log: bool = False


class Film(NamedTuple):
    """A film of networks that learn: a player on a screen with scripts, else a moving picture.

    Attributes:
        name: of its files, without the suffix.
        files: the content by suffix, GIF among them.
        caption: what it shows, in words.
        scene: what the player draws, see `film.player`.
    """

    name: str
    files: Mapping[str, bytes]
    caption: str
    scene: Mapping[str, Any]


class Details(NamedTuple):
    """Blocks below a line, which a screen shows when they are asked for."""

    summary: str
    blocks: "Sequence[Block]"


Block = Heading | Text | Code | Table | Figure | Chart | Film | Details


def aligned(head: Sequence[Words], align: str) -> str:
    """A letter per column; `l` where a table gives none."""
    return (align + "l" * len(head))[: len(head)]


def joined(words: Words, escaped: Callable[[object], str], strong: Callable[[str], str]) -> str:
    """The parts of a text in one format; a bold part that is empty is nothing."""
    parts = (words,) if isinstance(words, str) else words
    out = []
    for part in parts:
        text = escaped(part) if len(parts) == 1 else _spaced(part, escaped)
        out.append(strong(text) if isinstance(part, Strong) and text else text)
    return "".join(out)


def _spaced(part: str, escaped: Callable[[object], str]) -> str:
    """A part among others keeps the blanks at its ends."""
    before, after = part[: len(part) - len(part.lstrip(" "))], part[len(part.rstrip(" ")) :]
    return before + escaped(part.strip(" ")) + after if part.strip(" ") else part
