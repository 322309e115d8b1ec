"""The selective state space of Mamba (Gu and Dao 2023)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.nn import softplus

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive, Size
from gru_lab.typing import Array, Float, Key, Params


@register("s6")
@dataclass(frozen=True, kw_only=True)
class S6(Cell):
    """S6, Mamba's selective state space: every unit drives a few decaying states, with a step size that the input sets.

        v  = x W_v
        d  = softplus(v W_d V_d + b_d),    B = v W_B,    C = v W_C
        s' = exp(d A) * s + (d * v) B^T,   A = -exp(A_log)
        y' = s' C + D * v

    A linear recurrence whose step d, write B and read C depend on the input: what a gate is to the GRU. Linear in s,
    so a parallel scan applies. State (y, s). In the paper a linear layer makes the input as wide as the units; that is
    W_v; its convolution, its gated branch and its output layer are not part of the cell.
    Shapes: x (inputs,), v, d and y (hidden,), B and C (order,), s (hidden, order), W_v (inputs, hidden),
    W_d (hidden, rank), V_d (rank, hidden), b_d and D (hidden,), W_B and W_C (hidden, order), A_log (hidden, order);
    rank is hidden / 16, rounded up.
    Source: Gu & Dao 2023, Mamba, arXiv:2312.00752, algorithm 2 and section 3.6; code: state-spaces/mamba.

    Attributes:
        order: the number of states per unit; A begins at -1, ..., -order.
        d_min: the least d at first.
        d_max: the greatest d at first; the logarithms are uniform in between.
        initializer: the scheme that draws W.
    """

    witness: ClassVar[str] = "a: mambapy 1.2.0"

    order: Size = 16
    d_min: Positive = 0.001
    d_max: Positive = 0.1
    initializer: SchemeName = "lecun"

    def check(self) -> None:
        """`d_min` must be at most `d_max`."""
        if self.d_min > self.d_max:
            self.refuse("d_min", f"it must be at most d_max, {self.d_max:g}")

    def init(self, key: Key, inputs: int) -> Params:
        """W_v, W_d, V_d, b_d, W_B, W_C, A_log, D."""
        H, rank = self.hidden, -(-self.hidden // 16)
        kv, kd, kV, kb, kB, kC = jax.random.split(key, 6)

        def matrix(g: str, k: Key, rows: int, columns: int) -> Params:
            return gates(self.initializer, k, g, rows, columns, U="", b="")

        low, high = math.log(self.d_min), math.log(self.d_max)
        d = jnp.exp(jax.random.uniform(kb, (H,), minval=low, maxval=high))
        params = matrix("v", kv, inputs, H) | matrix("d", kd, H, rank)
        params |= matrix("B", kB, H, self.order) | matrix("C", kC, H, self.order)
        return params | {
            "V_d": jax.random.uniform(kV, (rank, H), minval=-(rank**-0.5), maxval=rank**-0.5),
            "b_d": d + jnp.log(-jnp.expm1(-d)),  # softplus(b_d) = d
            "A_log": jnp.tile(jnp.log(jnp.arange(1.0, self.order + 1)), (H, 1)),
            "D": jnp.ones(H),
        }

    def initial_state(self, params: Params) -> Any:
        """Zeros for y and s."""
        zeros = super().initial_state(params)
        return zeros, jnp.zeros((self.hidden, self.order), zeros.dtype)

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, s = params, state[1]
        v = x @ p["W_v"]
        d = softplus(v @ p["W_d"] @ p["V_d"] + p["b_d"])
        A = -jnp.exp(p["A_log"])
        s = jnp.exp(d[:, None] * A) * s + (d * v)[:, None] * (v @ p["W_B"])[None]
        return s @ (v @ p["W_C"]) + p["D"] * v, s

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output y."""
        return state[0]
