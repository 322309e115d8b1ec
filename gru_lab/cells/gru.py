"""The gated recurrent unit of Cho et al. (2014)."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates, scheme
from gru_lab.typing import Array, Float, Key, Params


@register("gru")
@dataclass(frozen=True)
class GRU(Cell):
    """Gated recurrent unit: a reset gate r chooses what the candidate n sees, an update gate z what stays.

        r  = sigmoid(x W_r + h U_r + b_r)
        z  = sigmoid(x W_z + h U_z + b_z)
        n  = tanh(x W_n + b_n + r * (h U_n + b_hn))     reset="after"
        n  = tanh(x W_n + b_n + (r * h) U_n)            reset="before"
        h' = z * h + (1 - z) * n

    Here z keeps the state, as in PyTorch, Keras and Flax; in Cho 2014 too, while Chung 2014 writes 1 - z for it.
    `recurrent_bias` is b_hn: only inside the reset it differs from b_n, so `reset="before"` has none.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g and b_hn (hidden,).
    Source: Cho et al. 2014, arXiv:1406.1078, equations 5-8 ("after" is its version 1, "before" its version 3).
    """

    reset: Literal["after", "before"] = "after"
    recurrent_bias: bool = True
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of the gates r, z and the candidate n, and b_hn, by the scheme of `initializer`."""
        params = gates(self.initializer, key, "rzn", inputs, self.hidden)
        if self.reset == "after" and self.recurrent_bias:
            params["b_hn"] = scheme(self.initializer, self.hidden).bias(jax.random.fold_in(key, 3), (self.hidden,))
        return params

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        r = sigmoid(x @ p["W_r"] + h @ p["U_r"] + p["b_r"])
        z = sigmoid(x @ p["W_z"] + h @ p["U_z"] + p["b_z"])
        if self.reset == "after":
            n = jnp.tanh(x @ p["W_n"] + p["b_n"] + r * (h @ p["U_n"] + p.get("b_hn", 0.0)))
        else:
            n = jnp.tanh(x @ p["W_n"] + p["b_n"] + (r * h) @ p["U_n"])
        return z * h + (1 - z) * n
