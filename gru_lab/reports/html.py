"""Blocks as one HTML file that needs no other, for a telephone too, in the light and in the dark.

Tables that can be sorted, charts and films are brought to life by `page.js`, which lies in the page. Without scripts a
page is still read: such a table is a table, and of the others a sentence says so.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gru_lab.reports import escape
from gru_lab.reports.blocks import (
    MEDIA,
    Block,
    Chart,
    Code,
    Details,
    Figure,
    Film,
    Heading,
    Table,
    Text,
    Words,
    aligned,
    joined,
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
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
        case Details(summary, inside):
            yield f"<details><summary>{escape.html(summary)}</summary>{html(inside)}</details>"
        case Chart():
            yield from _chart(block)
        case Film(_, _, caption, scene):
            yield _live("film", scene, caption)
        case Table(head, rows, align, sections, notes, _, _, sortable):
            sides = [{"l": "", "c": ' class="c"', "r": ' class="r"'}[a] for a in aligned(head, align)]
            cells = [f"<th{side}>{words(cell)}</th>" for cell, side in zip(head, sides, strict=True)]
            kind = ' class="sortable"' if sortable else ""
            yield f'<div class="wide"><table{kind}><thead><tr>{"".join(cells)}</tr></thead><tbody>'
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


def _chart(chart: Chart) -> Iterator[str]:
    data = {
        "x": chart.xlabel, "y": chart.ylabel, "log": chart.log, "levels": dict(chart.levels),
        "lines": [[dict(line.labels), line.colour, [*line.dash], [*line.xs], [*line.ys], line.bold]
                  for line in chart.lines],
    }  # fmt: skip
    yield _live("chart", data, chart.caption)


def _live(kind: str, data: Mapping[str, Any], caption: str) -> str:
    """An element that `page.js` brings to life."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return (
        f'<figure class="{kind}"><script type="application/json">{text}</script>'
        f"<noscript><p>This {kind} needs scripts to be on.</p></noscript>"
        f"<figcaption>{escape.html(caption)}</figcaption></figure>"
    )


def page(title: str, blocks: Sequence[Block]) -> str:
    """A whole file."""
    body = html(blocks)
    if any(isinstance(block, Chart | Film) or (isinstance(block, Table) and block.sortable) for block in blocks):
        body += f"\n<script>\n{_file('page.js')}</script>"
    return PAGE.format(title=escape.html(title), style=_file("page.css"), body=body)


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")
