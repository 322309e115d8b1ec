"""The recurrent block of Griffin (De et al. 2024)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.nn import gelu, log_sigmoid, sigmoid

from gru_lab.cells import heads as units
from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Fraction, Positive, Size
from gru_lab.typing import Array, Float, Key, Params


@register("griffin")
@dataclass(frozen=True, kw_only=True)
class Griffin(Cell):
    """Griffin's recurrent block: a short convolution and the RG-LRU on one branch, a gate from the input on the other.

        a  = gelu(x W_a + b_a)
        v  = x W_v + b_v
        u  = sum_j K_j * v_(t - j) + b_k,    j = 0 ... window - 1
        r  = sigmoid(u W_r + b_r),    i = sigmoid(u W_i + b_i)
        f  = exp(c r * log sigmoid(Lambda))
        h' = f * h + sqrt(1 - f^2) * (i * u)
        y' = (a * h') W_o + b_o

    The layer that mixes time in Griffin and RecurrentGemma, without its residual path and normalisation. All that
    depends on the past is linear in it. State (y, h, past), past the last window - 1 values of v, the newest last. The
    matrices of the gates are block-diagonal, one block per head. The recurrence is the cell `rglru` with its defaults:
    the first step is like any other, where the authors' code writes in full.
    Shapes: x (inputs,), a, v, u and h (hidden,), y (hidden,), past (window - 1, hidden), W_a and W_v (inputs, hidden),
    K (window, hidden), W_r and W_i (heads, width, width) with width = hidden / heads rounded up, W_o (hidden, hidden),
    b_g and Lambda (hidden,).
    Source: De et al. 2024, Griffin, arXiv:2402.19427, sections 2.2-2.4; code: google-deepmind/recurrentgemma.

    Attributes:
        window: the number of steps that the convolution sees.
        heads: the number of blocks of the gates' matrices.
        c: the exponent of the decay.
        min_decay: the least sigmoid(Lambda) at first.
        max_decay: the greatest sigmoid(Lambda) at first; the squares are uniform in between.
        initializer: the scheme that draws W and b; K begins with a variance of 0.01 / window.
    """

    witness: ClassVar[str] = "a: recurrentgemma 1.0.1"

    window: Size = 4
    heads: Size = 1
    c: Positive = 8.0
    min_decay: Fraction = 0.9
    max_decay: Fraction = 0.999
    initializer: SchemeName = "lecun"

    def check(self) -> None:
        """`min_decay` must be at most `max_decay`, and the units as many as the heads at least."""
        if self.min_decay > self.max_decay:
            self.refuse("min_decay", f"it must be at most max_decay, {self.max_decay:g}")
        if self.heads > self.hidden:
            self.refuse("heads", f"it must be at most hidden, {self.hidden}")

    def init(self, key: Key, inputs: int) -> Params:
        """W_a, W_v, W_r, W_i, W_o and their b; K and b_k; Lambda."""
        H, n = self.hidden, self.heads
        d = units.width(H, n)
        kx, ko, kK, kL, kr, ki = jax.random.split(key, 6)
        params = gates(self.initializer, kx, "av", inputs, H, U="")
        params |= gates(self.initializer, ko, "o", H, H, U="") | gates(self.initializer, kr, "", H, H, U="", b="rik")
        for g, k in (("r", kr), ("i", ki)):
            blocks = [gates(self.initializer, k, "g", d, d, U="", b="")["W_g"] for k in jax.random.split(k, n)]
            params[f"W_{g}"] = jnp.stack(blocks)
        low, high = self.min_decay**2, self.max_decay**2
        square = jax.random.uniform(kL, (H,), minval=low, maxval=high)
        K = 0.1 * self.window**-0.5 * jax.random.normal(kK, (self.window, H))
        return params | {"K": K, "Lambda": jax.scipy.special.logit(jnp.sqrt(square))}

    def initial_state(self, params: Params) -> Any:
        """Zeros for y, h and the past."""
        zeros = super().initial_state(params)
        return zeros, zeros, jnp.zeros((self.window - 1, self.hidden), zeros.dtype)

    def _gate(self, g: str, params: Params, u: Array) -> Array:
        mixed = jnp.einsum("nd,nde->ne", units.split(u, self.heads), params[f"W_{g}"])
        return sigmoid(units.join(mixed, self.hidden) + params[f"b_{g}"])

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (_, h, past) = params, state
        seen = jnp.concatenate([past, (x @ p["W_v"] + p["b_v"])[None]])
        u = jnp.sum(p["K"] * seen[::-1], axis=0) + p["b_k"]
        log_f = self.c * self._gate("r", p, u) * log_sigmoid(p["Lambda"])
        power = jnp.maximum(-jnp.expm1(2 * log_f), jnp.finfo(h.dtype).tiny)  # the root's slope at 0 is infinite
        h = jnp.exp(log_f) * h + jnp.sqrt(power) * (self._gate("i", p, u) * u)
        return (gelu(x @ p["W_a"] + p["b_a"]) * h) @ p["W_o"] + p["b_o"], h, seen[1:]

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output y."""
        return state[0]
