"""The structurally constrained network of Mikolov et al. (2014)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Probability, Size
from gru_lab.typing import Array, Float, Key, Params


@register("scrn")
@dataclass(frozen=True)
class SCRN(Cell):
    """Structurally constrained network: slow context units s, whose recurrence is fixed, beside a vanilla RNN.

        s' = (1 - alpha) (x W_s) + alpha s
        h' = sigmoid(s' V_h + x W_h + h U_h)

    A part of the recurrent matrix is held near the identity, and that alone learns longer memory. The layer
    above sees both, (h, s). The state is (h, s).
    Shapes: x (inputs,), h (hidden,), s (context,), W_s (inputs, context), V_h (context, hidden), W_h
    (inputs, hidden), U_h (hidden, hidden).
    Source: Mikolov et al. 2014, Learning Longer Memory in Recurrent Neural Networks, arXiv:1412.7753,
    equations 3-5.

    Attributes:
        context: the number of slow units s.
        alpha: the share of itself that s keeps a step; its time scale is 1 / (1 - alpha).
        initializer: the scheme that draws W, U and V.
    """

    context: Size = 40
    alpha: Probability = 0.95
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, U_h, W_s, V_h."""
        params = gates(self.initializer, key, "h", inputs, self.hidden, b="")
        params |= gates(self.initializer, key, "s", inputs, self.context, U="", b="")
        (V,) = gates(self.initializer, key, "V", self.context, self.hidden, U="", b="").values()
        return params | {"V_h": V}

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and s."""
        zeros = super().initial_state(params)
        return zeros, jnp.zeros(self.context, zeros.dtype)

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (h, s) = params, state
        s = (1 - self.alpha) * (x @ p["W_s"]) + self.alpha * s
        return sigmoid(s @ p["V_h"] + x @ p["W_h"] + h @ p["U_h"]), s

    def read(self, state: Any) -> Float[Array, " O"]:
        """H and s, one after the other."""
        return jnp.concatenate(state)
