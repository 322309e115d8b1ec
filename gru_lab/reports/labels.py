"""Names of rows and columns: runs that differ must not share a place, and every difference must be seen.

A run has a place (row, column) in the table. Runs of one task whose task settings differ get a row each, named by
what differs. Runs of one cell whose cell settings differ within a row get a column each. Runs that would still share
a place differ in their protocol (model, optimiser, training, population): their row is split by what differs. What
else differs is told by `differences`, as notes.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gru_lab.runs import Record

FIRST = ("rnn", "lstm", "gru")
UNSET = "unset"  # a field that only other runs have

T = TypeVar("T")


@dataclass(frozen=True)
class Layout:
    """Every run under the labels of its row and its column, and both in their order."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    runs: Mapping[tuple[str, str], Record]

    def row(self, label: str) -> dict[str, Record]:
        """The runs of a row under the labels of their columns."""
        return {column: self.runs[label, column] for column in self.columns if (label, column) in self.runs}

    def column(self, label: str) -> dict[str, Record]:
        """The runs of a column under the labels of their rows."""
        return {row: self.runs[row, label] for row in self.rows if (row, label) in self.runs}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The leaves of a nested configuration as text, under their dotted names."""
    leaves: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = text(value)
    return leaves


def text(value: Any) -> str:
    """A setting as its YAML shows it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def settings(record: Record, section: str) -> dict[str, str]:
    """The fields of the cell or the task of a run, without its name."""
    own = {"metric": record.metric} if section == "task" else {}
    return own | {name: value for name, value in flat(record.config[section]).items() if name != "name"}


def protocol(record: Record) -> dict[str, str]:
    """Every setting of a run that belongs neither to its cell nor to its task."""
    return flat({name: value for name, value in record.config.items() if name not in ("cell", "task")})


def differing(many: Sequence[Mapping[str, str]]) -> list[str]:
    """The names under which the mappings do not all hold the same value, in the order of their appearance."""
    names = dict.fromkeys(name for one in many for name in one)
    return [name for name in names if len({one.get(name, UNSET) for one in many}) > 1]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """`MyCell` for `my_module:MyCell`, unless two modules have one."""
    names = sorted(set(names))
    short = {name: name.rpartition(":")[2] for name in names}
    return {name: one if list(short.values()).count(one) == 1 else name for name, one in short.items()}


def layout(records: Sequence[Record]) -> Layout:
    """A place of its own for every run; rows in alphabetical order, columns rnn, lstm, gru and then the others."""
    tasks = short_names(record.task for record in records)
    cells = short_names(record.cell for record in records)

    row_fields = {
        task: differing([settings(record, "task") for record in group])
        for task, group in grouped(records, lambda record: record.task).items()
    }
    row_key = {id(r): (r.task, chosen(settings(r, "task"), row_fields[r.task])) for r in records}

    column_fields: dict[str, list[str]] = defaultdict(list)
    for group in grouped(records, lambda record: (row_key[id(record)], record.cell)).values():
        column_fields[group[0].cell] += differing([settings(record, "cell") for record in group])
    column_key = {id(r): (r.cell, chosen(settings(r, "cell"), column_fields[r.cell])) for r in records}

    # what is left: two runs of one place; the fingerprint tells apart even what the configuration does not
    beyond = {id(r): protocol(r) | {"run": r.config_hash} for r in records}
    row_more: dict[Hashable, list[str]] = defaultdict(list)
    for group in grouped(records, lambda record: (row_key[id(record)], column_key[id(record)])).values():
        clashing = differing([beyond[id(record)] for record in group])
        row_more[row_key[id(group[0])]] += [name for name in clashing if name != "run"] or clashing

    found = {}
    for record in records:
        (task, of_task), (cell, of_cell) = row_key[id(record)], column_key[id(record)]
        row = (task, of_task + chosen(beyond[id(record)], row_more[row_key[id(record)]]))
        found[row, (cell, of_cell)] = record
    rows = sorted({row for row, _ in found}, key=lambda row: (tasks[row[0]], natural(row[1])))
    columns = sorted({column for _, column in found}, key=lambda column: (rank(column[0]), natural(column[1])))
    row_label = {row: label(tasks[row[0]], row[1]) for row in rows}
    column_label = {column: label(cells[column[0]], column[1]) for column in columns}
    runs = {(row_label[row], column_label[column]): record for (row, column), record in found.items()}
    return Layout(tuple(row_label.values()), tuple(column_label.values()), runs)


def differences(placed: Layout) -> list[str]:
    """One sentence for each setting that differs within a row or a column and that no label shows."""
    rows_of: dict[str, list[str]] = defaultdict(list)  # several rows often share a difference
    for row in placed.rows:
        group = placed.row(row)
        many = {column: protocol(record) for column, record in group.items()}
        if not any("hidden=" in column for column in group):
            many = {column: {"hidden units": str(group[column].hidden)} | one for column, one in many.items()}
        for sentence in told(many):
            rows_of[sentence].append(row)
    notes = [f"{', '.join(rows)}: the cells differ in {sentence}." for sentence, rows in rows_of.items()]
    for column in placed.columns:
        many = {row: settings(record, "cell") for row, record in placed.column(column).items()}
        notes += [f"{column}: the tasks differ in {sentence}." for sentence in told(many)]
    return notes


def told(many: Mapping[str, Mapping[str, str]]) -> list[str]:
    """`hidden units: 100 (rnn); 46 (lstm, gru)` for each name under which the mappings differ."""
    sentences = []
    for name in differing(list(many.values())):
        owners: dict[str, list[str]] = defaultdict(list)
        for owner, one in many.items():
            owners[one.get(name, UNSET)].append(owner)
        values = "; ".join(f"{value} ({', '.join(names)})" for value, names in owners.items())
        sentences.append(f"{name}: {values}")
    return sentences


def rank(cell: str) -> tuple[int, str]:
    """Where a cell stands among the columns."""
    return (FIRST.index(cell), "") if cell in FIRST else (len(FIRST), cell)


def label(name: str, of: Sequence[tuple[str, str]]) -> str:
    """`adding (length=200)`."""
    fields = ", ".join(f"{field}={value}" for field, value in of)
    return f"{name} ({fields})" if fields else name


def chosen(values: Mapping[str, str], fields: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The values of some fields, as pairs."""
    return tuple((field, values.get(field, UNSET)) for field in dict.fromkeys(fields))


def natural(pairs: Sequence[tuple[str, str]]) -> list[tuple[float, str]]:
    """A key that sorts numbers as numbers."""
    return [(number(value), value) for _, value in pairs]


def number(value: str) -> float:
    """The number that a text holds; infinity if it holds none."""
    try:
        return float(value)
    except ValueError:
        return float("inf")


def grouped(items: Iterable[T], key: Callable[[T], Any]) -> dict[Any, list[T]]:
    """The items by their key, in the order of their appearance."""
    groups: dict[Any, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)
