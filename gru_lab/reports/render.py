"""A table for its readers: in the terminal (rich), as blocks of a document, and as CSV."""

import csv as lines
import io
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gru_lab.reports import blocks as parts
from gru_lab.reports.blocks import Block, Strong, Words
from gru_lab.reports.escape import plain
from gru_lab.reports.labels import text
from gru_lab.reports.statistics import LEVEL, METHOD
from gru_lab.reports.table import BEST, STATISTIC, Table, devices, versions

if TYPE_CHECKING:
    from rich.console import Console

COST = "parameters · time"
WIDEST = 8  # columns side by side in a file; with more, every task gets a table of its own, a line per entry


@dataclass(frozen=True)
class Cell:
    """An entry in words; see `Entry`."""

    value: str
    bounds: str
    count: str
    cost: str
    best: bool
    repetition: str = ""

    @property
    def text(self) -> str:
        """`0.0012 [0.0010, 0.0015] 5/5`."""
        return " ".join(part for part in (self.value, self.bounds, self.repetition, self.count) if part)


@dataclass(frozen=True)
class Line:
    """A row of the table in words: its entries by column."""

    label: str
    metric: str
    floor: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Shown:
    """The table in words alone, which can be kept and shown again."""

    columns: tuple[str, ...]
    rows: tuple[Line, ...]
    notes: tuple[str, ...]

    def as_tree(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def of_tree(cls, tree: Mapping[str, Any]) -> "Shown":
        """The inverse of `as_tree`."""
        rows = [
            Line(row["label"], row["metric"], row["floor"], {name: Cell(**cell) for name, cell in row["cells"].items()})
            for row in tree["rows"]
        ]
        return cls(tuple(tree["columns"]), tuple(rows), tuple(tree["notes"]))


def shown(table: Table) -> Shown:
    """The table in words."""
    rows = [
        Line(row.label, row.metric, row.floor, {
            column: Cell(entry.value, entry.bounds, entry.count, entry.cost, entry.best, entry.repetition)
            for column, entry in row.entries.items()
        })
        for row in table.rows
    ]  # fmt: skip
    return Shown(table.columns, tuple(rows), table.notes)


def print_table(table: Shown, console: "Console") -> None:
    """Print the table and its notes: the best entry in bold with a star, the cost of each under it.

    Where the columns do not fit side by side (a pipe has room for 160 characters), every task gets a table of its
    own, a line per entry.
    """
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    def seen(words: str, style: str = "") -> Text:
        return Text(plain(words), style)

    def marked(cell: Cell | None) -> Text:
        return seen(f"{cell.text} *", "bold green") if cell and cell.best else seen(cell.text if cell else "")

    def grid(*columns: str) -> Grid:
        table = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(seen(column))
        return table

    wide, tall = grid("task", "metric", *table.columns), []
    for row in table.rows:
        cells = [row.cells.get(column) for column in table.columns]
        costs = [seen(cell.cost if cell else "", "dim") for cell in cells]
        wide.add_row(seen(row.label), seen(_metric(row)), *map(marked, cells))
        wide.add_row("", seen(COST, "dim"), *costs, end_section=True)
        of_task = grid("network", _metric(row), COST)
        for column, cell in row.cells.items():
            of_task.add_row(seen(column), marked(cell), seen(cell.cost, "dim"))
        tall += [seen(row.label, "bold"), of_task]

    if not console.is_terminal:
        console.width = max(console.width, 160)
    needed = console.measure(wide, options=console.options.update(width=10_000)).maximum
    for part in [wide] if needed <= console.width else tall:
        console.print(part)
    for note in (f"*: {BEST}.", *table.notes):
        console.print(seen(note, "dim"), soft_wrap=not console.is_terminal)


def blocks(table: Shown) -> list[Block]:
    """The table as blocks, with its notes below: the best entry of a row in bold.

    An entry takes two lines, value and cost. With more than eight networks every task has a table of its own, a line
    per entry.
    """
    notes: tuple[Words, ...] = ((Strong("Bold"), f": {BEST}."), *table.notes)
    if len(table.columns) > WIDEST:
        tables = [
            parts.Table(
                [row.label, _metric(row), COST],
                [[column, _marked(cell, cell.text), cell.cost] for column, cell in row.cells.items()],
            )
            for row in table.rows
        ]
        return [*tables[:-1], tables[-1]._replace(notes=notes)]
    rows: list[list[Words]] = []
    for row in table.rows:
        cells = [row.cells.get(column) for column in table.columns]
        rows.append([row.label, _metric(row), *(_marked(cell, cell.text) if cell else "" for cell in cells)])
        rows.append(["", COST, *(cell.cost if cell else "" for cell in cells)])
    return [parts.Table(["task", "metric", *table.columns], rows, "", range(0, len(rows), 2), notes)]


def _metric(row: Line) -> str:
    return f"{row.metric} ({row.floor})" if row.floor else row.metric


def _marked(cell: Cell, words: str) -> str:
    return Strong(words) if cell.best else words


_METHODS = {"t and Hall": METHOD, "t": "Student's t", "all equal": "limits of the metric, Clopper & Pearson's share"}


def _ends(name: str, low: float, high: float) -> dict[str, float | None]:
    """The ends of an interval under their names; empty where they are not finite."""
    bounded = math.isfinite(high - low)
    return {name.format("low"): low if bounded else None, name.format("high"): high if bounded else None}


def csv(table: Table) -> str:
    """One line per entry, all digits; an empty field where there is no number."""
    rows: list[dict[str, Any]] = []
    for row in table.rows:
        for column, entry in row.entries.items():
            shared, around = entry.group.shared, entry.interval
            method = around.method if around else "none"
            rows.append({
                "task": row.label, "network": column, "metric": shared.metric, "better": shared.better,
                "statistic": STATISTIC, "value": around.value if around else None,
                **_ends("{}", around.low if around else math.nan, around.high if around else math.nan),
                "interval": method if method == "none" else f"{LEVEL:.0%} ({_METHODS[method]})",
                **_ends("repetition_{}", *entry.again(max(entry.members, 1))), **_ends("single_{}", *entry.again(1)),
                "values": around.n if around else 0,
                "best": entry.best, "seeds": " ".join(str(record.member.seed) for record in entry.group.members),
                "members": entry.members, "solved": entry.group.solved, "diverged": entry.diverged,
                "floor": shared.floor, "threshold": shared.threshold, "hidden": shared.hidden,
                "parameters": shared.parameters, "parameters_relative": entry.parameters_ratio,
                "seconds_per_update": entry.seconds, "time_relative": entry.time_ratio, "reference": table.reference,
                "device": "; ".join(devices(entry.group)), "versions": "; ".join(versions(entry.group)),
                "identity": shared.identity,
                "hyper": "; ".join(f"{name}={text(value)}" for name, value in sorted(entry.group.hyper.items())),
                "protocol": "; ".join(sorted({record.protocol for record in entry.group.members})),
            })  # fmt: skip
    file = io.StringIO()
    writer = lines.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) if isinstance(value, str) else value for name, value in row.items()}
                     for row in rows)  # fmt: skip
    return file.getvalue()
