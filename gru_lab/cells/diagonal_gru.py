"""A GRU with diagonal recurrent matrices, as ParaRNN trains in parallel (Danieli et al. 2025)."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("diagonal_gru")
@dataclass(frozen=True, kw_only=True)
class DiagonalGRU(GatedCell):
    """Diagonal GRU: a GRU whose units see their own past only, so its Jacobian is diagonal.

        r  = sigmoid(x W_r + u_r * h + b_r)
        z  = sigmoid(x W_z + u_z * h + b_z)
        n  = tanh(x W_n + u_n * (r * h) + b_n)
        h' = z * h + (1 - z) * n

    Still nonlinear in time, unlike the minGRU, and yet parallel: Newton's method over time costs one
    element-wise scan per iteration.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), u_g and b_g (hidden,).
    Source: Danieli et al. 2025, ParaRNN, arXiv:2510.21450 (its ParaGRU, up to conventions of gates).
    """

    keep: ClassVar[str] = "z"

    def init(self, key: Key, inputs: int) -> Params:
        """W, b of r, z, n; u uniform over [-1, 1]."""
        u = jax.random.uniform(jax.random.fold_in(key, 1), (3, self.hidden), minval=-1.0)
        params = gates(self.initializer, key, "rzn", inputs, self.hidden, U="")
        return self.remember(params | {f"u_{g}": u[n] for n, g in enumerate("rzn")}, key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates r and z."""
        p = params
        return {g: sigmoid(x @ p[f"W_{g}"] + p[f"u_{g}"] * state + p[f"b_{g}"]) for g in "rz"}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h, gate = params, state, self.gate_values(params, state, x)
        n = jnp.tanh(x @ p["W_n"] + p["u_n"] * (gate["r"] * h) + p["b_n"])
        return gate["z"] * h + (1 - gate["z"]) * n
