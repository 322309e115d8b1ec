"""`unroll`: a cell over a batch of sequences."""

from typing import Any

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell
from gru_lab.recurrence.method import Method
from gru_lab.recurrence.sequential import Sequential
from gru_lab.schema import UserError
from gru_lab.typing import Array, Bool, Float, Int, Params, State


def unroll(
    cell: Cell,
    params: Params,
    xs: Any,
    state: State | None = None,
    *,
    lengths: Int[Array, " B"] | None = None,
    resets: Bool[Array, "B T"] | None = None,
    reverse: bool = False,
    method: Method = Sequential(),  # noqa: B008 (frozen)
) -> tuple[State, Float[Array, "B T O"]]:
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
        method: how the steps are run.

    Returns:
        The state after the last step, leaves (batch, ...), and the outputs `hs` (batch, time, outputs).

    Raises:
        UserError: if the batch or time axes of the arguments do not agree.
    """
    batch, time = _batch_and_time(xs)
    initial = cell.initial_state(params)
    if state is None:
        state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch, *jnp.shape(leaf))), initial)
    elif jax.tree.structure(state) != jax.tree.structure(initial):
        raise UserError(
            f"state has the structure {jax.tree.structure(state)}: this cell's is {jax.tree.structure(initial)}"
        )
    if lengths is not None and lengths.shape != (batch,):
        raise UserError(f"lengths has shape {lengths.shape}: it must be ({batch},), one length a sequence")
    if resets is not None and resets.shape != (batch, time):
        raise UserError(f"resets has shape {resets.shape}: it must be ({batch}, {time}), one a sequence and step")

    # Masks are inputs of a wrapped step, so that a method knows nothing of them.
    counts = None if lengths is None else jnp.arange(time) < lengths[:, None]
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
    final, hs = method.run(step, cell.read, params, state, time_major, reverse)
    hs = jnp.swapaxes(hs, 0, 1)
    return final, hs if counts is None else jnp.where(counts[..., None], hs, 0)


def _where(condition: Array, new: State, old: State) -> State:
    return jax.tree.map(lambda n, o: jnp.where(condition, n, o), new, old)


def _batch_and_time(xs: Any) -> tuple[int, int]:
    leaves = jax.tree.leaves(xs)
    shapes = {jnp.shape(leaf)[:2] for leaf in leaves}
    if len(shapes) != 1 or len(next(iter(shapes))) < 2:
        raise UserError(f"xs has shape {[jnp.shape(leaf) for leaf in leaves]}: it must begin with (batch, time)")
    return shapes.pop()
