"""The independently recurrent network of Li et al. (2018)."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("indrnn")
@dataclass(frozen=True)
class IndRNN(Cell):
    """Independently recurrent network: each unit sees its own past only, so its gradient is a plain power.

        h' = f(x W_h + u_h * h + b_h),    f = relu or tanh

    One weight a unit instead of a matrix: units mix in the layers above. |u_h| near 1 remembers.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), u_h and b_h (hidden,).
    Source: Li et al. 2018, Independently Recurrent Neural Network, arXiv:1803.04831.

    Attributes:
        nonlinearity: f.
        initializer: the scheme that draws W_h and b_h; u_h is uniform over [0, 1].
    """

    nonlinearity: Literal["relu", "tanh"] = "relu"
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, b_h and u_h."""
        u = jax.random.uniform(jax.random.fold_in(key, 1), (self.hidden,))
        return gates(self.initializer, key, "h", inputs, self.hidden, U="") | {"u_h": u}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equation above."""
        p, h = params, state
        f = jax.nn.relu if self.nonlinearity == "relu" else jnp.tanh
        return f(x @ p["W_h"] + p["u_h"] * h + p["b_h"])
