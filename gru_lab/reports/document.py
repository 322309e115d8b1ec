"""A page as a list of blocks, written as Markdown, as one HTML file that needs no other, or as LaTeX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gru_lab.reports import html, latex, markdown
from gru_lab.reports.blocks import Block, Chart, Code, Details, Figure, Film, Heading, Line, Strong, Table, Text

Format = Literal["markdown", "html", "latex"]
SUFFIX: Mapping[str, str] = {"markdown": "md", "html": "html", "latex": "tex"}


@dataclass(frozen=True)
class Document:
    """A page: its title, its blocks in order, and files of numbers that lie beside it, by name."""

    title: str
    blocks: Sequence[Block]
    data: Mapping[str, bytes] = field(default_factory=dict)

    def files(self, name: str = "README", formats: Sequence[Format] = ("markdown",)) -> dict[str, bytes]:
        """The page in some formats (HTML as `index.html`), its figures and its data, by the names of the files."""
        files: dict[str, bytes] = {}
        for form in formats:
            stem = "index" if form == "html" else name
            files[f"{stem}.{SUFFIX[form]}"] = self.write(form).encode()
        for block in self.blocks:
            if isinstance(block, Figure | Film):
                files |= {f"{block.name}.{suffix}": content for suffix, content in block.files.items()}
        return files | dict(self.data)

    def write(self, form: Format) -> str:
        """The page in one format."""
        return {"markdown": markdown, "html": html, "latex": latex}[form].page(self.title, self.blocks)


__all__ = [
    "Block", "Chart", "Code", "Details", "Document", "Figure", "Film", "Format", "Heading", "Line", "Strong", "Table",
    "Text",
]  # fmt: skip
