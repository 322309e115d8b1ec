"""The copy problem: repeat a row of symbols after a long pause."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import LADDER, Task, register
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

    `convention` `arjovsky2016` has symbols as inputs and one delimiter. `bai2018` has the class as a number, (steps,
    1), repeats the delimiter at every step that asks (: : : :), and has an output for the delimiter, never right.
    Source: Arjovsky et al. 2016, arXiv:1511.06464, section 5.1 (10 items of 8 symbols); Bai et al. 2018,
    arXiv:1803.01271, and their code (locuslab/TCN, TCN/copy_memory/utils.py).

    >>> batch = Copy(items=3, length=4).sample(jax.random.key(0), 1)
    >>> batch.inputs.tolist(), batch.targets.tolist()
    ([[6, 1, 1, 0, 0, 0, 9, 0, 0, 0]], [[0, 0, 0, 0, 0, 0, 0, 6, 1, 1]])
    >>> Copy(items=3, length=4, convention="bai2018").sample(jax.random.key(0), 1).inputs[0, :, 0].tolist()
    [6.0, 1.0, 1.0, 0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0]

    Attributes:
        length: the pause, in steps.
        items: the symbols that are to be repeated.
        alphabet: the number of symbols.
        convention: one delimiter and symbols as inputs, or a delimiter at every step that asks and numbers as inputs.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER

    length: Size = 100
    items: Size = 10
    alphabet: Annotated[int, Range(2)] = 8
    convention: Literal["arjovsky2016", "bai2018"] = "arjovsky2016"

    @property
    def inputs(self) -> int:
        """Blank, symbols, delimiter; or one number."""
        return self.alphabet + 2 if self.symbols else 1

    @property
    def symbols(self) -> bool:
        """Inputs are symbols, or numbers."""
        return self.convention == "arjovsky2016"

    @property
    def outputs(self) -> int:
        """Blank and symbols, and the delimiter where the convention has it."""
        return self.alphabet + (1 if self.convention == "arjovsky2016" else 2)

    @property
    def floor(self) -> float:
        """The cross-entropy of guessing the items."""
        return self.items * math.log(self.alphabet) / (self.length + 2 * self.items)

    @property
    def ceiling(self) -> float:
        """No error."""
        return 0.0

    @property
    def distinct(self) -> float:
        """All rows of items."""
        return float(self.alphabet) ** self.items

    @property
    def threshold(self) -> float:
        """A tenth of the floor."""
        return 0.1 * self.floor

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        items_BK = jax.random.randint(key, (batch, self.items), 1, self.alphabet + 1)

        def blanks(n: int):
            return jnp.zeros((batch, n), items_BK.dtype)

        def delimiters(n: int):
            return jnp.full((batch, n), self.alphabet + 1, items_BK.dtype)

        targets_BT = jnp.concatenate([blanks(self.length + self.items), items_BK], axis=1)
        if self.convention == "bai2018":
            inputs_BT = jnp.concatenate([items_BK, blanks(self.length - 1), delimiters(self.items + 1)], axis=1)
            return Batch(inputs_BT[..., None].astype(float), targets_BT)
        inputs_BT = jnp.concatenate([items_BK, blanks(self.length - 1), delimiters(1), blanks(self.items)], axis=1)
        return Batch(inputs_BT, targets_BT)
