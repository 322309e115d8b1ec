"""The real-gated linear recurrent unit of Griffin (De et al. 2024)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive
from gru_lab.typing import Array, Float, Key, Params


@register("rglru")
@dataclass(frozen=True)
class RGLRU(Cell):
    """RG-LRU: a diagonal linear recurrence whose decay is gated by the input, with unit input power.

        v  = x W_v
        r  = sigmoid(v W_r + b_r),    i = sigmoid(v W_i + b_i)
        a  = exp(c r * log sigmoid(Lambda))
        h' = a * h + sqrt(1 - a^2) * (i * v)

    The recurrence of Griffin and RecurrentGemma: an LRU that is real, gated, and still linear in h. In the
    paper a linear layer before it makes the input as wide as the state; that is W_v.
    Shapes: x (inputs,), v and h (hidden,), W_v (inputs, hidden), W_r and W_i (hidden, hidden), b_g and
    Lambda (hidden,).
    Source: De et al. 2024, Griffin, arXiv:2402.19427, equations 1-4 and 6.

    Attributes:
        c: the exponent of the decay.
        initializer: the scheme that draws W and b; sigmoid(Lambda)^c is uniform over [0.9, 0.999].
    """

    c: Positive = 8.0
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_v, W_r, W_i, b_r, b_i, Lambda."""
        decay = jax.random.uniform(jax.random.fold_in(key, 1), (self.hidden,), minval=0.9, maxval=0.999)
        params = gates(self.initializer, key, "ri", self.hidden, self.hidden, U="")
        params |= gates(self.initializer, jax.random.fold_in(key, 2), "v", inputs, self.hidden, U="", b="")
        return params | {"Lambda": jax.scipy.special.logit(decay ** (1 / self.c))}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p = params
        v = x @ p["W_v"]
        r = sigmoid(v @ p["W_r"] + p["b_r"])
        i = sigmoid(v @ p["W_i"] + p["b_i"])
        log_a = self.c * r * log_sigmoid(p["Lambda"])
        return jnp.exp(log_a) * state + jnp.sqrt(-jnp.expm1(2 * log_a)) * (i * v)
