"""The copy problem: repeat a row of symbols after a long pause."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import Task, register
from gru_lab.typing import Key


@register("copy")
@dataclass(frozen=True, kw_only=True)
class Copy(Task):
    """A row of symbols, a pause of blanks ended by a delimiter, and then the row is to be repeated.

        items=3, length=4    input    4 1 4 - - - : - - -
                             target   - - - - - - - 4 1 4

    Blank (-) is class 0, the symbols are 1 ... `alphabet`, the delimiter (:) is input only. `length` is the pause T,
    so that a sequence has T + 2 items steps. Every step counts in the loss (cross-entropy, nats).
    The best answer without memory knows the blanks and guesses the items: items * ln(alphabet) / (T + 2 items).
    Solved: a tenth of that.
    Source: Arjovsky et al. 2016, arXiv:1511.06464, section 5.1 (10 items of 8 symbols).
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"

    length: Size = 100
    items: Size = 10
    alphabet: Annotated[int, Range(2)] = 8

    @property
    def inputs(self) -> int:
        """Blank, symbols, delimiter."""
        return self.alphabet + 2

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """Blank and symbols."""
        return self.alphabet + 1

    @property
    def floor(self) -> float:
        """The cross-entropy of guessing the items."""
        return self.items * math.log(self.alphabet) / (self.length + 2 * self.items)

    @property
    def threshold(self) -> float:
        """A tenth of the floor."""
        return 0.1 * self.floor

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        items_BK = jax.random.randint(key, (batch, self.items), 1, self.alphabet + 1)

        def blanks(n: int):
            return jnp.zeros((batch, n), items_BK.dtype)

        delimiter_B1 = jnp.full((batch, 1), self.alphabet + 1, items_BK.dtype)
        inputs_BT = jnp.concatenate([items_BK, blanks(self.length - 1), delimiter_B1, blanks(self.items)], axis=1)
        targets_BT = jnp.concatenate([blanks(self.length + self.items), items_BK], axis=1)
        return Batch(inputs_BT, targets_BT)
