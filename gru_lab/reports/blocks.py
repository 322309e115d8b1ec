"""The blocks of a page: plain text, which each writer escapes for its format."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

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
    """

    head: Sequence[Words]
    rows: Sequence[Sequence[Words]]
    align: str = ""
    sections: Sequence[int] = ()
    notes: Sequence[Words] = ()
    caption: str = ""
    label: str = ""


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


Block = Heading | Text | Code | Table | Figure


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
