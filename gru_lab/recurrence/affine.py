"""Affine recurrences with blocks, s_t = A_t s_{t-1} + b_t, for all steps at once."""

import jax.numpy as jnp
from jax import lax

from gru_lab.typing import Array


def solve(A_TBUkk: Array, b_TBUk: Array, reverse: bool = False) -> Array:
    """All s_t of s_t = A_t s_{t-1} + b_t with s_0 = 0, (time, batch, units, k), by a parallel scan of depth O(log T).

    Two affine maps one after the other are an affine map, (A_2 A_1, A_2 b_1 + b_2), which is associative. The units do
    not know each other; k = 1 is a diagonal recurrence, one unit of k numbers a full one.

    Args:
        A_TBUkk: the matrices; the first (with `reverse` the last) is not used, s_0 being 0.
        b_TBUk: what is added.
        reverse: whether time runs backward: s_t = A_t s_{t+1} + b_t.

    Source: Blelloch 1990, Prefix sums and their applications, section 1.4.

    >>> A, b = jnp.full((4, 1, 1, 1, 1), 0.5), jnp.ones((4, 1, 1, 1))
    >>> solve(A, b).ravel().tolist()
    [1.0, 1.5, 1.75, 1.875]
    """
    return lax.associative_scan(_after, (A_TBUkk, b_TBUk), reverse=reverse)[1]


def _after(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    (A_1, b_1), (A_2, b_2) = first, second
    return multiply(A_2, A_1), apply(A_2, b_1) + b_2


def multiply(A: Array, B: Array) -> Array:
    """A B, block by block."""
    return A * B if A.shape[-1] == 1 else jnp.matmul(A, B, precision=lax.Precision.HIGHEST)


def apply(A: Array, b: Array) -> Array:
    """A b, block by block."""
    return A[..., 0] * b if A.shape[-1] == 1 else jnp.matmul(A, b[..., None], precision=lax.Precision.HIGHEST)[..., 0]
