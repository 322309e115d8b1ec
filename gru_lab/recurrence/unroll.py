"""`unroll`: a cell over a batch of sequences."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from gru_lab.cells import Cell
from gru_lab.recurrence.checks import check_lengths, check_params, check_resets, check_state, check_step
from gru_lab.recurrence.gates import gates
from gru_lab.recurrence.method import Method
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.sequential import Sequential
from gru_lab.schema import UserError
from gru_lab.typing import Array, Bool, Int, Params, State


def unroll(
    cell: Cell,
    params: Params,
    xs: Any,
    state: State | None = None,
    *,
    lengths: Int[Array, " B"] | None = None,
    resets: Bool[Array, "B T"] | None = None,
    reverse: bool = False,
    trace: bool = False,
    method: Method = Sequential(),  # noqa: B008 (frozen)
) -> tuple[Any, ...]:
    """Run a cell over sequences: `final_state, hs = unroll(cell, params, xs)`.

    Args:
        cell: the cell; static under `jax.jit`.
        params: its parameters, from `cell.init`.
        xs: inputs (batch, time, inputs), or a pytree of arrays that begin with (batch, time).
        state: the state before the first step, leaves (batch, ...); `cell.initial_state` if None.
        lengths: how many steps of each sequence count. At later steps (padding) the state stays as it is and the
            output is zero.
        resets: true where a new sequence begins inside a row: the state is the initial one before that step.
        reverse: run from the last step to the first; outputs stand where their inputs stand. Segments marked by
            `resets` stay apart in this direction too.
        trace: also return what `step` computes on its way.
        method: how the steps are run.

    Returns:
        The state after the last step, leaves (batch, ...), and the outputs `hs` (batch, time, outputs). With `trace`
        also a dictionary of the local variables of `cell.step` (gates, candidates) and of the state after every
        step, `{"r": (batch, time, hidden), ..., "state": ...}`.

    Raises:
        UserError: if an argument does not fit the others or the cell, if a length is not within the sequence, if
            parameters are not finite (where their values are known), if `cell.step` gives back another structure,
            shape or dtype than it got, or if forward-mode differentiation is asked of a method that has none.
    """
    batch, time = _batch_and_time(xs)
    check_params(params)
    check_lengths(lengths, batch, time)
    check_resets(resets, batch, time)
    initial = jax.tree.map(jnp.asarray, cell.initial_state(params))
    if state is None:
        state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch, *jnp.shape(leaf))), initial)
    check_state(state, initial, batch)
    check_step(cell, params, initial, jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), xs))
    try:
        return _unroll(params, xs, state, lengths, resets, cell=cell, reverse=reverse, trace=trace, method=method)
    except TypeError as error:
        if "forward-mode" in str(error) and not isinstance(method, Reference):
            name = type(method).__name__
            raise UserError(
                f"method is {name}(), whose gradients are made for reverse mode: "
                "forward-mode differentiation (jax.jvp, jacfwd, hessian) needs method=Reference()"
            ) from None
        raise


@partial(jax.jit, static_argnames=("cell", "reverse", "trace", "method"))
def _unroll(
    params: Params,
    xs: Any,
    state: State,
    lengths: Array | None,
    resets: Array | None,
    *,
    cell: Cell,
    reverse: bool,
    trace: bool,
    method: Method,
) -> tuple[Any, ...]:
    """`unroll` after its checks; compiled once for equal shapes, also where the caller compiles nothing."""
    batch, time = _batch_and_time(xs)

    # Masks are inputs of a wrapped step, so that a method knows nothing of them.
    counts = None if lengths is None else jnp.arange(time) < lengths[:, None]
    if counts is not None:  # whatever stands in the padding, even NaN, must not reach a gradient
        xs = jax.tree.map(lambda leaf: _padded(leaf, counts), xs)
    renews = resets
    if resets is not None and reverse:  # seen from behind, a segment begins before the next one's first step
        renews = jnp.concatenate([resets[:, 1:], jnp.zeros((batch, 1), bool)], axis=1)

    def step(params: Params, state: State, x: Any) -> State:
        x, count, renew = x
        if renew is not None:
            state = _where(renew, cell.initial_state(params), state)
        new = cell.step(params, state, x)
        return new if count is None else _where(count, new, state)

    time_major = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), (xs, counts, renews))
    read = (lambda state: ravel_pytree(state)[0]) if trace else cell.read
    final, outputs = method.run(step, read, params, state, time_major, reverse)
    hs = jnp.swapaxes(outputs, 0, 1)
    if not trace:
        return final, _padded(hs, counts)

    states = jax.vmap(jax.vmap(ravel_pytree(jax.tree.map(lambda leaf: leaf[0], state))[1]))(hs)
    before = jax.tree.map(partial(_before, reverse), state, states)
    if renews is not None:
        initial = jax.vmap(lambda _: cell.initial_state(params))(jnp.arange(batch))
        before = jax.tree.map(lambda b, i: jnp.where(_wide(renews, b), i[:, None], b), before, initial)
    seen = gates(cell, params, before, xs)
    hs, seen = jax.vmap(jax.vmap(cell.read))(states), seen | {"state": states}
    return final, _padded(hs, counts), jax.tree.map(lambda leaf: _padded(leaf, counts), seen)


def _padded(leaf: Array, counts: Array | None) -> Array:
    """Zero where a step does not count."""
    return leaf if counts is None else jnp.where(_wide(counts, leaf), leaf, jnp.zeros_like(leaf))


def _wide(mask: Array, leaf: Array) -> Array:
    """A mask (batch, time) with as many axes as `leaf` (batch, time, ...)."""
    return mask.reshape(*mask.shape, *(1,) * (leaf.ndim - 2))


def _before(reverse: bool, start: Array, after: Array) -> Array:
    """The state before each step (batch, time, ...), from the first one and those after each."""
    start = start[:, None]
    return jnp.concatenate([after[:, 1:], start] if reverse else [start, after[:, :-1]], axis=1)


def _where(condition: Array, new: State, old: State) -> State:
    return jax.tree.map(lambda n, o: jnp.where(condition, n, o), new, old)


def _batch_and_time(xs: Any) -> tuple[int, int]:
    leaves = jax.tree.leaves(xs)
    shapes = {jnp.shape(leaf)[:2] for leaf in leaves}
    if len(shapes) != 1 or len(next(iter(shapes))) < 2:
        raise UserError(f"xs has shape {[jnp.shape(leaf) for leaf in leaves]}: it must begin with (batch, time)")
    batch, time = shapes.pop()
    return batch, time
