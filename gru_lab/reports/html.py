"""Blocks as one HTML file that needs no other, for a telephone too, in the light and in the dark."""

import base64
from collections.abc import Iterator, Sequence

from gru_lab.reports import escape
from gru_lab.reports.blocks import MEDIA, Block, Code, Figure, Heading, Table, Text, Words, aligned, joined

STYLE = """
:root { color-scheme: light dark; --line: #d0d0d0; --soft: #f4f4f4; }
@media (prefers-color-scheme: dark) { :root { --line: #444; --soft: #222; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.wide, pre { overflow-x: auto; } pre { background: var(--soft); padding: .6rem; font-size: .85rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .25rem .6rem; text-align: left; vertical-align: top; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--line); } tr.section td { border-top: 1px solid var(--line); }
.c { text-align: center; } .r { text-align: right; } ul { font-size: .85rem; padding-left: 1.2rem; }
figure { margin: 1.5rem 0; } figcaption { font-size: .85rem; }
img { display: block; width: 100%; max-width: 34rem; height: auto; background: #fff; border-radius: 4px; }
""".strip()
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def html(blocks: Sequence[Block]) -> str:
    """Blocks as elements of a body; figures lie inside as data."""
    return "\n".join(line for block in blocks for line in _html(block))


def _html(block: Block) -> Iterator[str]:
    def words(parts: Words) -> str:
        return joined(parts, escape.html, lambda text: f"<strong>{text}</strong>")

    match block:
        case Heading(text, level):
            yield f"<h{level}>{escape.html(text)}</h{level}>"
        case Text(parts):
            yield f"<p>{words(parts)}</p>"
        case Code(text):
            yield f"<pre><code>{chr(10).join(map(escape.html, text.splitlines()))}</code></pre>"
        case Table(head, rows, align, sections, notes):
            sides = [{"l": "", "c": ' class="c"', "r": ' class="r"'}[a] for a in aligned(head, align)]
            cells = [f"<th{side}>{words(cell)}</th>" for cell, side in zip(head, sides, strict=True)]
            yield f'<div class="wide"><table><thead><tr>{"".join(cells)}</tr></thead><tbody>'
            for n, row in enumerate(rows):
                cells = [f"<td{side}>{words(cell)}</td>" for cell, side in zip(row, sides, strict=True)]
                section = ' class="section"' if n in sections else ""
                yield f"<tr{section}>{''.join(cells)}</tr>"
            yield "</tbody></table></div>"
            if notes:
                yield f"<ul>{''.join(f'<li>{words(note)}</li>' for note in notes)}</ul>"
        case Figure(_, files, caption) if block.shown:
            data = base64.b64encode(files[block.shown]).decode()
            text = escape.html(caption)
            yield (
                f'<figure><img alt="{text}" src="data:{MEDIA[block.shown]};base64,{data}">'
                f"<figcaption>{text}</figcaption></figure>"
            )


def page(title: str, blocks: Sequence[Block]) -> str:
    """A whole file."""
    return PAGE.format(title=escape.html(title), style=STYLE, body=html(blocks))
