"""Parity: keep one bit up to date over a whole sequence."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from gru_lab.data import Batch
from gru_lab.schema import Size
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("parity")
@dataclass(frozen=True, kw_only=True)
class Parity(Task):
    """A row of bits; the class is 1 if an odd number of them is 1.

        1 0 1 1 0      three ones: class 1

    Every bit matters: without any one of them guessing is right half of the time. Solved: 99% right.
    Source: Deletang et al. 2023, arXiv:2207.02098 (parity check, a regular language).

    >>> batch = Parity(length=5).sample(jax.random.key(0), 1)
    >>> batch.inputs.tolist(), batch.targets.tolist()
    ([[1, 0, 0, 1, 1]], [1])

    Attributes:
        length: the number of bits.
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    ladder: ClassVar = LADDER

    length: Size = 40

    @property
    def inputs(self) -> int:
        """Two symbols."""
        return 2

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """Even or odd."""
        return 2

    @property
    def floor(self) -> float:
        """The accuracy of guessing; with a single bit there is nothing to remember."""
        return 0.5 if self.length > 1 else 1.0

    @property
    def ceiling(self) -> float:
        """All right."""
        return 1.0

    @property
    def threshold(self) -> float:
        """99% right."""
        return 0.99

    @property
    def distinct(self) -> float:
        """All rows of bits."""
        return 2.0 ** min(self.length, 1000)

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        bits_BT = jax.random.randint(key, (batch, self.length), 0, 2)
        return Batch(bits_BT, bits_BT.sum(axis=1) % 2)
