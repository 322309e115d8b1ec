"""sLSTM and mLSTM, the two cells of the xLSTM (Beck et al. 2024)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("slstm")
@dataclass(frozen=True)
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
    -1e30, which stands for the logarithm of an empty memory.
    Shapes: x (inputs,), h, c, n and m (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Beck et al. 2024, xLSTM, arXiv:2405.04517, equations 8-17 (its z is g here); one head.

    Attributes:
        forget: the forget gate's function.
    """

    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    forget: Literal["sigmoid", "exp"] = "sigmoid"
    forget_bias: float = 1.0

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of i, f, g, o; chrono and ugi are meant for `forget="sigmoid"`."""
        params = gates(self.initializer, key, "ifgo", inputs, self.hidden)
        return self.remember(params, key, write="")

    def initial_state(self, params: Params) -> Any:
        """Zeros for h, c, n; m = -1e30."""
        zeros = super().initial_state(params)
        return zeros, zeros, zeros, jnp.full_like(zeros, -1e30)

    def _log_gates(self, params: Params, h: Array, x: Array) -> tuple[Array, Array]:
        i, f = (x @ params[f"W_{g}"] + h @ params[f"U_{g}"] + params[f"b_{g}"] for g in "if")
        return i, f if self.forget == "exp" else log_sigmoid(f)

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates, i and f before stabilisation: i = exp(i~), f = exp(l)."""
        p, h = params, state[0]
        i, l = self._log_gates(params, h, x)  # noqa: E741
        return {"i": jnp.exp(i), "f": jnp.exp(l), "o": sigmoid(x @ p["W_o"] + h @ p["U_o"] + p["b_o"])}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (h, c, n, m) = params, state
        i, l = self._log_gates(params, h, x)  # noqa: E741
        g = jnp.tanh(x @ p["W_g"] + h @ p["U_g"] + p["b_g"])
        o = sigmoid(x @ p["W_o"] + h @ p["U_o"] + p["b_o"])
        new = jnp.maximum(l + m, i)
        i, f = jnp.exp(i - new), jnp.exp(l + m - new)
        c, n = f * c + i * g, f * n + i
        return o * c / n, c, n, new

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h."""
        return state[0]


@register("mlstm")
@dataclass(frozen=True)
class MLSTM(GatedCell):
    """mLSTM: a matrix memory that stores values under keys, read by a query; linear in its state.

        q = x W_q + b_q,   k = (x W_k) / sqrt(hidden) + b_k,   v = x W_v + b_v,   o = sigmoid(x W_o + b_o)
        i~ = x w_i + b_i,  l = log sigmoid(x w_f + b_f)                      one number each
        m' = max(l + m, i~),   i = exp(i~ - m'),   f = exp(l + m - m')
        C' = f C + i v k^T
        n' = f n + i k
        h' = o * (C' q) / max(|n' q|, exp(-m'))

    hidden^2 numbers of state where others have hidden; gates see the input only, so time can run in parallel.
    State (h, C, n, m); m begins at -1e30, the logarithm of an empty memory.
    Shapes: x (inputs,), q, k, v, n and h (hidden,), C (hidden, hidden), m (), W_g (inputs, hidden), w_g
    (inputs,), b_q, b_k, b_v and b_o (hidden,), b_i and b_f ().
    Source: Beck et al. 2024, xLSTM, arXiv:2405.04517, equations 19-27; one head.

    Attributes:
        forget_bias: added to b_f when it is drawn.
    """

    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    forget_bias: float = 3.0

    def check(self) -> None:
        """Chrono and UGI draw one bias a unit; here is one gate for all."""
        if self.gate_init != "constant":
            self.refuse("gate_init", "it must be 'constant': the mLSTM has one forget gate for all units")

    def init(self, key: Key, inputs: int) -> Params:
        """W and b of q, k, v, o; w and b of i and f."""
        params = gates(self.initializer, key, "qkvo", inputs, self.hidden, U="")
        small = gates(self.initializer, jax.random.fold_in(key, 1), "if", inputs, 1, U="")
        params |= {name.replace("W", "w"): jnp.squeeze(v, -1) for name, v in small.items()}
        return self.remember(params, key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h, C, n; m = -1e30."""
        zeros = super().initial_state(params)
        return zeros, jnp.zeros((self.hidden,) * 2, zeros.dtype), zeros, jnp.full((), -1e30, zeros.dtype)

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates, i and f before stabilisation and the same for all units."""
        p, one = params, jnp.ones_like(state[0])
        i, f = one * jnp.exp(x @ p["w_i"] + p["b_i"]), one * sigmoid(x @ p["w_f"] + p["b_f"])
        return {"i": i, "f": f, "o": sigmoid(x @ p["W_o"] + p["b_o"])}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (_, C, n, m) = params, state
        q = x @ p["W_q"] + p["b_q"]
        k = x @ p["W_k"] / self.hidden**0.5 + p["b_k"]
        v = x @ p["W_v"] + p["b_v"]
        o = sigmoid(x @ p["W_o"] + p["b_o"])
        i, l = x @ p["w_i"] + p["b_i"], log_sigmoid(x @ p["w_f"] + p["b_f"])  # noqa: E741
        new = jnp.maximum(l + m, i)
        i, f = jnp.exp(i - new), jnp.exp(l + m - new)
        C, n = f * C + i * v[:, None] * k[None, :], f * n + i * k
        return o * (C @ q) / jnp.maximum(jnp.abs(n @ q), jnp.exp(-new)), C, n, new

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h."""
        return state[0]
