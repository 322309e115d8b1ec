"""The real-gated linear recurrent unit of Griffin (De et al. 2024)."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive, Range
from gru_lab.typing import Array, Float, Key, Params

Decay = Annotated[float, Range(1e-6, 1 - 1e-6)]


@register("rglru")
@dataclass(frozen=True, kw_only=True)
class RGLRU(Cell):
    """RG-LRU: a diagonal linear recurrence whose decay is gated by the input, with unit input power.

        v  = x W_v
        r  = sigmoid(v W_r + b_r),    i = sigmoid(v W_i + b_i)
        a  = exp(c r * log sigmoid(Lambda))
        h' = a * h + sqrt(1 - a^2) * (i * v)
        h' = i * v    in the first step, with full_start=True

    The recurrence of Griffin and RecurrentGemma: an LRU that is real, gated, and still linear in h. In the
    paper a linear layer before it makes the input as wide as the state; that is W_v. The authors' code writes in
    full where a document starts, which the paper does not say; it takes a clock, state (h, t), and then time
    does not run in parallel, so it is left to a field. The root's derivative is bounded where a is 1 to working
    precision: 0 here, at most 1,000 in the authors' code.
    Shapes: x (inputs,), v and h (hidden,), t (), W_v (inputs, hidden), W_r and W_i (hidden, hidden), b_g and
    Lambda (hidden,).
    Source: De et al. 2024, Griffin, arXiv:2402.19427, equations 1-4; code: google-deepmind/recurrentgemma.

    Attributes:
        c: the exponent of the decay.
        min_decay: the least sigmoid(Lambda) at first.
        max_decay: the greatest sigmoid(Lambda) at first; the squares are uniform in between, as in the code. In the
            paper sigmoid(Lambda)^c is uniform there instead, so that memories begin c times as long.
        full_start: whether the first step writes i * v itself.
        initializer: the scheme that draws W and b.
    """

    witness: ClassVar[str] = "a: recurrentgemma 1.0.1"

    c: Positive = 8.0
    min_decay: Decay = 0.9
    max_decay: Decay = 0.999
    full_start: bool = False
    initializer: SchemeName = "lecun"

    def check(self) -> None:
        """`min_decay` must be at most `max_decay`."""
        if self.min_decay > self.max_decay:
            self.refuse("min_decay", f"it must be at most max_decay, {self.max_decay:g}")

    def init(self, key: Key, inputs: int) -> Params:
        """W_v, W_r, W_i, b_r, b_i, Lambda."""
        low, high = self.min_decay**2, self.max_decay**2
        square = jax.random.uniform(jax.random.fold_in(key, 1), (self.hidden,), minval=low, maxval=high)
        params = gates(self.initializer, key, "ri", self.hidden, self.hidden, U="")
        params |= gates(self.initializer, jax.random.fold_in(key, 2), "v", inputs, self.hidden, U="", b="")
        return params | {"Lambda": jax.scipy.special.logit(jnp.sqrt(square))}

    def initial_state(self, params: Params) -> Any:
        """Zeros for h, and for the clock t where there is one."""
        zeros = super().initial_state(params)
        return (zeros, jnp.zeros((), zeros.dtype)) if self.full_start else zeros

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, h = params, state[0] if self.full_start else state
        v = x @ p["W_v"]
        r = sigmoid(v @ p["W_r"] + p["b_r"])
        i = sigmoid(v @ p["W_i"] + p["b_i"])
        log_a = self.c * r * log_sigmoid(p["Lambda"])
        power = jnp.maximum(-jnp.expm1(2 * log_a), jnp.finfo(h.dtype).tiny)  # the root's slope at 0 is infinite
        scale = jnp.sqrt(power)
        if self.full_start:
            scale = jnp.where(state[1] == 0, 1.0, scale)
        h = jnp.exp(log_a) * h + scale * (i * v)
        return (h, jnp.ones_like(state[1])) if self.full_start else h

    def read(self, state: Any) -> Float[Array, " H"]:
        """The state h."""
        return state[0] if self.full_start else state
