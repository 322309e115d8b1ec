"""Time series from a table: one number per row, in the order of time."""

import csv
import importlib.util
import math
import reprlib
from pathlib import Path

import numpy as np

from gru_lab.data.files import text_of
from gru_lab.errors import UserError, listed, nearest


def shipped(name: str) -> Path:
    """The file of a series that comes with statsmodels.

    Raises:
        UserError: if statsmodels is not installed.
    """
    package = importlib.util.find_spec("statsmodels")  # where it lies; nothing of it is imported
    if package is None or package.origin is None:
        raise UserError(f"task is {name!r}: the series comes with statsmodels; pip install 'gru-lab[series]'")
    return Path(package.origin).parent / "datasets" / name / f"{name}.csv"


def read_series(path: Path, column: str | None = None, *, fill: bool = False) -> np.ndarray:
    """A column of a CSV file, whose first row names the columns; the only column of numbers if None.

    With `fill` the values of a gap lie on the straight line between its neighbours.

    Raises:
        UserError: if the file is empty or in another encoding, for a column that is not there or not chosen, and for a
            row with a gap or a text, by its line.
    """
    try:
        text = text_of(path.read_bytes(), path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    reader = csv.reader(text.splitlines())
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        raise UserError(f"{path} is empty: its first row must name the columns")
    (_, header), *rows = rows
    names = [cell.strip() for cell in header]
    if all(_number(name) is not None for name in names):
        raise UserError(f"{path} begins with numbers: its first row must name the columns")
    if len(rows) < 2:
        raise UserError(f"{path} has fewer than two rows below its header: {len(rows)}")
    place = _place(path, names, rows[0][1], column)
    values = []
    for line, row in rows:
        cell = row[place].strip() if place < len(row) else ""
        value = math.nan if fill and not cell else _number(cell)
        if value is None:
            what = f"{reprlib.repr(cell)} is not a number" if cell else "there is a gap"
            raise UserError(f"{path}, line {line}, column {names[place]}: {what}; fill it in or leave the rows out")
        values.append(value)
    series = np.array(values)
    known = np.flatnonzero(~np.isnan(series))
    return np.interp(np.arange(len(series)), known, series[known]) if fill else series


def _place(path: Path, names: list[str], first: list[str], column: str | None) -> int:
    """The place of the column that is asked for."""
    if column is not None:
        if column not in names:
            raise UserError(f"task.column is {column!r}: {path} has {listed(names)}.{nearest(column, names)}")
        return names.index(column)
    numbers = [n for n, cell in enumerate(first[: len(names)]) if _number(cell.strip()) is not None]
    if len(numbers) == 1:
        return numbers[0]
    if not numbers:
        raise UserError(f"{path} has no column of numbers: its columns are {listed(names, 'and')}")
    raise UserError(f"task.column is None: choose {listed(names[n] for n in numbers)} of {path}")


def _number(cell: str) -> float | None:
    """A cell as a finite number; None if it is not one."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
