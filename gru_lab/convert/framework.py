"""A framework as data: its tables, its names of layers, its refusals; and reading and writing by them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from gru_lab import cells
from gru_lab.cells import Cell
from gru_lab.convert.layout import Arrays, Table, join, parse, split
from gru_lab.convert.stack import Stack, kind_of, to_canonical
from gru_lab.schema import UserError, listed, nearest


def each(letter: str, gates: str) -> str:
    """The parameters of every gate as a table's entry.

    >>> each("W", "rz")
    'W_r W_z'
    """
    return " ".join(f"{letter}_{gate}" for gate in gates)


@dataclass(frozen=True)
class Framework:
    """A framework's storage of stacks of rnn, lstm, gru and gru_before; the first table of a kind is written."""

    name: str
    tables: Mapping[str, tuple[Table, ...]]
    nonlinearities: tuple[str, ...] = ("tanh", "relu")  # the first is its default
    refusals: Mapping[str, str] = field(default_factory=dict)

    def array_name(self, entry: str, kind: str, layer: int, direction: int, directions: int) -> str:
        """The name under which an entry of the table is written."""
        return f"layer_{layer}/{('forward', 'backward')[direction]}/{entry}"

    def place(self, name: str, table: Table) -> tuple[str, bool, str] | None:
        """An array's layer, its direction (true for backwards) and its entry; None if it is not in the table."""
        for entry in sorted(table, key=len, reverse=True):
            if name == entry or name.endswith(f"/{entry}"):
                prefix = name.removesuffix(entry)
                return prefix.replace("backward", "forward"), "backward" in prefix, entry
        return None

    def one_layer(self, kind: str, cell: Cell, arrays: dict[str, Any], xs: Any) -> Any:
        """The outputs of the framework's own layer for `xs` (batch, time, inputs), forwards; needs the framework."""
        raise NotImplementedError

    def compute(self, stack: Stack, arrays: dict[str, Any], xs: Any) -> Any:
        """The outputs of the framework itself with these arrays: the reference of every check.

        Args:
            stack: tells the cell and the number of layers; its weights are not used.
            arrays: of `dump`; differentiable in the JAX frameworks.
            xs: inputs (batch, time, inputs).
        """
        kind = kind_of(stack.cell)
        for n in range(len(stack.layers)):
            sides = []
            for d in range(stack.directions):
                names = {entry: self.array_name(entry, kind, n, d, stack.directions) for entry in self.tables[kind][0]}
                named = {entry: arrays[name] for entry, name in names.items()}
                sides.append(self.one_layer(kind, stack.cell, named, xs[:, ::-1] if d else xs))
            xs = jnp.concatenate([side[:, ::-1] if d else side for d, side in enumerate(sides)], axis=-1)
        return xs

    # -- writing -----------------------------------------------------------------------------------
    def refusal(self, cell: Cell) -> str | None:
        """The reason why a cell cannot go to this framework; None if it can."""
        try:
            kind = kind_of(cell)
        except UserError as error:
            return str(error)
        if kind not in self.tables:
            return self.refusals[kind]
        chosen = getattr(cell, "nonlinearity", self.nonlinearities[0])
        if chosen not in self.nonlinearities:
            return f"cell.nonlinearity is {chosen!r}: {self.name} has {listed(self.nonlinearities)} only"
        return None

    def dump(self, stack: Stack) -> dict[str, np.ndarray]:
        """The stack's weights under this framework's names.

        Raises:
            UserError: if this framework cannot compute the same outputs, with the reason.
        """
        why = self.refusal(stack.cell)
        if why:
            raise UserError(f"a {cells.name_of(stack.cell)} cannot go to {self.name}: {why}")
        stack, kind = to_canonical(stack), kind_of(stack.cell)
        table = self.tables[kind][0]
        held = {part.name for entry in table.values() for row in parse(entry)[0] for part in row}
        arrays = {}
        for n, layer in enumerate(stack.layers):
            for d, params in enumerate(layer):
                for name in params.keys() - held:
                    if np.any(params[name]):
                        raise UserError(
                            f"{name} of layer {n} is not zero and cannot go to {self.name}: {self.refusals[name]}"
                        )
                for entry, array in join(table, params).items():
                    arrays[self.array_name(entry, kind, n, d, stack.directions)] = array
        return arrays

    # -- reading -----------------------------------------------------------------------------------
    def load(self, arrays: Arrays, cell: str | None = None, prefix: str = "", **fields: Any) -> Stack:
        """The stack that these arrays are the weights of.

        Args:
            arrays: by this framework's names.
            cell: rnn, lstm or gru; inferred from the names and shapes if None.
            prefix: take only the arrays whose names begin with it (`rnn.` inside a larger model).
            fields: of the cell, where the arrays leave them open (`nonlinearity="relu"`).

        Raises:
            UserError: the first name, shape or type that does not fit.
        """
        named = {name: np.asarray(array) for name, array in arrays.items() if name.startswith(prefix)}
        if not named:
            raise UserError(f"no weights begin with {prefix!r}: there are {listed(sorted(arrays))}")
        kind, table = self._choose(named, cell, prefix)
        layers = self._layers(named, table, prefix)
        hidden = _size(layers[0][0], table, "U")
        dtypes = sorted({str(array.dtype) for array in named.values()})
        if len(dtypes) > 1:
            raise UserError(f"weights have the dtypes {listed(dtypes)}: they must share one")
        stack = []
        for n, layer in enumerate(layers):
            inputs = hidden * len(layer) if n else _size(layer[0], table, "W")
            stack.append(tuple(split(table, side.arrays, side.names, inputs, hidden) for side in layer))
        return Stack(self._cell(kind, table, hidden, fields), tuple(stack))

    def _choose(self, named: Arrays, cell: str | None, prefix: str) -> tuple[str, Table]:
        """The table whose names and number of gates are those of the arrays."""
        if cell is not None and cell not in ("rnn", "lstm", "gru"):
            raise UserError(f"cell {cell!r} is not one that converts: it must be rnn, lstm or gru")
        fits = []
        for kind, tables in self.tables.items():
            for table in tables:
                if cell in (None, kind.split("_")[0]):
                    placed = [self.place(name.removeprefix(prefix), table) for name in named]
                    strange = [name for name, place in zip(named, placed, strict=True) if place is None]
                    missing = table.keys() - {place[2] for place in placed if place}
                    missing = {entry for entry in missing if not _is_bias(table[entry])}
                    fits.append((len(strange) + len(missing), _gates_off(named, placed, table), kind, table, strange))
        *_, kind, table, strange = min(fits, key=lambda fit: fit[:2])
        if strange:
            raise UserError(
                f"weights hold {strange[0]}, which is not a weight of a {kind} in {self.name}: name the part to "
                f"convert by its prefix, or another cell or framework.{nearest(strange[0], table)}"
            )
        return kind, table

    def _layers(self, named: Arrays, table: Table, prefix: str) -> list[list["_Side"]]:
        """The arrays of each layer and direction, in the order of the layers' names."""
        sides: dict[str, dict[bool, _Side]] = {}
        for name, array in named.items():
            layer, backwards, entry = self.place(name.removeprefix(prefix), table)  # pyright: ignore[reportGeneralTypeIssues]
            side = sides.setdefault(layer, {}).setdefault(backwards, _Side({}, {}))
            side.arrays[entry], side.names[entry] = array, name
        layers = [[both[d] for d in sorted(both)] for _, both in sorted(sides.items(), key=lambda i: _natural(i[0]))]
        if len({len(layer) for layer in layers}) > 1:
            raise UserError(f"weights of {list(sides)} mix layers of one direction with bidirectional ones")
        return layers

    def _cell(self, kind: str, table: Table, hidden: int, fields: Mapping[str, Any]) -> Cell:
        name, given = kind.split("_")[0], dict(fields)
        if name == "rnn":
            given.setdefault("nonlinearity", self.nonlinearities[0])
        if name == "gru":
            reset = "before" if kind == "gru_before" else "after"
            if given.setdefault("reset", reset) != reset:
                raise UserError(f"cell.reset is {given['reset']!r}: these weights are of a GRU with reset {reset}")
            given["recurrent_bias"] = any("b_hn" in entry for entry in table.values())
        return cells.create(name, hidden=hidden, **given)


class _Side(NamedTuple):
    """The arrays of one layer and direction by entry, and their full names."""

    arrays: dict[str, np.ndarray]
    names: dict[str, str]


def _natural(text: str) -> list[Any]:
    """Sorts gru, gru_1, gru_2, gru_10 in this order."""
    return [(int(piece) if piece.isdigit() else -1, piece) for piece in re.split(r"(\d+)", text)]


def _is_bias(entry: str) -> bool:
    return all(part.name.startswith("b") for row in parse(entry)[0] for part in row)


def _gates_off(named: Arrays, placed: list[Any], table: Table) -> float:
    """The distance of the arrays from the table's number of gates: distinguishes tables of equal names."""
    off = 0.0
    for array, place in zip(named.values(), placed, strict=True):
        rows, transposed = parse(table[place[2]]) if place else ([], False)
        shape = array.shape[::-1] if transposed else array.shape
        if place and rows[0][0].name[0] == "U" and array.ndim == 2:
            off += abs(shape[1] / max(shape[0], 1) - len(rows[0]))
        if place and rows[0][0].name[0] == "b":
            off += 10 * (array.ndim != (1 if len(rows) == 1 else 2))
    return off


def _size(side: _Side, table: Table, letter: str) -> int:
    """The rows of the matrices of that letter: the inputs from W, the hidden size from U."""
    for entry, text in table.items():
        rows, transposed = parse(text)
        if entry not in side.arrays:
            continue
        array = side.arrays[entry].T if transposed else side.arrays[entry]
        for row in rows:
            if row[0].name[0] == letter and array.ndim == 2:
                hidden = array.shape[1] // len(row)
                return array.shape[0] if len(rows) == 1 else hidden if letter == "U" else array.shape[0] - hidden
    entry = next(entry for entry, text in table.items() if letter in text)
    raise UserError(f"weights lack {entry}, or it is not a matrix: there are {listed(sorted(side.names.values()))}")
