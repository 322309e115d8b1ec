"""The GRU as a differential equation of De Brouwer et al. (2019)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Probability, Size
from gru_lab.typing import Array, Float, Key, Params


@register("gruode")
@dataclass(frozen=True, kw_only=True)
class GRUODE(Cell):
    """GRU-ODE: the GRU's difference h' - h as a derivative, followed by steps of Euler's while an input is held.

        z = sigmoid(x W_z + h U_z + b_z)
        n = tanh(x W_n + (z * h) U_n + b_n)
        h' = h + dt (1 - z) * (n - h),    unfolds times per input

    The state stays within [-1, 1] where it begins there, for dt up to 1,
    and the equation is Lipschitz. One gate resets and keeps, as in the authors' GRUODECell; the paper's equation 3 has
    a reset gate of its own. Their jumps at observations (GRU-Bayes) are no part of the cell.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: De Brouwer et al. 2019, GRU-ODE-Bayes, arXiv:1905.12374, section 2.3; code: edebrouwer/gru_ode_bayes.

    Attributes:
        dt: the size of a step, 0 to 1.
        unfolds: the number of steps per input.
        bias: what b begins at, beside what the scheme draws.
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = "c: edebrouwer/gru_ode_bayes/gru_ode_bayes/models.py, GRUODECell.forward, at 19b236f"

    dt: Probability = 0.1
    unfolds: Size = 10
    bias: float = 0.05
    initializer: SchemeName = "glorot"

    def init(self, key: Key, inputs: int) -> Params:
        """W, U and b of z and n."""
        params = gates(self.initializer, key, "zn", inputs, self.hidden)
        return {name: p + self.bias if name.startswith("b_") else p for name, p in params.items()}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One input: `unfolds` steps of the equations above."""
        p, h = params, state
        of_z, of_n = x @ p["W_z"] + p["b_z"], x @ p["W_n"] + p["b_n"]
        for _ in range(self.unfolds):
            z = sigmoid(of_z + h @ p["U_z"])
            n = jnp.tanh(of_n + (z * h) @ p["U_n"])
            h = h + self.dt * (1 - z) * (n - h)
        return h
