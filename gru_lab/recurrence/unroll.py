"""`unroll`: a cell over a batch of sequences."""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from gru_lab.cells import Cell
from gru_lab.recurrence.checks import check_lengths, check_mask, check_params, check_state, check_step
from gru_lab.recurrence.method import Masks, Method, of_one
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.sequential import Sequential
from gru_lab.recurrence.sharded import Axes, over_devices, placed
from gru_lab.schema import UserError, checked
from gru_lab.typing import Array, Bool, Int, Params, State

Masked = Literal["zero", "repeat"]


def unroll(
    cell: Cell,
    params: Params,
    xs: Any,
    state: State | None = None,
    *,
    lengths: Int[Array, " B"] | None = None,
    mask: Bool[Array, "B T"] | None = None,
    resets: Bool[Array, "B T"] | None = None,
    reverse: bool = False,
    states: bool = False,
    masked_outputs: Masked = "zero",
    check_values: bool = False,
    method: Method = Sequential(),  # noqa: B008 (frozen)
    mesh: Mesh | None = None,
) -> tuple[Any, ...]:
    """Run a cell over sequences: `final_state, hs = unroll(cell, params, xs)`.

    Args:
        cell: the cell; static under `jax.jit`.
        params: its parameters, from `cell.init`.
        xs: inputs (batch, time, inputs), or a pytree of arrays that begin with (batch, time).
        state: the state before the first step, leaves (batch, ...); `cell.initial_state` if None.
        lengths: the number of steps of each sequence that count, (batch,): a mask that is false from there on.
        mask: the steps that count, bool (batch, time). At a masked step, where it is false, the state stays as it is;
            the input there, NaN included, reaches neither outputs nor gradients. A step counts if `lengths` and `mask`
            both say so.
        resets: bool (batch, time), true where a new sequence begins inside a row: the state is the initial one before
            that step, also if the step is masked. Segments marked by `resets` stay apart with `reverse` too.
        reverse: whether to run from the last step to the first; outputs stand where their inputs stand.
        states: whether to return the states over time, too.
        masked_outputs: the outputs at masked steps: `zero`, or `repeat` for that of the last step that counted (of
            the state before the first step where none did).
        check_values: whether to refuse parameters that are not finite. This copies them to the host and waits for
            them; it is not possible inside `jax.jit`, where it does nothing.
        method: the way to run the steps.
        mesh: devices over which the batch is split, whole along all axes of the mesh; a batch that they do not divide
            is filled up. Without one the work stays where the inputs are: split, if they are sharded along the batch.

    Returns:
        The state after the last step, leaves (batch, ...), and the outputs `hs` (batch, time, outputs). With `states`
        also the states after every step, leaves (batch, time, ...).

    Raises:
        UserError: if an argument does not fit the others or the cell, if a length is not within the sequence (where
            its value is known), if `cell.step` returns another structure, shape or dtype than its argument, or if
            forward-mode differentiation is asked of a method that has none.

    >>> import jax
    >>> from gru_lab import cells, unroll
    >>> cell = cells.GRU(hidden=4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> final, hs = unroll(cell, params, jax.numpy.ones((2, 5, 3)), lengths=jax.numpy.array([5, 2]))
    >>> final.shape, hs.shape
    ((2, 4), (2, 5, 4))
    >>> bool((final[1] == hs[1, 1]).all()), bool((hs[1, 2:] == 0).all())  # the second sequence has two steps
    (True, True)
    """
    checked("masked_outputs", masked_outputs, Masked)
    check_lengths(lengths, *_batch_and_time(xs))
    if check_values:
        check_params(params)
    fixed = cell, reverse, states, masked_outputs, method
    try:
        if (place := placed(xs, mesh)) is not None:
            return _unroll_sharded(params, xs, state, lengths, mask, resets, *fixed, *place)
        return _unroll(params, xs, state, lengths, mask, resets, *fixed)
    except TypeError as error:
        if "forward-mode" in str(error) and not isinstance(method, Reference):
            name = type(method).__name__
            raise UserError(
                f"method is {name}(), whose gradients are made for reverse mode: "
                "forward-mode differentiation (jax.jvp, jacfwd, hessian) needs method=Reference()"
            ) from None
        raise


@partial(jax.jit, static_argnums=tuple(range(6, 11)))
def _unroll(
    params: Params,
    xs: Any,
    state: State | None,
    lengths: Array | None,
    mask: Array | None,
    resets: Array | None,
    cell: Cell,
    reverse: bool,
    states: bool,
    masked_outputs: str,
    method: Method,
) -> tuple[Any, ...]:
    """`unroll` after its checks of values: traced and compiled once for equal shapes, wherever it is called from.

    The checks of shapes are made here, so that they cost nothing at later calls.
    """
    batch, time = _batch_and_time(xs)
    check_mask("mask", mask, batch, time, "false where a step does not count")
    check_mask("resets", resets, batch, time, "true where a new sequence begins")
    initial = jax.tree.map(jnp.asarray, cell.initial_state(params))
    if state is None:
        state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), initial)
    check_state(state, initial, batch)
    check_step(cell, of_one(params), initial, jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), xs))

    if lengths is not None:
        within = jnp.arange(time)[None] < lengths[:, None]
        mask = within if mask is None else within & mask
    if resets is not None and reverse:  # seen from behind, a segment begins before the next one's first step
        resets = jnp.concatenate([resets[:, 1:], jnp.zeros((batch, 1), bool)], axis=1)
    xs = jax.tree.map(partial(_zeroed, mask), xs)

    def read(state: State) -> tuple[Array, State | None]:
        return cell.read(state), state if states else None

    xs, mask_TB, resets_TB = jax.tree.map(_swapped, (xs, mask, resets))
    masks = Masks(mask_TB, resets_TB, initial)
    final, over_time = method.run(cell.step, read, params, state, xs, masks, reverse)
    hs, states_BT = jax.tree.map(_swapped, over_time)
    hs = _zeroed(mask, hs) if masked_outputs == "zero" else hs
    return (final, hs, states_BT) if states else (final, hs)


@partial(jax.jit, static_argnums=tuple(range(6, 13)))
def _unroll_sharded(
    params: Params,
    xs: Any,
    state: State | None,
    lengths: Array | None,
    mask: Array | None,
    resets: Array | None,
    cell: Cell,
    reverse: bool,
    states: bool,
    masked_outputs: str,
    method: Method,
    mesh: Any,
    axes: Axes,
) -> tuple[Any, ...]:
    """`_unroll` with the batch split over the devices along these axes of a mesh."""

    def local(params: Params, *rows: Any) -> tuple[Any, ...]:
        return _unroll(*(params, *rows, cell, reverse, states, masked_outputs, method))

    return over_devices(local, mesh, axes, params, (xs, state, lengths, mask, resets))


def _swapped(leaf: Array) -> Array:
    """Between batch-major and time-major."""
    return jnp.swapaxes(leaf, 0, 1)


def _zeroed(mask: Array | None, leaf: Array) -> Array:
    """Zero at masked steps; random keys, which are never NaN, stay as they are."""
    if mask is None or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    return jnp.where(mask.reshape(*mask.shape, *(1,) * (leaf.ndim - 2)), leaf, jnp.zeros_like(leaf))


def _batch_and_time(xs: Any) -> tuple[int, int]:
    leaves = jax.tree.leaves(xs)
    shapes = {jnp.shape(leaf)[:2] for leaf in leaves}
    if len(shapes) != 1 or len(next(iter(shapes))) < 2:
        raise UserError(f"xs has shape {[jnp.shape(leaf) for leaf in leaves]}: it must begin with (batch, time)")
    batch, time = shapes.pop()
    return batch, time
