"""The structurally constrained network of Mikolov et al. (2014)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Probability, Size
from gru_lab.typing import Array, Float, Key, Params


@register("scrn")
@dataclass(frozen=True, kw_only=True)
class SCRN(Cell):
    """Structurally constrained network: slow context units s, whose recurrence is fixed, beside a vanilla RNN.

        s' = (1 - alpha) (x W_s) + alpha s
        h' = sigmoid(s  V_h + x W_h + h U_h)       context_seen="before"
        h' = sigmoid(s' V_h + x W_h + h U_h)       context_seen="after"

    A part of the recurrent matrix is held near the identity, and that alone learns longer memory. The layer
    above sees both, (h, s). The state is (h, s). The paper, and the comment in the authors' code, feed h the new
    context; the graph that the code builds feeds it the context before. (That code starts h and s at 0.1 and has a
    free scale for 1 - alpha.)
    Shapes: x (inputs,), h (hidden,), s (context,), W_s (inputs, context), V_h (context, hidden), W_h
    (inputs, hidden), U_h (hidden, hidden).
    Source: Mikolov et al. 2014, Learning Longer Memory in Recurrent Neural Networks, arXiv:1412.7753; code:
    facebookarchive/SCRNNs.

    Attributes:
        context: the number of slow units s.
        alpha: the share of itself that s keeps per step; its time scale is 1 / (1 - alpha).
        context_seen: whether h sees the context before or after this step.
        initializer: the scheme that draws W, U and V.
    """

    witness: ClassVar[str] = "c: facebookarchive/SCRNNs/mfactory.lua, scrnn, at 75b0ab2"

    context: Size = 40
    alpha: Probability = 0.95
    context_seen: Literal["before", "after"] = "before"
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
        new = (1 - self.alpha) * (x @ p["W_s"]) + self.alpha * s
        seen = s if self.context_seen == "before" else new
        return sigmoid(seen @ p["V_h"] + x @ p["W_h"] + h @ p["U_h"]), new

    def read(self, state: Any) -> Float[Array, " O"]:
        """H and s, one after the other."""
        return jnp.concatenate(state)
