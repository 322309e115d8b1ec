"""Streams from the host: any sequence of examples, shuffled anew in every epoch, read through Grain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import jax
import numpy as np

from gru_lab.data.batch import Batch
from gru_lab.data.buckets import boundaries, bucket_of
from gru_lab.data.source import BUCKETS, Source, Split
from gru_lab.schema import UserError

Padding = int | Literal["power", "none"]


@dataclass(frozen=True, eq=False)
class Stream(Source):
    """Examples that do not fit on the device, or do not have equal lengths.

    `splits["train"]`, `["validation"]` and `["test"]` are sequences of examples with random access (a list, a data
    source of TFDS or Grain, anything with `len` and `[n]`). An example is a `Batch` without batch axis: inputs
    (time, ...) or a pytree of such, a target, weights or None; `lengths` stays None. With `per_step` a target and its
    weights have a time axis as the inputs do.

    With `lengths`, the steps of every training example, batches hold examples of one bucket: each epoch still has
    every example once, in an order of the seed's own, and its batches in an order that all seeds share.

    `padding` says how the time axis is padded: to a multiple of a number, to a power of two, or not at all, for
    examples of equal length, which then come without `lengths`. What is padded for is the longest example of one
    `take`, or of the training set where its lengths are known.
    """

    streamed: ClassVar[bool] = True

    splits: Mapping[str, Sequence[Batch]]
    per_step: bool = False
    padding: Padding = "power"
    lengths: Sequence[int] | np.ndarray | None = None

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """See `Source.ends`."""
        return () if self.lengths is None else boundaries(np.asarray(self.lengths))

    @cached_property
    def _buckets(self) -> list[np.ndarray]:
        """The places of each bucket's examples."""
        if self.lengths is None:
            return [np.arange(len(self.splits["train"]))]
        buckets = bucket_of(np.asarray(self.lengths), self.ends)
        return [np.flatnonzero(buckets == n) for n in range(len(self.ends))]

    def take(self, seed: int, start: int, n: int, size: int) -> Batch:
        """See `Source.take`: the training set without end, every epoch in an order of its own."""
        orders = [_ordered(places, seed, bucket) for bucket, places in enumerate(self._buckets)]
        plan = _plan([len(places) for places in self._buckets], start, n, size)
        places = [orders[bucket][turn * size + i] for bucket, turn in plan for i in range(size)]
        longest = None if self.lengths is None else max(self.lengths)
        batch = self._together([self.splits["train"][place] for place in places], longest)
        return jax.tree.map(lambda leaf: leaf.reshape(n, size, *leaf.shape[1:]), batch)

    def holdout(self, split: Split, size: int) -> Batch:
        """See `Source.holdout`."""
        examples = self.splits[split]
        return self._together([examples[i] for i in range(len(examples))])

    def _together(self, examples: list[Batch], longest: int | None = None) -> Batch:
        """Examples as one batch, padded with zeros for the longest one."""
        lengths = np.array([len(jax.tree.leaves(example.inputs)[0]) for example in examples], np.int32)
        if self.padding == "none" and len({*lengths.tolist()}) > 1:
            why = f"sequences of {lengths.min()} to {lengths.max()} steps need a number, or 'power'"
            raise UserError(f"padding is 'none': {why}")
        time = padded_length(int(longest or lengths.max()), self.padding)

        def stacked(*leaves: Any) -> np.ndarray:
            return np.stack([np.asarray(leaf) for leaf in leaves])

        def padded(*leaves: Any) -> np.ndarray:
            first = np.asarray(leaves[0])
            whole = np.zeros((len(leaves), time, *first.shape[1:]), first.dtype)
            for row, leaf in zip(whole, leaves, strict=True):
                row[: len(leaf)] = leaf
            return whole

        join = padded if self.per_step else stacked
        inputs, targets, _, weights = zip(*examples, strict=True)
        counted: Any = None if self.padding == "none" else lengths
        return Batch(jax.tree.map(padded, *inputs), jax.tree.map(join, *targets), counted, jax.tree.map(join, *weights))


def padded_length(longest: int, padding: Padding) -> int:
    """The length of the time axis for sequences of up to `longest` steps."""
    if padding == "none":
        return longest
    return 1 << (longest - 1).bit_length() if padding == "power" else -(-longest // padding) * padding


def _plan(counts: Sequence[int], start: int, n: int, size: int) -> list[tuple[int, int]]:
    """The batches `start` to `start + n - 1`, each as its bucket and its turn among the batches of that bucket.

    A bucket is an endless row of examples, epoch after epoch, cut into batches; the batches that end in an epoch are
    shuffled among all buckets.

    >>> _plan([4, 2], start=0, n=6, size=2)  # two epochs of three batches
    [(0, 1), (0, 0), (1, 0), (1, 1), (0, 3), (0, 2)]
    """
    if len(counts) == 1:
        return [(0, turn) for turn in range(start, start + n)]

    def before(epoch: int) -> int:
        return sum(epoch * count // size for count in counts)

    epoch = start * size // sum(counts)
    while before(epoch + 1) <= start:
        epoch += 1
    plan, skipped = [], start - before(epoch)
    while len(plan) < skipped + n:
        ending = [
            (bucket, turn)
            for bucket, count in enumerate(counts)
            for turn in range(epoch * count // size, (epoch + 1) * count // size)
        ]
        plan += [ending[place] for place in np.random.default_rng([BUCKETS, epoch]).permutation(len(ending))]
        epoch += 1
    return plan[skipped : skipped + n]


def _ordered(places: Any, seed: int, bucket: int) -> Any:
    """The endless order of a bucket's examples for a seed, by position."""
    import grain

    # Grain shuffles epoch e of seed s as epoch 0 of seed s + e: hashed, the orders of neighbouring seeds differ.
    hashed = int(np.random.SeedSequence([seed, bucket] if bucket else seed).generate_state(1)[0])
    return grain.MapDataset.source(places).shuffle(seed=hashed).repeat()
