"""Sources: where batches come from, in the compiled loop, in memory on the device, or streamed from the host."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.data.batch import Batch, sequences
from gru_lab.typing import Key

Split = Literal["train", "validation", "test"]

# The keys of held-out sets, which no seed of a run reaches.
HELD_OUT = {"train": 2**31 - 1, "validation": 2**31 - 2, "test": 2**31 - 3}


class Source:
    """The source of a task's batches.

    A subclass draws inside the compiled loop and writes `draw`, and `arrays` where it needs data on the device; or it
    is `streamed` from the host and writes `take`. Both write `holdout`.
    """

    streamed: ClassVar[bool] = False

    def arrays(self) -> Any:
        """The data that the compiled program gets, a pytree of arrays on the device; empty for a sampled source."""
        return ()

    def draw(self, arrays: Any, key: Key, size: int) -> Batch:
        """One training batch, a pure function of `arrays` and the key; jittable."""
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

    def draw(self, arrays: Any, key: Key, size: int) -> Batch:
        """See `Source.draw`."""
        return self.sample(key, size)

    def holdout(self, split: Split, size: int) -> Batch:
        """See `Source.holdout`."""
        return self.sample(jax.random.key(HELD_OUT[split]), size)


@dataclass(frozen=True, eq=False)
class InMemory(Source):
    """Whole splits as batches, `{"train": ..., "validation": ..., "test": ...}`, drawn from with replacement.

    `unpack` makes of kept arrays what a network sees, such as grey values of bytes; jittable. It acts on what is drawn,
    so that the set itself stays small.
    """

    splits: Mapping[str, Batch]
    unpack: Callable[[Batch], Batch] = lambda batch: batch

    def arrays(self) -> Batch:
        """The training set."""
        return jax.tree.map(jnp.asarray, self.splits["train"])

    def draw(self, arrays: Batch, key: Key, size: int) -> Batch:
        """See `Source.draw`."""
        chosen = jax.random.randint(key, (size,), 0, sequences(arrays))
        return self.unpack(jax.tree.map(lambda leaf: leaf[chosen], arrays))

    def holdout(self, split: Split, size: int) -> Batch:
        """See `Source.holdout`."""
        return self.unpack(self.splits[split])
