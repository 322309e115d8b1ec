"""sLSTM and mLSTM, the cells of the xLSTM (Beck et al. 2024)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.heads import join, split, width
from gru_lab.cells.initializers import Bias, GatedCell, gates
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Key, Params


@register("slstm")
@dataclass(frozen=True, kw_only=True)
class SLSTM(GatedCell):
    """sLSTM: exponential gates, whose sum the normaliser n keeps, so that a new input can outweigh all before.

        g  = tanh(x W_g + h U_g + b_g),      o = sigmoid(x W_o + h U_o + b_o)
        i~ = x W_i + h U_i + b_i,            f~ = x W_f + h U_f + b_f
        l  = f~ (forget="exp")  or  log sigmoid(f~) (forget="sigmoid")
        m' = max(l + m, i~),   i = exp(i~ - m'),   f = exp(l + m - m')
        c' = f * c + i * g
        n' = f * n + i
        h' = o * c' / n'

    m is a stabiliser: it keeps the exponents small and cancels in c / n. State (h, c, n, m); m begins at
    -1e30, which stands for the logarithm of an empty memory. h U is block-diagonal: a head sees itself only, and
    has d = hidden / heads units (the last head fewer where that does not divide). At first U = 0, and with
    gate_init="powerlaw" b_f falls from 5 to -7 over the units of each head, b_f = 5 - 12 (j / (d - 1))^0.3.
    Shapes: x (inputs,), h, c, n and m (hidden,), W_g (inputs, hidden), U_g (heads, d, d), b_g (hidden,).
    Source: Beck et al. 2024, xLSTM, arXiv:2405.04517, equations 8-17 (its z is g here); code: NX-AI/xlstm.

    Attributes:
        gate_init: `powerlaw` as the authors' code, or as every gated cell (`constant`, `chrono`, `ugi`, which are meant
            for `forget="sigmoid"`).
        heads: the number of heads.
        forget: the forget gate's function.
    """

    witness: ClassVar[str] = "a: xlstm 2.0.6"
    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    gate_init: Literal["powerlaw", "constant", "chrono", "ugi"] = "powerlaw"  # pyright: ignore[reportIncompatibleVariableOverride]
    heads: Size = 4
    forget: Literal["sigmoid", "exp"] = "sigmoid"
    forget_bias: Bias = 1.0

    def init(self, key: Key, inputs: int) -> Params:
        """W, b of i, f, g, o; U of zeros."""
        params = gates(self.initializer, key, "ifgo", inputs, self.hidden, U="")
        d = width(self.hidden, self.heads)
        params |= {f"U_{g}": jnp.zeros((self.heads, d, d)) for g in "ifgo"}
        if self.gate_init != "powerlaw":
            return self.remember(params, key, write="")
        place = jnp.tile(jnp.arange(d) / max(d - 1, 1), self.heads)[: self.hidden]
        return params | {"b_f": 5.0 - 12.0 * place**0.3}

    def initial_state(self, params: Params) -> Any:
        """Zeros for h, c, n; m = -1e30."""
        zeros = super().initial_state(params)
        return zeros, zeros, zeros, jnp.full_like(zeros, -1e30)

    def _affine(self, g: str, params: Params, h: Array, x: Array) -> Array:
        seen = jnp.einsum("hd,hde->he", split(h, self.heads), params[f"U_{g}"])
        return x @ params[f"W_{g}"] + join(seen, self.hidden) + params[f"b_{g}"]

    def _log_gates(self, params: Params, h: Array, x: Array) -> tuple[Array, Array]:
        i, f = (self._affine(g, params, h, x) for g in "if")
        return i, f if self.forget == "exp" else log_sigmoid(f)

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates, i and f before stabilisation: i = exp(i~), f = exp(l)."""
        h = state[0]
        i, l = self._log_gates(params, h, x)  # noqa: E741
        return {"i": jnp.exp(i), "f": jnp.exp(l), "o": sigmoid(self._affine("o", params, h, x))}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        h, c, n, m = state
        i, l = self._log_gates(params, h, x)  # noqa: E741
        g = jnp.tanh(self._affine("g", params, h, x))
        o = sigmoid(self._affine("o", params, h, x))
        new = jnp.maximum(l + m, i)
        i, f = jnp.exp(i - new), jnp.exp(l + m - new)
        c, n = f * c + i * g, f * n + i
        return o * c / n, c, n, new

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h."""
        return state[0]


@register("mlstm")
@dataclass(frozen=True, kw_only=True)
class MLSTM(GatedCell):
    """mLSTM: matrix memories that store values under keys, read by a query; linear in their state.

        q = x W_q + b_q,   k = (x W_k) / sqrt(d) + b_k,   v = x W_v + b_v,   o = sigmoid(x W_o + b_o)
        i~ = x w_i + b_i,  l = log sigmoid(x w_f + b_f)                      one number per head
        m' = max(l + m, i~),   i = exp(i~ - m'),   f = exp(l + m - m')
        C' = f C + i v k^T                                                   head by head
        n' = f n + i k
        h' = o * (C' q) / (max(|n' q|, exp(-m')) + epsilon)

    d numbers of state per unit where others have one, d = hidden / heads (the last head has fewer units where that
    does not divide); gates see the input only, so time can run in parallel. In the authors' code the gates see
    (q, k, v), weights of their own begin at 0 and b_f at 3, ..., 6 over the heads; epsilon, 1e-6, is theirs too, for
    where the query meets nothing. State (h, C, n, m); m begins at -1e30, the logarithm of an empty memory.
    Shapes: x (inputs,), h (hidden,), q, k, v and n (heads, d), C (heads, d, d), m (heads,), W_g (inputs, hidden),
    w_g (inputs, heads), b_q, b_k, b_v and b_o (hidden,), b_i and b_f (heads,).
    Source: Beck et al. 2024, xLSTM, arXiv:2405.04517, equations 19-27; code: NX-AI/xlstm.

    Attributes:
        heads: the number of heads.
        epsilon: added to the normaliser.
        forget_bias: b_f of the first head; it grows to 3 more at the last.
    """

    witness: ClassVar[str] = "a: xlstm 2.0.6"
    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    heads: Size = 4
    epsilon: float = 1e-6
    forget_bias: Bias = 3.0

    def check(self) -> None:
        """`gate_init` must be `constant`: `chrono` and `ugi` draw one bias per unit, and there is one gate per head."""
        if self.gate_init != "constant":
            self.refuse("gate_init", "it must be 'constant': the mLSTM has one forget gate for all units of a head")

    def init(self, key: Key, inputs: int) -> Params:
        """W and b of q, k, v, o; w of zeros, b_i from N(0, 0.1^2) and b_f spread over the heads."""
        params = gates(self.initializer, key, "qkvo", inputs, self.hidden, U="")
        params |= {f"w_{g}": jnp.zeros((inputs, self.heads)) for g in "if"}
        params["b_i"] = 0.1 * jax.random.normal(jax.random.fold_in(key, 1), (self.heads,))
        params["b_f"] = jnp.linspace(0.0, 3.0, self.heads)
        return self.remember(params, key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h, C, n; m = -1e30."""
        zeros, d = super().initial_state(params), width(self.hidden, self.heads)
        C = jnp.zeros((self.heads, d, d), zeros.dtype)
        return zeros, C, C[:, 0], jnp.full(self.heads, -1e30, zeros.dtype)

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates before stabilisation, the same for all units of a head."""
        p, d = params, width(self.hidden, self.heads)
        values = {"i": jnp.exp(x @ p["w_i"] + p["b_i"]), "f": sigmoid(x @ p["w_f"] + p["b_f"])}
        of_units = {g: jnp.repeat(value, d)[: self.hidden] for g, value in values.items()}
        return of_units | {"o": sigmoid(x @ p["W_o"] + p["b_o"])}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (_, C, n, m) = params, state
        q = split(x @ p["W_q"] + p["b_q"], self.heads)
        k = split(x @ p["W_k"] / n.shape[-1] ** 0.5 + p["b_k"], self.heads)
        v = split(x @ p["W_v"] + p["b_v"], self.heads)
        o = sigmoid(x @ p["W_o"] + p["b_o"])
        i, l = x @ p["w_i"] + p["b_i"], log_sigmoid(x @ p["w_f"] + p["b_f"])  # noqa: E741
        new = jnp.maximum(l + m, i)
        i, f = jnp.exp(i - new)[:, None], jnp.exp(l + m - new)[:, None]
        C, n = f[..., None] * C + i[..., None] * v[..., None] * k[:, None], f * n + i * k
        least = jnp.exp(jnp.minimum(-new, jnp.log(jnp.finfo(m.dtype).max) / 2))  # its square must not overflow
        below = jnp.maximum(jnp.abs((n * q).sum(-1)), least) + self.epsilon
        h = jnp.einsum("hde,he->hd", C, q) / below[:, None]
        return o * join(h, self.hidden), C, n, new

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h."""
        return state[0]
