"""Batches of sequences, and sums over what counts in them: the types that tasks, sources and training share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gru_lab.typing import Array


class Batch(NamedTuple):
    """Sequences and what is asked about them.

    `inputs` are vectors (batch, time, inputs), symbols (batch, time) as whole numbers, or a pytree of arrays that all
    begin with (batch, time), such as values, masks and time gaps. `targets` are classes (whole numbers) or vectors, one
    per sequence or one per step. `lengths` (batch,) is None where all sequences fill the time axis. `weights` are 0 on
    what does not count: (batch,) for one answer per sequence, (batch, time) for one per step; None where everything
    within `lengths` counts.

    >>> batch = Batch(inputs=np.zeros((3, 20, 2)), targets=np.array([0, 1, 1]), lengths=np.array([20, 7, 12]))
    >>> batch.inputs.shape, batch.weights
    ((3, 20, 2), None)
    """

    inputs: Any
    targets: Any
    lengths: Array | None = None
    weights: Array | None = None


class Sum(NamedTuple):
    """A weighted sum and the sum of its weights: of two parts of a set they add up to that of the whole.

    >>> float(Sum(jnp.array(6.0), jnp.array(2.0)).mean)
    3.0
    """

    total: Array
    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    def mean(self) -> Array:
        """The weighted mean; NaN where nothing counts."""
        some = self.count > 0
        return jnp.where(some, self.total / jnp.where(some, self.count, 1), jnp.nan)


Sums = dict[str, Sum]


def add(*parts: Sums) -> Sums:
    """The sums of several parts of a set as those of the whole.

    >>> parts = [{"loss": Sum(jnp.array(6.0), jnp.array(2.0))}, {"loss": Sum(jnp.array(0.0), jnp.array(1.0))}]
    >>> float(add(*parts)["loss"].mean)
    2.0
    """
    return jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]), *parts)


def sequences(batch: Batch) -> int:
    """The number of sequences of a batch.

    >>> sequences(Batch(np.zeros((3, 20, 2)), np.array([0, 1, 1])))
    3
    """
    return len(jax.tree.leaves(batch.targets)[0])


def whole_weights(batch: Batch, per_step: bool) -> Array:
    """The weights of all answers, written out: (batch, time) if there is one per step, else (batch,).

    They are the given ones, or 1, and 0 on padded steps. Given weights (batch,) of answers per step count for all steps
    of a sequence.

    >>> batch = Batch(np.zeros((2, 3, 1)), np.zeros((2, 3)), lengths=np.array([3, 1]))
    >>> whole_weights(batch, per_step=True).tolist()
    [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    """
    size, time = jax.tree.leaves(batch.inputs)[0].shape[:2]
    given = jnp.ones(size) if batch.weights is None else jnp.asarray(batch.weights)
    if not per_step:
        return given
    weights = jnp.broadcast_to(given if given.ndim == 2 else given[:, None], (size, time))
    return (
        weights
        if batch.lengths is None
        else jnp.where(jnp.arange(time)[None] < jnp.asarray(batch.lengths)[:, None], weights, 0)
    )


def at_end(values: Array, lengths: Array | None) -> Array:
    """The values at each sequence's last step: (batch, time, ...) to (batch, ...).

    >>> at_end(jnp.array([[1, 2, 3], [4, 5, 6]]), jnp.array([3, 1])).tolist()
    [3, 4]
    """
    if lengths is None:
        return values[:, -1]
    last = (jnp.asarray(lengths) - 1).reshape(-1, *[1] * (values.ndim - 1))
    return jnp.take_along_axis(values, last, axis=1)[:, 0]


def in_chunks(batch: Batch, size: int, weights: Array | np.ndarray, least: int = 1) -> Batch:
    """A batch cut into chunks, `least` of them or more, leaves (chunks, size, ...); repeats of weight 0 fill them up.

    `weights` are those of all answers, written out, as `whole_weights` gives them. Arrays of NumPy stay on the host.
    Cut a large set once, outside of compiled programs: inside of one its copy is a temporary array.

    >>> batch = Batch(np.zeros((5, 3, 1)), np.arange(5))
    >>> chunks = in_chunks(batch, 2, np.ones(5))
    >>> chunks.targets.tolist(), chunks.weights.tolist()
    ([[0, 1], [2, 3], [4, 0]], [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    """
    n = sequences(batch)
    chunks = max(-(-n // size), least)
    filled = chunks * size - n

    def cut(leaf: Any) -> Any:
        if filled:
            leaf = leaf[np.arange(chunks * size) % n]
        return leaf.reshape(chunks, size, *leaf.shape[1:])

    fill = np if isinstance(weights, np.ndarray) else jnp
    counted = fill.concatenate([weights, fill.zeros((filled, *weights.shape[1:]), weights.dtype)])
    return jax.tree.map(cut, batch._replace(weights=None))._replace(
        weights=counted.reshape(chunks, size, *weights.shape[1:])
    )


def over_chunks(measure: Callable[[Batch], Sums], chunks: Batch | list[Batch]) -> Sums:
    """`measure` of all chunks, added up; only one chunk's values are in memory at a time.

    Chunks of several lengths are a list of batches.

    >>> chunks = in_chunks(Batch(jnp.zeros((5, 3, 1)), jnp.arange(5)), 2, jnp.ones(5))
    >>> sums = over_chunks(lambda c: {"class": Sum((c.targets * c.weights).sum(), c.weights.sum())}, chunks)
    >>> float(sums["class"].mean)
    2.0
    """
    if isinstance(chunks, list):
        return add(*(over_chunks(measure, each) for each in chunks))
    return jax.tree.map(lambda leaf: leaf.sum(axis=0), lax.map(measure, chunks))
