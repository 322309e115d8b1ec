"""Buckets: sequences of similar lengths in one batch, so that little of it is padding."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gru_lab.data.batch import Batch, in_chunks
from gru_lab.data.memory import chunk_size
from gru_lab.typing import Array

Result = TypeVar("Result")

LEAST = 0.05  # of all steps a boundary must save, or it is left out


def boundaries(lengths: Array | np.ndarray) -> tuple[int, ...]:
    """The lengths at which buckets end: powers of two, the last one the longest sequence.

    Each costs a program of its own, so that only those are kept that save 5% of the steps.

    >>> boundaries(np.array([20, 20, 30, 60, 60, 60, 100]))
    (32, 64, 100)
    >>> boundaries(np.array([100, 100, 90]))
    (100,)
    """
    lengths = np.asarray(lengths)
    longest = int(lengths.max())
    ends = [*(1 << n for n in range((longest - 1).bit_length())), longest]

    def steps(ends: Sequence[int]) -> int:
        return int(np.asarray(ends)[bucket_of(lengths, ends)].sum())

    while len(ends) > 1:
        without = [[*ends[:n], *ends[n + 1 :]] for n in range(len(ends) - 1)]
        fewest = min(without, key=steps)
        if steps(fewest) - steps(ends) >= LEAST * steps(ends):
            break
        ends = fewest
    return tuple(ends)


def bucket_of(lengths: Array | np.ndarray, ends: Sequence[int]) -> np.ndarray:
    """The bucket of each length: the first one that ends there or later.

    >>> bucket_of(np.array([1, 32, 33, 100]), (32, 64, 100)).tolist()
    [0, 0, 1, 2]
    """
    return np.searchsorted(np.asarray(ends), np.asarray(lengths))


def cut(batch: Batch, time: int, per_step: bool) -> Batch:
    """The first steps of a batch; with `per_step` targets have a time axis, too."""

    def first(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[:, :time], tree)

    weights = batch.weights
    return batch._replace(
        inputs=first(batch.inputs),
        targets=first(batch.targets) if per_step else batch.targets,
        weights=weights if weights is None or weights.ndim < 2 else weights[:, :time],
    )


def without_padding(function: Callable[[Batch], Result], batch: Batch, ends: Sequence[int], per_step: bool) -> Result:
    """`function(batch)`, of no more steps than the bucket of the longest sequence has; one branch per bucket.

    The function must give the same for a batch with less padding. Under `vmap` all take the bucket of the longest
    sequence of all, so that one branch is computed and not every one.

    >>> batch = Batch(jnp.ones((2, 8)), jnp.zeros(2), jnp.array([3, 2]))
    >>> int(without_padding(lambda short: jnp.asarray(short.inputs.shape[1]), batch, (4, 8), per_step=False))
    4
    """
    if len(ends) < 2 or batch.lengths is None:
        return function(batch)
    bucket = jnp.sum(jnp.max(jnp.asarray(batch.lengths)) > jnp.array(ends[:-1]))
    return lax.switch(_of_all(bucket), [lambda end=end: function(cut(batch, end, per_step)) for end in ends])


@jax.custom_batching.custom_vmap
def _of_all(bucket: Array) -> Array:
    return bucket


@_of_all.def_vmap
def _(count: int, batched: Any, bucket: Array) -> tuple[Array, bool]:
    return jnp.max(bucket), False


def bucketed_chunks(batch: Batch, size: int, weights: np.ndarray, per_step: bool) -> list[Batch]:
    """A set in the chunks of `in_chunks`, those of each bucket apart and as short as it is.

    `size` sequences of the longest bucket are a chunk, and more of shorter ones, so that all take about the same
    memory.

    >>> batch = Batch(np.ones((5, 8)), np.arange(5), np.array([8, 3, 3, 7, 4]))
    >>> [(part.inputs.shape, part.targets.tolist()) for part in bucketed_chunks(batch, 2, np.ones(5), False)]
    [((1, 3, 4), [[1, 2, 4]]), ((1, 2, 8), [[0, 3]])]
    """
    if batch.lengths is None:
        return [in_chunks(batch, size, weights)]
    ends = boundaries(batch.lengths)
    buckets = bucket_of(batch.lengths, ends)
    parts = []
    for bucket, end in enumerate(ends):
        places = np.flatnonzero(buckets == bucket)
        if len(places):
            part = cut(jax.tree.map(lambda leaf, places=places: leaf[places], batch), end, per_step)
            counted = weights[places, :end] if weights.ndim == 2 else weights[places]
            parts.append(in_chunks(part, chunk_size(len(places), end, size * ends[-1]), counted))
    return parts
