"""Any of our cells as a cell of Flax NNX: put it into `nnx.RNN`."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.typing import Array


class FlaxCell(nnx.RNNCellBase):
    """A cell of GRU Lab that `nnx.RNN` and `nnx.Bidirectional` take.

    >>> from gru_lab import cells
    >>> layer = nnx.RNN(FlaxCell(cells.create("lstm", hidden=64), 8, rngs=nnx.Rngs(0)))
    >>> layer(jnp.ones((2, 5, 8))).shape
    (2, 5, 64)

    Its parameters are `nnx.Param`s under `weights`, by our names.
    """

    def __init__(self, cell: Cell, in_features: int, *, rngs: nnx.Rngs) -> None:
        """Draw the parameters of `cell` for `in_features` inputs from the stream `params` of `rngs`."""
        self.cell, self.in_features = cell, in_features
        params = cell.init(rngs.params(), in_features)
        self.weights = nnx.Dict({name: nnx.Param(value) for name, value in params.items()})

    def _params(self) -> dict[str, Any]:
        return {name: weight[...] for name, weight in self.weights.items()}

    def __call__(self, carry: Any, inputs: Array) -> tuple[Any, Array]:
        """One step: the new carry and the output; all axes of `inputs` but the last are batch axes."""
        step, read = self.cell.step, self.cell.read
        for _ in range(inputs.ndim - 1):
            step, read = jax.vmap(step, (None, 0, 0)), jax.vmap(read)
        carry = step(self._params(), carry, inputs)
        return carry, read(carry)

    def initialize_carry(self, input_shape: tuple[int, ...], rngs: Any = None, carry_init: Any = None) -> Any:
        """The cell's first state for every example; `carry_init` is refused, for the cell defines the first state."""
        if carry_init is not None:
            raise ValueError("carry_init has no meaning here: the cell defines its own first state")
        state = self.cell.initial_state(self._params())
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (*input_shape[:-1], *jnp.shape(leaf))), state)

    @property
    def num_feature_axes(self) -> int:
        """One: inputs are vectors."""
        return 1
