"""A cell as a map of one real vector, of which Jacobians, Lyapunov exponents and singular values are taken."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from gru_lab.cells import Cell
from gru_lab.recurrence import unroll
from gru_lab.typing import Array, Float, Params, State

Step = Callable[[Array, Any], Array]  # (state (D,), input of one step) -> state (D,)


def real(state: State) -> Float[Array, " D"]:
    """All numbers of a state as one real vector; of a complex leaf first the real, then the imaginary parts."""
    return ravel_pytree(_parts(state))[0]


def real_map(cell: Cell, params: Params) -> tuple[Step, Float[Array, " D"]]:
    """`cell.step` on the real vector of its state, and the initial state as such a vector."""
    initial = jax.tree.map(jnp.asarray, cell.initial_state(params))
    first_D, parts = ravel_pytree(_parts(initial))

    def whole(like: Array, part: Any) -> Array:
        return jax.lax.complex(*part) if jnp.iscomplexobj(like) else part

    def step(state_D: Array, x: Any) -> Array:
        return real(cell.step(params, jax.tree.map(whole, initial, parts(state_D)), x))

    return step, first_D


def held(step: Step) -> Step:
    """The step on inputs `(x, counts)`: where a step does not count, the state stays as it is."""

    def masked(state_D: Array, x: Any) -> Array:
        x, counts = x
        return jnp.where(counts, step(state_D, x), state_D)

    return masked


def products(J_TDD: Float[Array, "T D D"], reverse: bool = False) -> tuple[Float[Array, "T D D"], Float[Array, " T"]]:
    """The products J_t ... J_1 by an associative scan, each as a matrix of largest entry 1 and the log of its scale.

    With `reverse` J_T ... J_t. The scale is kept apart, so that no product overflows or underflows; depth O(log T).

    >>> units, logs = products(jnp.full((4, 1, 1), 0.5))
    >>> units.ravel().tolist(), (logs / jnp.log(0.5)).round(4).tolist()
    ([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0])
    """

    def scaled(matrix: Array, log: Array) -> tuple[Array, Array]:
        largest = jnp.abs(matrix).max((-2, -1))
        unit = jnp.where(largest > 0, largest, 1)
        return matrix / unit[..., None, None], log + jnp.log(unit)

    def after(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        (A, a), (B, b) = (second, first) if reverse else (first, second)
        return scaled(jnp.matmul(B, A, precision=jax.lax.Precision.HIGHEST), a + b)

    return jax.lax.associative_scan(after, scaled(J_TDD, jnp.zeros(J_TDD.shape[0], J_TDD.dtype)), reverse=reverse)


def jacobians(step: Step, state_D: Array, xs: Any) -> Float[Array, "T D D"]:
    """The Jacobians of every step along a trajectory: the states step by step, their derivatives all at once."""
    befores_TD = jax.lax.scan(lambda s, x: (step(s, x), s), state_D, xs)[1]
    return jax.vmap(jax.jacfwd(step))(befores_TD, xs)


def last_state(cell: Cell, params: Params, xs: Float[Array, "T I"], counts: Array) -> State:
    """The state of one sequence after its last step that counts; those that count come first."""
    final, _ = unroll(cell, params, xs[None], lengths=jnp.sum(counts)[None])
    return jax.tree.map(lambda leaf: leaf[0], final)


def counted(xs: Float[Array, "B T I"], lengths: Array | None) -> tuple[Array, Array]:
    """The inputs with zeros in the padding, NaN included, and the mask of the steps that count, (batch, time)."""
    batch, time = xs.shape[:2]
    if lengths is None:
        return xs, jnp.ones((batch, time), bool)
    counts_BT = jnp.arange(time) < lengths[:, None]
    return jnp.where(counts_BT[..., None], xs, 0), counts_BT


def size(cell: Cell, params: Params) -> int:
    """The number of real numbers in the state of a cell."""
    return jax.eval_shape(lambda p: real(cell.initial_state(p)), params).size


def _parts(state: State) -> Any:
    return jax.tree.map(lambda leaf: (leaf.real, leaf.imag) if jnp.iscomplexobj(leaf) else leaf, state)
