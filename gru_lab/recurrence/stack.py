"""`unroll_stack`: layers of a cell on top of each other, in one direction or two."""

import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from gru_lab.cells import Cell
from gru_lab.cells.wrappers import Noisy, RecurrentDropout, Zoneout, step_keys
from gru_lab.recurrence.method import Method
from gru_lab.recurrence.sequential import Sequential
from gru_lab.recurrence.unroll import Masked, unroll
from gru_lab.schema import UserError
from gru_lab.typing import Array, Bool, Float, Int, Key, Params, State

States = tuple[tuple[State, ...], ...]


def unroll_stack(
    cell: Cell,
    layers: Sequence[Sequence[Params]],
    xs: Any,
    states: Sequence[Sequence[State]] | None = None,
    *,
    lengths: Int[Array, " B"] | None = None,
    mask: Bool[Array, "B T"] | None = None,
    resets: Bool[Array, "B T"] | None = None,
    masked_outputs: Masked = "zero",
    dropout: Float[Array, ""] | float = 0.0,
    state_dropout: Float[Array, ""] | float = 0.0,
    same_mask: bool = False,
    key: Key | None = None,
    method: Method = Sequential(),  # noqa: B008 (frozen)
    mesh: Mesh | None = None,
) -> tuple[States, Float[Array, "B T O"]]:
    """Run a stack of layers over sequences: `final_states, hs = unroll_stack(cell, layers, xs)`.

    Args:
        cell: the cell of every layer.
        layers: `layers[n]` holds the parameters of layer n, one dictionary per direction. With two directions the
            second runs from the last step to the first, and the layer above sees both outputs side by side.
        xs: inputs of the first layer, as in `unroll`.
        states: the states before the first steps, `states[n][direction]`; initial states if None.
        lengths: as in `unroll`; the backward direction begins at each sequence's own last step.
        mask: as in `unroll`.
        resets: as in `unroll`.
        masked_outputs: as in `unroll`.
        dropout: the share of outputs that is dropped between two layers, the others scaled by 1 / (1 - dropout)
            (Zaremba 2014, arXiv:1409.2329); nothing is dropped on the way into the first layer or out of the last.
            It may be traced, and is then taken to be in [0, 1).
        state_dropout: the share of each layer's output that its own next step does not see, as `RecurrentDropout`
            says; it may be traced, too.
        same_mask: whether all steps of a sequence are thinned by the same masks (Gal & Ghahramani 2016,
            arXiv:1512.05287), or each by its own.
        key: random key of what is dropped, and of a cell that is `Noisy`, as `Zoneout` is; nothing is dropped without
            one, as in evaluation.
        method: how the steps are run.
        mesh: as in `unroll`.

    Returns:
        The states after the last steps, nested as `states`, and the outputs of the last layer
        (batch, time, directions x outputs).

    Raises:
        UserError: if there is no layer, if a layer has not one or two directions, if a share is not in [0, 1), if
            `state_dropout` is asked of a cell that is `Noisy`, and as `unroll` does.

    >>> import jax
    >>> from gru_lab import cells, unroll_stack
    >>> cell = cells.RNN(hidden=4)
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> lower = [cell.init(keys[0], inputs=3), cell.init(keys[1], inputs=3)]  # forward, backward
    >>> upper = [cell.init(keys[2], inputs=8)]
    >>> states, hs = unroll_stack(cell, [lower, upper], jax.numpy.ones((2, 5, 3)))
    >>> [len(layer) for layer in states], hs.shape
    ([2, 1], (2, 5, 4))
    """
    if not layers:
        raise UserError("layers is empty: a stack has one layer at least")
    for name, share in (("dropout", dropout), ("state_dropout", state_dropout)):
        if isinstance(share, numbers.Real) and not 0 <= share < 1:
            raise UserError(f"{name} is {share!r}: it must be of at least 0 and below 1")
    if isinstance(cell, Noisy) and not _nothing(state_dropout):
        raise UserError(f"state_dropout is {state_dropout!r}: take 0 with {type(cell).__name__}, which is noise enough")
    finals = []
    for n, layer in enumerate(layers):
        if len(layer) not in (1, 2):
            raise UserError(f"layers[{n}] has {len(layer)} directions: it must have 1 or 2")
        if n > 0 and key is not None:
            xs = dropped(jax.random.fold_in(key, n), xs, dropout, same_mask)
        starts = [None] * len(layer) if states is None else states[n]
        masks = {"lengths": lengths, "mask": mask, "resets": resets, "masked_outputs": masked_outputs}
        ran = []
        for direction, (params, start) in enumerate(zip(layer, starts, strict=True)):
            drawn = None if key is None else jax.random.fold_in(jax.random.fold_in(key, len(layers) + 1 + n), direction)
            noisy, inputs = _noisy(cell, xs, state_dropout, same_mask, drawn)
            ran.append(unroll(noisy, params, inputs, start, **masks, reverse=bool(direction), method=method, mesh=mesh))
        finals.append(tuple(final for final, _ in ran))
        xs = jnp.concatenate([hs for _, hs in ran], axis=-1)
    return tuple(finals), xs


def dropped(key: Key, hs: Array, rate: Array | float, same_mask: bool = False) -> Array:
    """Arrays (batch, time, ...) or (batch, ...) of which a share is zero, and the rest scaled by 1 / (1 - rate)."""
    if _nothing(rate):
        return hs
    kept = jnp.asarray(1 - rate, hs.dtype)
    shape = (hs.shape[0], 1, *hs.shape[2:]) if same_mask and hs.ndim > 2 else hs.shape
    return jnp.where(jax.random.bernoulli(key, kept, shape), hs / kept, 0)


def _noisy(cell: Cell, xs: Any, rate: Array | float, same_mask: bool, key: Key | None) -> tuple[Cell, Any]:
    """The cell as it steps in training, and the inputs that it takes there."""
    thinned = not _nothing(rate)
    if key is None or not (thinned or isinstance(cell, Noisy)):
        return cell, xs
    batch, time = jax.tree.leaves(xs)[0].shape[:2]
    keys = step_keys(key, batch, time, same=same_mask and not isinstance(cell, Zoneout))
    if not thinned:
        return cell, (xs, keys)
    return RecurrentDropout(cell=cell), (xs, keys, jnp.broadcast_to(rate, (batch, time)))


def _nothing(rate: Array | float) -> bool:
    """True for a share that is known to be 0."""
    return isinstance(rate, numbers.Real) and float(rate) == 0
