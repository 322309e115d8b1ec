"""Blocks as Markdown."""

from collections.abc import Iterator, Sequence

from gru_lab.reports import escape
from gru_lab.reports.blocks import Block, Code, Details, Figure, Film, Heading, Table, Text, Words, aligned, joined

FILMS = {"mp4": "a film to stop and wind (MP4)", "html": "a page to play it on"}


def markdown(blocks: Sequence[Block]) -> str:
    """Blocks as GitHub shows them."""
    return "\n".join(line for block in blocks for line in (*_markdown(block), "")).rstrip("\n") + "\n"


def _markdown(block: Block) -> Iterator[str]:
    def words(parts: Words, begins: bool = False) -> str:
        text = joined(parts, escape.markdown, lambda text: f"**{text}**")
        return text if not begins or not isinstance(parts, str) else escape.markdown(parts, begins)

    def row(cells: Sequence[Words]) -> str:
        return f"| {' | '.join(map(words, cells))} |"

    match block:
        case Heading(text, level):
            yield f"{'#' * level} {escape.markdown(text)}"
        case Text(parts):
            yield words(parts, begins=True)
        case Code(text):
            fence = "```"
            while fence in text:
                fence += "`"
            yield from (fence, *map(escape.plain, text.splitlines()), fence)
        case Details(summary, blocks):
            yield f"#### {escape.markdown(summary)}"
            yield from ("", markdown(blocks).rstrip("\n"))
        case Table(head, rows, align, _, notes):
            yield row(head)
            yield f"|{'|'.join({'l': '---', 'c': ':---:', 'r': '---:'}[a] for a in aligned(head, align))}|"
            yield from map(row, rows)
            if notes:
                yield from ("", *(f"- {words(note, begins=True)}" for note in notes))
        case Figure(name, _, caption) if block.shown:
            yield f"![{escape.markdown(caption)}]({name}.{block.shown})"
        case Film(name, files, caption, _):
            links = " and ".join(f"[{words}]({name}.{suffix})" for suffix, words in FILMS.items() if suffix in files)
            yield f"![{escape.markdown(caption)}]({name}.gif)"
            yield from ("", f"The same as {links}.") if links else ()


def page(title: str, blocks: Sequence[Block]) -> str:
    """A whole file."""
    return f"# {escape.markdown(title)}\n\n{markdown(blocks)}"
