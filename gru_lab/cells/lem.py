"""Long expressive memory (Rusch 2022)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive
from gru_lab.typing import Array, Float, Key, Params


@register("lem")
@dataclass(frozen=True, kw_only=True)
class LEM(Cell):
    """Long expressive memory: two coupled states, each with a learned time step for every unit.

        d_1 = dt sigmoid(x W_1 + y U_1 + b_1)
        d_2 = dt sigmoid(x W_2 + y U_2 + b_2)
        z'  = (1 - d_1) * z + d_1 * tanh(x W_z + y U_z + b_z)
        y'  = (1 - d_2) * y + d_2 * tanh(x W_y + z' U_y + b_y)

    A multiscale differential equation, stepped; what the LSTM's gates do appears as time steps, and for dt
    <= 1 the states stay in [-1, 1]. State (y, z).
    Shapes: x (inputs,), y and z (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Rusch et al. 2022, Long Expressive Memory for Sequence Modeling, arXiv:2110.04744, equation 3; code:
    tk-rusch/LEM, which draws all weights from U(-1, 1) / sqrt(hidden).

    Attributes:
        dt: the longest time step.
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = "c: tk-rusch/LEM/sMNIST/network.py, LEMCell.forward, at 1315eed"

    dt: Positive = 1.0
    initializer: SchemeName = "pytorch"

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of 1, 2, z and y."""
        return gates(self.initializer, key, "12zy", inputs, self.hidden)

    def initial_state(self, params: Params) -> Any:
        """Zeros for y and z."""
        zeros = super().initial_state(params)
        return zeros, zeros

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (y, z) = params, state
        d_1 = self.dt * sigmoid(x @ p["W_1"] + y @ p["U_1"] + p["b_1"])
        d_2 = self.dt * sigmoid(x @ p["W_2"] + y @ p["U_2"] + p["b_2"])
        z = (1 - d_1) * z + d_1 * jnp.tanh(x @ p["W_z"] + y @ p["U_z"] + p["b_z"])
        y = (1 - d_2) * y + d_2 * jnp.tanh(x @ p["W_y"] + z @ p["U_y"] + p["b_y"])
        return y, z

    def read(self, state: Any) -> Float[Array, " H"]:
        """The state y."""
        return state[0]
