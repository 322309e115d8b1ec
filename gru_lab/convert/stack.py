"""The weights of a recurrent stack in our names: the form between any two frameworks."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab import cells
from gru_lab.cells import Cell
from gru_lab.recurrence import unroll_stack
from gru_lab.schema import UserError
from gru_lab.typing import Array, Float, Params


@dataclass(frozen=True, eq=False)
class Stack:
    """Layers of one cell: `layers[n]` holds the parameters of layer n, one dictionary per direction.

    One direction reads forwards; with two, the second reads backwards and the outputs are joined
    (forward, backward) before the next layer, as PyTorch and Keras do.
    """

    cell: Cell
    layers: tuple[tuple[Params, ...], ...]

    @property
    def directions(self) -> int:
        """1, or 2 for a bidirectional stack."""
        return len(self.layers[0])

    @property
    def inputs(self) -> int:
        """The number of inputs of the first layer."""
        return next(int(np.shape(p)[0]) for name, p in self.layers[0][0].items() if name.startswith("W_"))

    def run(self, xs: Float[Array, "B T I"]) -> Float[Array, "B T O"]:
        """The outputs of the last layer."""
        return unroll_stack(self.cell, jax.tree.map(jnp.asarray, self.layers), xs)[1]


def kind_of(cell: Cell) -> str:
    """The kind of a cell among those that convert: rnn, lstm, gru (reset after) or gru_before.

    Raises:
        UserError: if no framework has a layer that computes this cell.
    """
    name = cells.name_of(cell)
    if name not in ("rnn", "lstm", "gru"):
        raise UserError(f"cell {name!r} has no counterpart in other frameworks: rnn, lstm and gru have")
    plain = replace(type(cell)(hidden=cell.hidden), **{f: getattr(cell, f) for f in _FREE[name]})
    for field in type(cell).__dataclass_fields__:
        if getattr(cell, field) != getattr(plain, field):
            raise UserError(
                f"cell.{field} is {getattr(cell, field)!r}: no framework has a {name} that computes this, "
                f"only {getattr(plain, field)!r} can be converted"
            )
    return "gru_before" if getattr(cell, "reset", None) == "before" else name


# Fields that leave the stored weights' meaning alone (how they were drawn), or that `to_canonical` takes care of.
_DRAWN = ("gate_init", "forget_bias", "t_max")
_FREE = {
    "rnn": ("nonlinearity", "initializer"),
    "lstm": ("initializer", *_DRAWN),
    "gru": ("initializer", *_DRAWN, "reset", "recurrent_bias", "update"),
}


def to_canonical(stack: Stack) -> Stack:
    """The same function in the form that frameworks store: a GRU's z keeps, and it has a b_hn, if need be of zeros."""
    kind = kind_of(stack.cell)

    def canonical(params: Params) -> Params:
        out: dict[str, Any] = {name: np.asarray(p) for name, p in params.items()}
        if kind == "gru":
            out.setdefault("b_hn", np.zeros_like(out["b_n"]))
        if getattr(stack.cell, "update", "keep") == "write":  # 1 - sigmoid(a) = sigmoid(-a)
            out |= {name: -out[name] for name in ("W_z", "U_z", "b_z")}
        return out

    cell = replace(stack.cell, update="keep") if hasattr(stack.cell, "update") else stack.cell
    return replace(stack, cell=cell, layers=tuple(tuple(canonical(p) for p in layer) for layer in stack.layers))
