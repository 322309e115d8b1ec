"""Sources: where batches come from, in the compiled loop, in memory on the device, or streamed from the host."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.data.batch import Batch, sequences
from gru_lab.data.buckets import boundaries, bucket_of
from gru_lab.typing import Array, Key

Split = Literal["train", "validation", "test"]

# The keys of held-out sets, which no seed of a run reaches.
HELD_OUT = {"train": 2**31 - 1, "validation": 2**31 - 2, "test": 2**31 - 3}
BUCKETS = 2**31 - 4  # that of the order of buckets, which all seeds share


class Source:
    """The source of a task's batches.

    A subclass draws inside the compiled loop and writes `draw`, and `arrays` where it needs data on the device; or it
    is `streamed` from the host and writes `take`. Both write `holdout`.

    Where sequences differ in length, batches hold sequences of one bucket. The bucket of an update is the same for all
    seeds, so that members which train at once, on batches of their own, need the same number of steps.
    """

    streamed: ClassVar[bool] = False

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The lengths at which buckets end, the last one the longest; empty where batches are drawn from the whole."""
        return ()

    def arrays(self) -> Any:
        """The data that the compiled program gets, a pytree of arrays on the device; empty for a sampled source."""
        return ()

    def draw(self, arrays: Any, key: Key, size: int, update: Array | int = 0) -> Batch:
        """One training batch, a pure function of its arguments; jittable. `update` decides about the bucket alone."""
        raise NotImplementedError(f"{type(self).__name__} is streamed: it has `take`, not `draw`")

    def take(self, seed: int, start: int, n: int, size: int) -> Batch:
        """The batches `start` to `start + n - 1` of the stream of a seed, leaves (n, size, ...), on the host.

        A pure function of seed and position: a resumed stream gives the batches of an uninterrupted one.
        """
        raise NotImplementedError(f"{type(self).__name__} is not streamed: it has `draw`, not `take`")

    def holdout(self, split: Split, size: int) -> Batch:
        """The fixed validation or test set, leaves (sequences, ...); data give the whole split, whatever `size` is."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sampled(Source):
    """Fresh sequences from a jittable function `sample(key, size)`; held-out sets depend on their name alone."""

    sample: Callable[[Key, int], Batch]

    def draw(self, arrays: Any, key: Key, size: int, update: Array | int = 0) -> Batch:
        """See `Source.draw`."""
        return self.sample(key, size)

    def holdout(self, split: Split, size: int) -> Batch:
        """See `Source.holdout`."""
        return self.sample(jax.random.key(HELD_OUT[split]), size)


@dataclass(frozen=True, eq=False)
class InMemory(Source):
    """Whole splits as batches, `{"train": ..., "validation": ..., "test": ...}`, drawn from with replacement.

    `unpack` makes of kept arrays what a network sees, such as grey values of bytes; jittable. It acts on what is drawn,
    so that the set itself stays small. Each update draws a bucket, with a chance in proportion to its sequences, and
    then sequences of it: over the updates each sequence is equally likely.
    """

    splits: Mapping[str, Batch]
    unpack: Callable[[Batch], Batch] = lambda batch: batch

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """See `Source.ends`."""
        lengths = self.splits["train"].lengths
        return () if lengths is None else boundaries(lengths)

    @cached_property
    def _buckets(self) -> np.ndarray:
        """The bucket of each training sequence."""
        lengths = self.splits["train"].lengths
        return np.zeros(0, int) if lengths is None else bucket_of(lengths, self.ends)

    def arrays(self) -> Batch:
        """The training set, bucket after bucket."""
        train = self.splits["train"]
        if len(self.ends) > 1:
            order = np.argsort(self._buckets, kind="stable")
            train = jax.tree.map(lambda leaf: np.asarray(leaf)[order], train)
        return jax.tree.map(jnp.asarray, train)

    def draw(self, arrays: Batch, key: Key, size: int, update: Array | int = 0) -> Batch:
        """See `Source.draw`."""
        count = sequences(arrays)
        if len(self.ends) > 1:
            counts = np.bincount(self._buckets, minlength=len(self.ends))
            behind = jnp.asarray(np.cumsum(counts))
            place = jax.random.randint(jax.random.fold_in(jax.random.key(BUCKETS), update), (), 0, count)
            bucket = jnp.sum(place >= behind)
            many = jnp.asarray(counts)[bucket]
            chosen = behind[bucket] - many + jax.random.randint(key, (size,), 0, many)
        else:
            chosen = jax.random.randint(key, (size,), 0, count)
        return self.unpack(jax.tree.map(lambda leaf: leaf[chosen], arrays))

    def holdout(self, split: Split, size: int) -> Batch:
        """See `Source.holdout`."""
        return self.unpack(self.splits[split])
