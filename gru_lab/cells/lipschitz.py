"""The Lipschitz RNN of Erichson et al. (2021)."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import NonNegative, Positive, Probability
from gru_lab.typing import Array, Float, Key, Params


@register("lipschitz")
@dataclass(frozen=True, kw_only=True)
class LipschitzRNN(Cell):
    """Lipschitz RNN: a linear part and a squashed part, each from the symmetric and skew-symmetric parts of a matrix.

        S(M) = (1 - beta) (M + M^T) + beta (M - M^T) - gamma I
        h'   = h + dt (h S(U_A) + tanh(h S(U_W) + x W_h + b_h))

    The symmetric part moves the real parts of the eigenvalues, the skew-symmetric part only rotates. Nothing bounds the
    linear part: it is stable while the symmetric part, (1 - beta) (U_A + U_A^T), stays below gamma, so U_A and U_W
    must begin small. The paper's table draws them with init_std = 0.1; the example in the authors' README has 32
    with dt = 0.01, with which 784 steps of noise grow without bound.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), U_A and U_W (hidden, hidden), b_h (hidden,).
    Source: Erichson et al. 2021, Lipschitz Recurrent Neural Networks, arXiv:2006.12070.

    Attributes:
        dt: the step of the forward Euler method.
        beta: the share of the skew-symmetric part.
        gamma: the damping.
        init_std: U_A and U_W are drawn from N(0, (init_std / hidden)^2).
        initializer: the scheme that draws W_h and b_h.
    """

    witness: ClassVar[str] = "c: erichson/LipschitzRNN/models.py, rnn_models.forward, at 22d2ce3"

    dt: Positive = 0.03
    beta: Probability = 0.75
    gamma: NonNegative = 0.001
    init_std: Positive = 0.1
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, b_h, U_A, U_W."""
        params = gates(self.initializer, key, "h", inputs, self.hidden, U="")
        drawn = jax.random.normal(jax.random.fold_in(key, 1), (2, self.hidden, self.hidden))
        U_A, U_W = self.init_std / self.hidden * drawn
        return params | {"U_A": U_A, "U_W": U_W}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state

        def S(M: Array) -> Array:
            skewed = (1 - self.beta) * (M + M.T) + self.beta * (M - M.T)
            return skewed - self.gamma * jnp.eye(self.hidden, dtype=M.dtype)

        return h + self.dt * (h @ S(p["U_A"]) + jnp.tanh(h @ S(p["U_W"]) + x @ p["W_h"] + p["b_h"]))
