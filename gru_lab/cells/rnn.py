"""The vanilla recurrent network of Elman (1990)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("rnn")
@dataclass(frozen=True, kw_only=True)
class RNN(Cell):
    """Vanilla RNN: the state is one squashed linear map of input and state.

        h' = f(x W_h + h U_h + b_h),    f = tanh or relu

    The measure of all others: its gradient through time is a product of as many matrices as there are steps,
    so it vanishes or explodes. `nonlinearity="relu", initializer="identity"` is the IRNN, which begins as a
    memory that forgets nothing.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), U_h (hidden, hidden), b_h (hidden,).
    Source: Elman 1990, Finding Structure in Time, Cognitive Science 14; the IRNN: Le et al. 2015,
    arXiv:1504.00941.

    Attributes:
        nonlinearity: f.
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = "a: torch.nn"

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
