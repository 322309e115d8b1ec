"""The RNN with multiplicative integration of Wu et al. (2016)."""

from dataclasses import dataclass

import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("mirnn")
@dataclass(frozen=True, kw_only=True)
class MIRNN(Cell):
    """Multiplicative integration: input and state gate each other, as a product beside their sum.

        h' = tanh(alpha * (x W_h) * (h U_h) + beta_u * (h U_h) + beta_w * (x W_h) + b_h)

    A second-order term for three vectors, where a tensor RNN pays hidden^2 inputs parameters.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), U_h (hidden, hidden), alpha, beta_u, beta_w, b_h
    (hidden,).
    Source: Wu et al. 2016, On Multiplicative Integration with Recurrent Neural Networks, arXiv:1606.06630.

    Attributes:
        alpha: alpha at first.
        beta: beta_u and beta_w at first.
        initializer: the scheme that draws W, U and b.
    """

    alpha: float = 1.0
    beta: float = 0.5
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, U_h, b_h, alpha, beta_u, beta_w."""
        full = {"alpha": self.alpha, "beta_u": self.beta, "beta_w": self.beta}
        params = gates(self.initializer, key, "h", inputs, self.hidden)
        return params | {name: jnp.full(self.hidden, value) for name, value in full.items()}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equation above."""
        p = params
        w, u = x @ p["W_h"], state @ p["U_h"]
        return jnp.tanh(p["alpha"] * w * u + p["beta_u"] * u + p["beta_w"] * w + p["b_h"])
