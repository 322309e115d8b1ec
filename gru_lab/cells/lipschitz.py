"""The Lipschitz RNN of Erichson et al. (2021)."""

from dataclasses import dataclass

import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import NonNegative, Positive, Probability
from gru_lab.typing import Array, Float, Key, Params


@register("lipschitz")
@dataclass(frozen=True)
class LipschitzRNN(Cell):
    """Lipschitz RNN: a linear part and a squashed part, each from stable and skew halves of a matrix.

        S(M) = (1 - beta) (M + M^T) + beta (M - M^T) - gamma I
        h'   = h + dt (h S(U_A)^T + tanh(h S(U_W)^T + x W_h + b_h))

    The symmetric half moves the real parts of the eigenvalues, the skew half only turns; beta and gamma hold
    the continuous system near the edge of stability. Written for row vectors, hence the transposes.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), U_A and U_W (hidden, hidden), b_h (hidden,).
    Source: Erichson et al. 2021, Lipschitz Recurrent Neural Networks, arXiv:2006.12070, equations 2-3.

    Attributes:
        dt: the step of the forward Euler method.
        beta: the share of the skew half.
        gamma: the damping.
        initializer: the scheme that draws W, U and b.
    """

    dt: Positive = 0.03
    beta: Probability = 0.75
    gamma: NonNegative = 0.001
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, b_h, U_A, U_W."""
        return gates(self.initializer, key, "h", inputs, self.hidden, U="AW")

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state

        def S(M: Array) -> Array:
            skewed = (1 - self.beta) * (M + M.T) + self.beta * (M - M.T)
            return skewed - self.gamma * jnp.eye(self.hidden, dtype=M.dtype)

        return h + self.dt * (h @ S(p["U_A"]).T + jnp.tanh(h @ S(p["U_W"]).T + x @ p["W_h"] + p["b_h"]))
