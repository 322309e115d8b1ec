"""Streams from the host: any sequence of examples, shuffled anew in every epoch, read through Grain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import numpy as np

from gru_lab.data.batch import Batch
from gru_lab.data.source import Source, Split
from gru_lab.schema import UserError

Padding = int | Literal["power", "none"]


@dataclass(frozen=True, eq=False)
class Stream(Source):
    """Examples that do not fit on the device, or do not have equal lengths.

    `splits["train"]`, `["validation"]` and `["test"]` are sequences of examples with random access (a list, a data
    source of TFDS or Grain, anything with `len` and `[n]`). An example is a `Batch` without batch axis: inputs
    (time, ...) or a pytree of such, a target, weights or None; `lengths` stays None. With `per_step` a target and its
    weights have a time axis as the inputs do.

    `padding` says how the time axis of the batches of one `take` is padded: to a multiple of a number, to a power of
    two, or not at all, for examples of equal length, which then come without `lengths`.
    """

    streamed: ClassVar[bool] = True

    splits: Mapping[str, Sequence[Batch]]
    per_step: bool = False
    padding: Padding = "power"

    def take(self, seed: int, start: int, n: int, size: int) -> Batch:
        """See `Source.take`: the training set without end, every epoch in an order of its own."""
        order = _ordered(self.splits["train"], seed)
        batch = self._together([order[i] for i in range(start * size, (start + n) * size)])
        return jax.tree.map(lambda leaf: leaf.reshape(n, size, *leaf.shape[1:]), batch)

    def holdout(self, split: Split, size: int) -> Batch:
        """See `Source.holdout`."""
        examples = self.splits[split]
        return self._together([examples[i] for i in range(len(examples))])

    def _together(self, examples: list[Batch]) -> Batch:
        """Examples as one batch, padded with zeros."""
        lengths = np.array([len(jax.tree.leaves(example.inputs)[0]) for example in examples], np.int32)
        if self.padding == "none" and len({*lengths.tolist()}) > 1:
            why = f"sequences of {lengths.min()} to {lengths.max()} steps need a number, or 'power'"
            raise UserError(f"padding is 'none': {why}")
        time = padded_length(int(lengths.max()), self.padding)

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


def _ordered(examples: Sequence[Batch], seed: int) -> Any:
    """The endless order of a seed, by position."""
    import grain

    # Grain shuffles epoch e of seed s as epoch 0 of seed s + e: hashed, the orders of neighbouring seeds differ.
    hashed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    return grain.MapDataset.source(examples).shuffle(seed=hashed).repeat()
