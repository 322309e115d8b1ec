"""Any cell as a Flax NNX layer, in one direction or two."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.recurrence import Method, Sequential, unroll
from gru_lab.typing import Array, Bool, Float, Int, State


class Recurrent(nnx.Module):
    """One recurrent layer: a cell, its parameters as `nnx.Param`, and `unroll`.

    `last, hs = layer(xs)`: the output after the last step (batch, outputs), and after every step
    (batch, time, outputs).

    >>> from gru_lab import cells
    >>> last, hs = Recurrent(cells.LSTM(hidden=8), inputs=3, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 3)))
    >>> last.shape, hs.shape
    ((2, 8), (2, 5, 8))
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

    @property
    def directions(self) -> tuple[dict[str, Any], ...]:
        """The parameters as `unroll_stack` takes a layer."""
        return (self.weights,)

    @property
    def each(self) -> "tuple[Recurrent, ...]":
        """The layer itself: it has one direction."""
        return (self,)

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


class Bidirectional(nnx.Module):
    """Two recurrent layers of one cell, one from the first step to the last and one back; outputs side by side.

    `last, hs = layer(xs)`: the outputs of both after their last steps (batch, 2 outputs), and at every step
    (batch, time, 2 outputs). The backward one begins at each sequence's own end.
    Source: Schuster & Paliwal 1997, IEEE Transactions on Signal Processing 45(11).
    """

    def __init__(self, cell: Cell, inputs: int, *, rngs: nnx.Rngs) -> None:
        self.forward = Recurrent(cell, inputs, rngs=rngs)
        self.backward = Recurrent(cell, inputs, rngs=rngs)
        self.outputs = self.forward.outputs + self.backward.outputs

    @property
    def cell(self) -> Cell:
        """The cell of both directions."""
        return self.forward.cell

    @property
    def weights(self) -> dict[str, Any]:
        """The parameters of the forward direction."""
        return self.forward.weights

    @property
    def directions(self) -> tuple[dict[str, Any], ...]:
        """The parameters as `unroll_stack` takes a layer: forward, backward."""
        return (self.forward.weights, self.backward.weights)

    @property
    def each(self) -> tuple[Recurrent, ...]:
        """The layers of both directions."""
        return (self.forward, self.backward)

    def __call__(
        self,
        xs: Float[Array, "B T I"],
        states: tuple[State, State] | None = None,
        *,
        lengths: Int[Array, " B"] | None = None,
        resets: Bool[Array, "B T"] | None = None,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> tuple[Float[Array, "B O"], Float[Array, "B T O"]]:
        """See `gru_lab.unroll_stack`."""
        starts = states or (None, None)
        options = {"lengths": lengths, "resets": resets, "method": method}
        ahead, back = self.forward(xs, starts[0], **options), self.backward(xs, starts[1], reverse=True, **options)
        last_BO, hs_BTO = (jnp.concatenate(pair, axis=-1) for pair in zip(ahead, back, strict=True))
        return last_BO, hs_BTO
