"""The table of a comparison as a paper prints it: across two columns, names as the literature writes them."""

from collections.abc import Sequence

from gru_lab.errors import listed
from gru_lab.reports import blocks as parts
from gru_lab.reports import latex
from gru_lab.reports.blocks import Strong, Words
from gru_lab.reports.escape import plain
from gru_lab.reports.labels import display_name
from gru_lab.reports.render import COST, Cell, Line, Shown, shown
from gru_lab.reports.statistics import LEVEL
from gru_lab.reports.table import Table

WIDTH = 450.0  # points: the text of a two-column article on A4 paper
LETTER, GAP = 4.25, 6.0  # points: a letter of \footnotesize in the mean, and the space between two columns


def paper(table: Table) -> str:
    r"""LaTeX for `\input`: a `table*` with caption and label; how to read it in full follows as comments.

    An entry takes three lines, and a network a column, where this fits the width of two columns; else every task has a
    table of its own, a line per entry.
    """
    words = shown(table)
    tables = [_side_by_side(table, words)]
    if width(tables[0]) > WIDTH:
        tables = [_below_each_other(table, row) for row in words.rows]
    comments = "".join(f"% {plain(note)}\n" for note in words.notes)
    return f"% needs \\usepackage{{booktabs}}\n{latex.latex(tables)}{comments}"


def width(table: parts.Table) -> float:
    """The width of a table in points, by the letters of each column."""
    columns = zip(*(map(_letters, row) for row in (table.head, *table.rows)), strict=True)
    return sum(LETTER * max(column) + GAP for column in columns)


def _letters(words: Words) -> int:
    return len(words if isinstance(words, str) else "".join(words))


def _side_by_side(table: Table, words: Shown) -> parts.Table:
    rows: list[list[Words]] = []
    for row in words.rows:
        entries = [row.cells.get(column) for column in words.columns]
        rows.append([display_name(row.label), row.metric, *(_marked(entry) if entry else "" for entry in entries)])
        rows.append(["", row.floor, *(entry.bounds if entry else "" for entry in entries)])
        rows.append(["", COST, *(entry.cost if entry else "" for entry in entries)])
    head = ["task", "metric", *map(display_name, words.columns)]
    align, sections = "ll" + "c" * len(words.columns), range(0, len(rows), 3)
    return parts.Table(head, rows, align, sections, caption=_caption(table, words.rows), label=_label())


def _below_each_other(table: Table, row: Line) -> parts.Table:
    rows = [[display_name(column), _marked(entry), entry.bounds, entry.cost] for column, entry in row.cells.items()]
    head = ["network", f"{row.metric} ({row.floor})" if row.floor else row.metric, "interval", COST]
    return parts.Table(head, rows, "lrrr", caption=_caption(table, [row]), label=_label(row.label))


def _marked(entry: Cell) -> str:
    text = f"{entry.value} {entry.count}"
    return Strong(text) if entry.best else text


def _caption(table: Table, rows: Sequence[Line]) -> str:
    """The meaning of the numbers, in the words that a caption has room for."""
    labels = [row.label for row in rows]
    entries = [entry for row in table.rows if row.label in labels for entry in row.entries.values()]
    seeds = sorted({entry.members for entry in entries})
    count = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    solvable = any(entry.group.shared.threshold is not None for entry in entries)
    cost = f", of the other networks relative to the {display_name(table.reference)}" if table.reference else ""
    best = " Bold: the best, where its interval overlaps no other." if any(entry.best for entry in entries) else ""
    return (
        f"Comparison on {listed(map(display_name, labels), 'and')}: mean over {count} "
        f"seed{'s' * (seeds[-1] > 1)} on the test data{', how many solved the task,' * solvable} and {LEVEL:.0%} "
        f"interval; parameters and time per update{cost}.{best}"
    )


def _label(task: str = "") -> str:
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in task).strip("-")
    return f"tab:comparison{f'-{name}' if name else ''}"
