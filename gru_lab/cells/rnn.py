"""The vanilla recurrent network of Elman (1990)."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("rnn")
@dataclass(frozen=True)
class RNN(Cell):
    """Vanilla RNN: the state is one squashed linear map of input and state.

        h' = f(x W_h + h U_h + b_h),    f = tanh or relu

    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), U_h (hidden, hidden), b_h (hidden,).
    Source: Elman 1990, Finding Structure in Time, Cognitive Science 14.
    """

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, U_h, b_h by the scheme of `initializer`."""
        return gates(self.initializer, key, "h", inputs, self.hidden)

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equation above."""
        p, h = params, state
        f = jnp.tanh if self.nonlinearity == "tanh" else jax.nn.relu
        return f(x @ p["W_h"] + h @ p["U_h"] + p["b_h"])
