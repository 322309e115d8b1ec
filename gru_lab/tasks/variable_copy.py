"""The copy problem with a pause of unknown length."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("variable_copy")
@dataclass(frozen=True, kw_only=True)
class VariableCopy(Task):
    """A row of symbols, a pause of 1 to `length` steps whose last is a delimiter, and then the row is to be repeated.

        items=2, length=4    input    4 1 - : - -         input    3 3 - - - : - -
                             target   - - - - 4 1         target   - - - - - - 3 3

    Blank (-) is class 0, the symbols are 1 ... `alphabet`, the delimiter (:) is input only. The pause is drawn
    uniformly for every sequence, so that counting steps does not help: only the delimiter says when. Every step within
    a sequence counts (cross-entropy, nats).
    The best answer without the items knows when they are asked and guesses: items * ln(alphabet) / ((T + 1) / 2 +
    2 items), the baseline of the sources. Solved: a tenth of that.
    Source: Henaff et al. 2016, arXiv:1602.06662, section 3; Tallec & Ollivier 2018, arXiv:1804.11188.

    >>> batch = VariableCopy(items=2, length=4).sample(jax.random.key(0), 2)
    >>> batch.inputs.tolist(), batch.targets.tolist(), batch.lengths.tolist()
    ([[8, 2, 0, 0, 9, 0, 0, 0], [8, 2, 0, 0, 9, 0, 0, 0]], [[0, 0, 0, 0, 0, 8, 2, 0], [0, 0, 0, 0, 0, 8, 2, 0]], [7, 7])

    Attributes:
        length: the longest pause, in steps.
        items: the symbols that are to be repeated.
        alphabet: the number of symbols.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER

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
        """The cross-entropy of guessing the items, over the mean number of steps."""
        return self.items * math.log(self.alphabet) / ((self.length + 1) / 2 + 2 * self.items)

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
        """Rows of items times pauses."""
        return float(self.alphabet) ** self.items * self.length

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences, padded with blanks."""
        k_item, k_pause = jax.random.split(key)
        items_BK = jax.random.randint(k_item, (batch, self.items), 1, self.alphabet + 1)
        pause_B1 = jax.random.randint(k_pause, (batch, 1), 1, self.length + 1)
        steps = jnp.arange(self.length + 2 * self.items)[None]
        row_BT = jnp.pad(items_BK, ((0, 0), (0, self.length + self.items)))
        inputs_BT = jnp.where(steps == self.items + pause_B1 - 1, self.alphabet + 1, row_BT)
        place_BT = steps - self.items - pause_B1  # in the row that is asked
        asked_BT = jnp.take_along_axis(items_BK, jnp.clip(place_BT, 0, self.items - 1), axis=1)
        targets_BT = jnp.where((place_BT >= 0) & (place_BT < self.items), asked_BT, 0)
        return Batch(inputs_BT, targets_BT, pause_B1[:, 0] + 2 * self.items)
