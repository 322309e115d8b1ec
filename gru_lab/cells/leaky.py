"""The RNN of leaky integrators (Jaeger et al. 2007)."""

from dataclasses import dataclass
from typing import Annotated

import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Range
from gru_lab.typing import Array, Float, Key, Params


@register("leaky")
@dataclass(frozen=True, kw_only=True)
class LeakyRNN(Cell):
    """Leaky integrators: a vanilla RNN that moves only a fixed share of the way each step.

        h' = (1 - leak) h + leak tanh(x W_h + h U_h + b_h)

    The continuous-time RNN of neuroscience, stepped by Euler's method; a gated cell whose gate is a constant.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), U_h (hidden, hidden), b_h (hidden,).
    Source: Jaeger et al. 2007, Optimization and applications of echo state networks with leaky-integrator
    neurons, Neural Networks 20(3).

    Attributes:
        leak: the share; 1 is the vanilla RNN, the time scale is 1 / leak steps.
        initializer: the scheme that draws W, U and b.
    """

    leak: Annotated[float, Range(0, 1, above=True)] = 0.1
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, U_h, b_h."""
        return gates(self.initializer, key, "h", inputs, self.hidden)

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equation above."""
        p, h = params, state
        return (1 - self.leak) * h + self.leak * jnp.tanh(x @ p["W_h"] + h @ p["U_h"] + p["b_h"])
