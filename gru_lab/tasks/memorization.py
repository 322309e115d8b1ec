"""Noiseless memorisation: hold a few bits through a long distraction that is always the same."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Size
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key

ITEMS = {5: (5, 2), 20: (10, 5)}  # bits -> items, symbols


@register("memorization")
@dataclass(frozen=True, kw_only=True)
class Memorization(Task):
    """A row of symbols, `length` steps of one distractor that ends in a cue, and then the row is to be repeated.

        bits=5, length=4    input    1 0 0 1 0 . . . : . . . . .
                            target   - - - - - - - - - 1 0 0 1 0

    `bits`: 5 items of 2 symbols, which are 32 sequences in all, or 20 for 10 items of 5 symbols. Inputs are the
    symbols, then the distractor (.), then the cue (:); outputs the symbols, then nothing (-), right until the cue.
    Unlike in the copy problem the distractor goes on while the answer is given. Every step counts (cross-entropy,
    nats). The best answer without memory guesses the items: items * ln(symbols) / (T + 2 items). Solved: a tenth.
    Source: Martens & Sutskever 2011, Learning Recurrent Neural Networks with Hessian-Free Optimization, ICML, with the
    channels that Jaeger 2012, Long Short-Term Memory in Echo State Networks: Details of a Simulation Study, writes out.

    >>> batch = Memorization(bits=5, length=4).sample(jax.random.key(0), 1)
    >>> batch.inputs.tolist(), batch.targets.tolist()
    ([[1, 0, 0, 1, 1, 2, 2, 2, 3, 2, 2, 2, 2, 2]], [[2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 0, 0, 1, 1]])

    Attributes:
        length: the distractors, in steps.
        bits: the size of the row: 5 or 20 bits.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER

    length: Size = 100
    bits: Literal[5, 20] = 20

    @property
    def items(self) -> int:
        """The number of items."""
        return ITEMS[self.bits][0]

    @property
    def alphabet(self) -> int:
        """The number of symbols."""
        return ITEMS[self.bits][1]

    @property
    def inputs(self) -> int:
        """Symbols, distractor, cue."""
        return self.alphabet + 2

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """Symbols, nothing."""
        return self.alphabet + 1

    @property
    def floor(self) -> float:
        """The cross-entropy of guessing the items."""
        return self.items * math.log(self.alphabet) / (self.length + 2 * self.items)

    @property
    def ceiling(self) -> float:
        """No error."""
        return 0.0

    @property
    def threshold(self) -> float:
        """A tenth of the floor."""
        return 0.1 * self.floor

    @property
    def distinct(self) -> float:
        """All rows of items."""
        return float(self.alphabet) ** self.items

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        items_BK = jax.random.randint(key, (batch, self.items), 0, self.alphabet)

        def rest(n: int, symbol: int):
            return jnp.full((batch, n), symbol, items_BK.dtype)

        distractors, cue = rest(self.length - 1, self.alphabet), rest(1, self.alphabet + 1)
        inputs_BT = jnp.concatenate([items_BK, distractors, cue, rest(self.items, self.alphabet)], axis=1)
        targets_BT = jnp.concatenate([rest(self.length + self.items, self.alphabet), items_BK], axis=1)
        return Batch(inputs_BT, targets_BT)
