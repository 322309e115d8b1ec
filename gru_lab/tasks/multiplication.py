"""The multiplication problem: remember two numbers among many, and multiply them at the end."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range
from gru_lab.tasks.marked import Convention, two_marks
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("multiplication")
@dataclass(frozen=True, kw_only=True)
class Multiplication(Task):
    """Each step brings a number from U[0, 1] and a marker; the answer is the product of the two marked numbers.

        numbers  0.7  0.2  0.5  0.9  0.1  0.6
        markers   0    1    0    0    1    0       answer 0.2 * 0.1 = 0.02

    `convention` places the markers as in the adding problem. Inputs (length, 2), target (1,). Always answering 1/4 has
    the mean squared error 1/9 - 1/16 = 7/144, the variance of the product. Solved: a tenth of that.
    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 5.5 (experiment 5); here all sequences are
    equally long, as in Martens & Sutskever 2011.

    >>> batch = jax.device_get(Multiplication(length=4).sample(jax.random.key(0), 1))
    >>> print(batch.inputs[0].T.round(2), batch.targets[0].round(2))
    [[0.84 0.18 0.23 0.12]
     [1.   0.   0.   1.  ]] [0.1]

    Attributes:
        length: the number of steps.
        convention: where the markers stand: one in each half, or two anywhere.
    """

    answer: ClassVar = "real"
    ladder: ClassVar = LADDER

    length: Annotated[int, Range(2)] = 100
    convention: Convention = "arjovsky2016"

    @property
    def inputs(self) -> int:
        """Number and marker."""
        return 2

    @property
    def outputs(self) -> int:
        """The product."""
        return 1

    @property
    def floor(self) -> float:
        """The variance of the product of two numbers from U[0, 1]."""
        return 7 / 144

    @property
    def ceiling(self) -> float:
        """No error."""
        return 0.0

    @property
    def threshold(self) -> float:
        """A tenth of the floor."""
        return 0.1 * self.floor

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        k_number, k_first, k_second = jax.random.split(key, 3)
        numbers_BT = jax.random.uniform(k_number, (batch, self.length))
        marked_BT = two_marks(k_first, k_second, batch, self.length, self.convention)
        targets_B1 = jnp.prod(jnp.where(marked_BT, numbers_BT, 1), axis=1, keepdims=True)
        return Batch(jnp.stack([numbers_BT, marked_BT.astype(numbers_BT.dtype)], axis=-1), targets_B1)
