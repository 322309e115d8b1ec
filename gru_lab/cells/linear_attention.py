"""Attention that is linear, hence recurrent: DeltaNet (Yang et al. 2024) and gated linear attention (2024)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid, silu

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.heads import join, split, width
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive, Size
from gru_lab.typing import Array, Float, Key, Params, State


@dataclass(frozen=True, kw_only=True)
class LinearAttention(Cell):
    """One matrix of memory per head, (heads, d, d) with d = hidden / heads, and what was read from it: state (y, S).

    Attributes:
        heads: the number of heads; the last has fewer units where it does not divide hidden.
        initializer: the scheme that draws W and b.
    """

    heads: Size = 4
    initializer: SchemeName = "glorot"

    def initial_state(self, params: Params) -> State:
        """Zeros for y and S."""
        zeros, d = super().initial_state(params), width(self.hidden, self.heads)
        return zeros, jnp.zeros((self.heads, d, d), zeros.dtype)

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output y."""
        return state[0]


@register("deltanet")
@dataclass(frozen=True, kw_only=True)
class DeltaNet(LinearAttention):
    """DeltaNet: a matrix memory that corrects what it holds under a key instead of adding to it.

        q = unit(silu(x W_q)),   k = unit(silu(x W_k)),   v = silu(x W_v),   b = sigmoid(x w_b)
        S' = S + b k (v - k S)^T                           head by head
        y' = q S' / sqrt(d)
        unit(a) = a / sqrt(|a|^2 + 1e-6)

    The delta rule of Widrow and Hoff as a recurrence: where b is 1, the value under k becomes v and what lies under
    other, orthogonal keys stays. Linear in S, so time runs in parallel, though not by an element-wise scan. State (y,
    S); the short convolutions and the output norm of the paper's layer are not part of the cell.
    Shapes: x (inputs,), y (hidden,), q, k and v (heads, d), b (heads,), S (heads, d, d), W_g (inputs, hidden),
    w_b (inputs, heads).
    Source: Yang et al. 2024, Parallelizing Linear Transformers with the Delta Rule over Sequence Length,
    arXiv:2406.06484, section 2; the rule: Schlag et al. 2021, arXiv:2102.11174; code: fla-org/flash-linear-attention.
    """

    witness: ClassVar[str] = "a: fla-core 0.6.0"

    def init(self, key: Key, inputs: int) -> Params:
        """W of q, k and v; w_b."""
        params = gates(self.initializer, key, "qkv", inputs, self.hidden, U="", b="")
        (w,) = gates(self.initializer, jax.random.fold_in(key, 1), "b", inputs, self.heads, U="", b="").values()
        return params | {"w_b": w}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        S = state[1]
        q, k, v = (split(silu(x @ params[f"W_{g}"]), self.heads) for g in "qkv")
        q, k = (a / jnp.sqrt((a * a).sum(-1, keepdims=True) + 1e-6) for a in (q, k))
        b = sigmoid(x @ params["w_b"])[:, None]
        S = S + k[..., None] * (b * (v - jnp.einsum("hd,hde->he", k, S)))[:, None]
        return join(jnp.einsum("hd,hde->he", q, S), self.hidden) / S.shape[-1] ** 0.5, S


@register("gla")
@dataclass(frozen=True, kw_only=True)
class GLA(LinearAttention):
    """Gated linear attention: a matrix memory whose rows are each forgotten at a rate that the input sets.

        q = x W_q,   k = x W_k,   v = x W_v
        a = exp(log sigmoid(x W_a V_a + b_a) / temperature)
        S' = a S + k v^T                                   head by head, a scales the rows
        y' = q S' / sqrt(d)

    The mLSTM with a gate for every key dimension, without input gate and normaliser. Linear in S, so time runs in
    parallel. State (y, S); the output gate and norm of the paper's layer are not part of the cell, and keys are as wide
    as values here (half as wide there).
    Shapes: x (inputs,), y (hidden,), q, k, v and a (heads, d), S (heads, d, d), W_q, W_k and W_v (inputs, hidden),
    W_a (inputs, rank), V_a (rank, hidden), b_a (hidden,).
    Source: Yang et al. 2024, Gated Linear Attention Transformers with Hardware-Efficient Training, arXiv:2312.06635,
    sections 4.1 and 4.4; code: fla-org/flash-linear-attention.

    Attributes:
        rank: the rank of the gate's matrix.
        temperature: above 1 forgets more slowly.
    """

    witness: ClassVar[str] = "a: fla-core 0.6.0"

    rank: Size = 16
    temperature: Positive = 16.0

    def init(self, key: Key, inputs: int) -> Params:
        """W of q, k and v; W_a, V_a and b_a."""
        params = gates(self.initializer, key, "qkv", inputs, self.hidden, U="", b="")
        kW, kV = jax.random.split(jax.random.fold_in(key, 1))
        low = gates(self.initializer, kW, "a", inputs, self.rank, U="", b="")
        V = gates(self.initializer, kV, "a", self.rank, self.hidden, U="")
        return params | low | {"V_a": V["W_a"], "b_a": V["b_a"]}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, S = params, state[1]
        q, k, v = (split(x @ p[f"W_{g}"], self.heads) for g in "qkv")
        a = jnp.exp(log_sigmoid(x @ p["W_a"] @ p["V_a"] + p["b_a"]) / self.temperature)
        S = split(a, self.heads)[..., None] * S + k[..., None] * v[:, None]
        return join(jnp.einsum("hd,hde->he", q, S), self.hidden) / S.shape[-1] ** 0.5, S
