"""Sorting: read a row of symbols, and write it in order."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("sorting")
@dataclass(frozen=True, kw_only=True)
class Sorting(Task):
    """A row of `length` symbols, a delimiter, blanks; from the delimiter on the row is to be written in order.

        length=3    input    4 1 2 : - -
                    target         1 2 4

    Inputs are the symbols 0 ... `alphabet` - 1, the delimiter (:), and a blank (-). Only the answers count
    (cross-entropy, nats). The best answer without memory knows the place in the row: the mean entropy of the order
    statistics of uniform draws. Solved: a tenth of that.
    Source: the order statistics are those of David & Nagaraja 2003, section 2.1; the task is one of Graves et al. 2014,
    arXiv:1410.5401, section 4.5 (priority sort), with the symbol as its own priority.

    >>> batch = Sorting(length=3).sample(jax.random.key(0), 1)
    >>> batch.inputs.tolist(), batch.targets.tolist(), batch.weights.astype(int).tolist()
    ([[5, 0, 0, 8, 9, 9]], [[0, 0, 0, 0, 0, 5]], [[0, 0, 0, 1, 1, 1]])

    Attributes:
        length: the symbols that are to be sorted.
        alphabet: the number of symbols.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER

    length: Size = 20
    alphabet: Annotated[int, Range(2)] = 8

    @property
    def inputs(self) -> int:
        """Symbols, delimiter, blank."""
        return self.alphabet + 2

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """Symbols."""
        return self.alphabet

    @property
    def floor(self) -> float:
        """The mean entropy of the order statistics: P(X_(j) <= v) = P(Binomial(n, (v + 1) / alphabet) >= j)."""
        from scipy.stats import binom

        ranks, shares = np.arange(1, self.length + 1)[:, None], np.arange(self.alphabet + 1) / self.alphabet
        p = np.diff(binom.sf(ranks - 1, self.length, shares), axis=1)
        return float(-np.sum(p * np.log(np.where(p > 0, p, 1))) / self.length)

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
        """All rows of symbols."""
        return math.exp(min(700, self.length * math.log(self.alphabet)))

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        row_BN = jax.random.randint(key, (batch, self.length), 0, self.alphabet)
        blanks = jnp.full((batch, self.length), self.alphabet + 1, row_BN.dtype).at[:, 0].set(self.alphabet)
        inputs_BT = jnp.concatenate([row_BN, blanks], axis=1)
        targets_BT = jnp.pad(jnp.sort(row_BN, axis=1), ((0, 0), (self.length, 0)))
        asked = jnp.arange(2 * self.length)[None] >= self.length
        return Batch(inputs_BT, targets_BT, weights=jnp.tile(jnp.where(asked, 1.0, 0.0), (batch, 1)))
