"""Any cell as a Flax NNX layer."""

from typing import Any

import jax
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.recurrence import Method, Sequential, unroll
from gru_lab.typing import Array, Bool, Float, Int, State


class Recurrent(nnx.Module):
    """One recurrent layer: a cell, its parameters as `nnx.Param`, and `unroll`.

    `last, hs = layer(xs)`: the output after the last step (batch, outputs), and after every step
    (batch, time, outputs).
    """

    def __init__(self, cell: Cell, inputs: int, *, rngs: nnx.Rngs) -> None:
        self.cell = cell
        params = cell.init(rngs.params(), inputs)
        self.params = nnx.Dict({name: nnx.Param(value) for name, value in params.items()})
        self.outputs = jax.eval_shape(lambda p: cell.read(cell.initial_state(p)), params).shape[-1]

    @property
    def weights(self) -> dict[str, Any]:
        """The parameters as the cell's functions take them."""
        return {name: param[...] for name, param in self.params.items()}

    def __call__(
        self,
        xs: Float[Array, "B T I"],
        state: State | None = None,
        *,
        lengths: Int[Array, " B"] | None = None,
        resets: Bool[Array, "B T"] | None = None,
        reverse: bool = False,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> tuple[Float[Array, "B O"], Float[Array, "B T O"]]:
        """See `gru_lab.unroll`."""
        options = {"lengths": lengths, "resets": resets, "reverse": reverse, "method": method}
        final, hs_BTO = unroll(self.cell, self.weights, xs, state, **options)
        return jax.vmap(self.cell.read)(final), hs_BTO
