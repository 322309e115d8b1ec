"""Tables of how a framework stores a cell: `{"weight_ih": "W_r W_z W_n, transposed", ...}`.

An entry names our parameters in the order in which the framework joins them: along the last axis, and `/` begins a
new row. `transposed` turns the joined matrix, `-W_z` is stored negated, `b_f-1` is stored less one. A parameter that
appears twice is the sum of the two: we write it in the first place and zeros in the second.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gru_lab.schema import UserError, listed, nearest

Table = Mapping[str, str]
Arrays = Mapping[str, np.ndarray]


class Part(NamedTuple):
    """One of our parameters inside a framework's array."""

    name: str
    sign: int
    offset: int


def parse(entry: str) -> tuple[list[list[Part]], bool]:
    """The rows of parts of an entry, and whether the whole is transposed."""
    body, _, flag = entry.partition(",")

    def part(word: str) -> Part:
        sign, name, offset = re.fullmatch(r"(-?)(\w+?)(-1)?", word).groups()  # pyright: ignore[reportOptionalMemberAccess]
        return Part(name, -1 if sign else 1, -1 if offset else 0)

    return [[part(word) for word in row.split()] for row in body.split("/")], flag.strip() == "transposed"


def shape_of(name: str, inputs: int, hidden: int) -> tuple[int, ...]:
    """The shape of one of our parameters: W (inputs, hidden), U (hidden, hidden), b (hidden,)."""
    return {"W": (inputs, hidden), "U": (hidden, hidden), "b": (hidden,)}[name[0]]


def join(table: Table, params: Arrays) -> dict[str, np.ndarray]:
    """Our parameters as the framework's arrays."""
    written: set[str] = set()

    def value(part: Part) -> np.ndarray:
        array = params[part.name]
        first = part.name not in written
        written.add(part.name)
        return part.sign * array + part.offset if part.offset else part.sign * array if first else 0 * array

    arrays = {}
    for name, entry in table.items():
        rows, transposed = parse(entry)
        joined = [np.concatenate([value(part) for part in row], axis=-1) for row in rows]
        whole = joined[0] if len(rows) == 1 else np.stack(joined) if joined[0].ndim == 1 else np.concatenate(joined)
        arrays[name] = np.ascontiguousarray(whole.T if transposed else whole)
    return arrays


def split(table: Table, arrays: Arrays, names: Mapping[str, str], inputs: int, hidden: int) -> dict[str, np.ndarray]:
    """The framework's arrays as our parameters; `names` are their full names, for errors.

    A layer without any bias gets zeros.

    Raises:
        UserError: the first array that is missing, is not of floats, or has another shape than the table asks for.
    """
    params: dict[str, np.ndarray] = {}
    dtype = next(iter(arrays.values())).dtype
    without_bias = all(
        not part.name.startswith("b") for name in arrays for row in parse(table[name])[0] for part in row
    )
    for name, entry in table.items():
        rows, transposed = parse(entry)
        blank = {part.name: np.zeros(shape_of(part.name, inputs, hidden)) for row in rows for part in row}
        wanted = join({name: entry}, blank)[name].shape
        if name not in arrays and without_bias and all(part.startswith("b") for part in blank):
            params |= {part: params.get(part, zeros.astype(dtype)) for part, zeros in blank.items()}
            continue
        if name not in arrays:
            raise UserError(f"weights lack {name}: there are {listed(names.values())}.{nearest(name, arrays)}")
        array, where = arrays[name], names[name]
        if array.dtype.kind not in "fV":
            raise UserError(f"weights {where} are {array.dtype}: they must be floating-point numbers")
        if array.shape != wanted:
            raise UserError(f"weights {where} have shape {array.shape}: they must have {wanted}")
        whole = array.T if transposed else array
        top = 0
        for row_number, row in enumerate(rows):
            if len(rows) == 1:
                band = whole
            elif row[0].name[0] == "b":
                band = whole[row_number]
            else:
                height = blank[row[0].name].shape[0]
                band, top = whole[top : top + height], top + height
            for part, piece in zip(row, np.split(band, len(row), axis=-1), strict=True):
                piece = part.sign * (piece - part.offset if part.offset else piece)
                params[part.name] = params[part.name] + piece if part.name in params else np.ascontiguousarray(piece)
    return params
