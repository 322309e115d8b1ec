"""The checks of `unroll`: each refuses in one sentence, before anything compiles."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.cells import Cell
from gru_lab.schema import UserError
from gru_lab.typing import Array, Params, State


def known(value: Any) -> np.ndarray | None:
    """The numbers of an array, or None where they are not known yet: inside `jax.jit`, `vmap` or `grad`."""
    try:
        return np.asarray(value)
    except jax.errors.TracerArrayConversionError:
        return None


def check_lengths(lengths: Array | None, batch: int, time: int) -> None:
    """`lengths` must be (batch,), whole numbers, each from 0 to the number of steps."""
    if lengths is None:
        return
    if jnp.shape(lengths) != (batch,) or not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise UserError(
            f"lengths is {lengths.dtype}{list(jnp.shape(lengths))}: it must be {batch} whole numbers, one per sequence"
        )
    numbers = known(lengths)
    wrong = [] if numbers is None else [n for n in numbers.tolist() if not 0 <= n <= time]
    if wrong:
        raise UserError(f"lengths has {wrong[0]}: each must be from 0 to {time}, the number of steps in xs")


def check_mask(name: str, mask: Array | None, batch: int, time: int, meaning: str) -> None:
    """A mask must be (batch, time), true or false."""
    if mask is not None and (jnp.shape(mask) != (batch, time) or mask.dtype != bool):
        raise UserError(f"{name} is {mask.dtype}{list(jnp.shape(mask))}: it must be bool[{batch}, {time}], {meaning}")


def check_state(state: State, initial: State, batch: int) -> None:
    """`state` must be the cell's state with a batch axis in front."""
    expected = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((batch, *leaf.shape), leaf.dtype), initial)
    _check_same("state", state, expected, "this cell's state")


def check_params(params: Params) -> None:
    """Every parameter must be finite; not checked inside `jax.jit`, `vmap` or `grad`."""
    for path, leaf in jax.tree.leaves_with_path(params):
        numbers = known(leaf) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact) else None
        if numbers is not None and not np.isfinite(numbers.astype(np.float32, copy=False)).all():
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise UserError(f"params.{name} has values that are not finite: train with a lower rate or clip gradients")


def check_step(cell: Cell, params: Params, state: State, x: Any) -> None:
    """A step must return a state like its argument, and must not branch in Python on the values of arrays.

    `state` and `x` are shapes of one example.
    """
    name = type(cell).__name__
    try:
        after = jax.eval_shape(cell.step, params, state, x)
    except jax.errors.TracerBoolConversionError:
        raise UserError(
            f"{name}.step decides by the value of an array, with `if`, `while`, `and` or `or`: "
            "write jnp.where(condition, a, b) or jax.lax.cond instead"
        ) from None
    _check_same(f"the result of {name}.step", after, state, "the state that it got")


def _check_same(what: str, tree: Any, expected: Any, like: str) -> None:
    ours, theirs = jax.tree.structure(tree), jax.tree.structure(expected)
    if ours != theirs:
        raise UserError(f"{what} has the structure {ours}: it must be that of {like}, {theirs}")
    pairs = zip(jax.tree.leaves_with_path(tree), jax.tree.leaves(expected), strict=True)
    for (path, leaf), model in pairs:
        given, wanted = (f"{jnp.result_type(a)}{list(jnp.shape(a))}" for a in (leaf, model))
        if given != wanted:
            raise UserError(f"{what}{jax.tree_util.keystr(path)} is {given}: it must be {wanted}, as {like}")
