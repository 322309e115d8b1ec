"""The antisymmetric RNN of Chang et al. (2019)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import NonNegative, Positive
from gru_lab.typing import Array, Float, Key, Params


@register("antisymmetric")
@dataclass(frozen=True, kw_only=True)
class AntisymmetricRNN(Cell):
    """Antisymmetric RNN: a step of a differential equation whose Jacobian is nearly skew-symmetric, so it only rotates.

        M  = (U_h - U_h^T) - gamma I
        h' = h + dt tanh(x W_h + h M + b_h)
        h' = h + dt sigmoid(x W_z + h M + b_z) * tanh(x W_h + h M + b_h)    gated=True

    Stability comes from the form of one matrix, without gates or constraints; gamma damps what the discrete
    step would otherwise amplify. The paper chooses dt from {0.01, 0.1, 1} and gamma from {0, 0.001, 0.01, 0.1} for
    each task: no unit moves by more than dt per step, so 0.01 cannot follow a sequence of 50 steps.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_h (hidden, hidden), b_g (hidden,).
    Source: Chang et al. 2019, AntisymmetricRNN, arXiv:1902.09689.

    Attributes:
        dt: the step of the forward Euler method.
        gamma: the damping.
        gated: whether an input gate scales the step.
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"

    dt: Positive = 0.1
    gamma: NonNegative = 0.01
    gated: bool = False
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, b_h, U_h; W_z and b_z with the gate."""
        return gates(self.initializer, key, "hz" if self.gated else "h", inputs, self.hidden, U="h")

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        M = (p["U_h"] - p["U_h"].T) - self.gamma * jnp.eye(self.hidden, dtype=h.dtype)
        change = jnp.tanh(x @ p["W_h"] + h @ M + p["b_h"])
        if self.gated:
            change = sigmoid(x @ p["W_z"] + h @ M + p["b_z"]) * change
        return h + self.dt * change
