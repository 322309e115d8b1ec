"""The adding problem: remember two numbers among many until the end."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range
from gru_lab.tasks.marked import Convention, two_marks
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("adding")
@dataclass(frozen=True, kw_only=True)
class Adding(Task):
    """Each step brings a number from U[0, 1] and a marker; the answer is the sum of the two marked numbers.

        numbers  0.7  0.2  0.5  0.9  0.1  0.6
        markers   0    1    0    0    1    0       answer 0.2 + 0.1 = 0.3

    `convention`: one marker in each half (`arjovsky2016`; Tallec 2018 as well), or two anywhere (`bai2018`).
    Inputs (length, 2), target (1,). Always answering 1 has the mean squared error 1/6, the variance of the sum.
    Solved: a mean squared error under 0.01, a root-mean-square error of a tenth.
    Source: Hochreiter & Schmidhuber 1997, section 5.4, as simplified by Arjovsky et al. 2016, arXiv:1511.06464;
    Bai et al. 2018, arXiv:1803.01271.

    >>> batch = jax.device_get(Adding(length=4).sample(jax.random.key(0), 1))
    >>> print(batch.inputs[0].T.round(2), batch.targets[0].round(2))
    [[0.84 0.18 0.23 0.12]
     [1.   0.   0.   1.  ]] [0.96]

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
        """The sum."""
        return 1

    @property
    def floor(self) -> float:
        """The variance of the sum of two numbers from U[0, 1]."""
        return 1 / 6

    @property
    def ceiling(self) -> float:
        """No error."""
        return 0.0

    @property
    def threshold(self) -> float:
        """A mean squared error of 0.01."""
        return 0.01

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        k_number, k_first, k_second = jax.random.split(key, 3)
        numbers_BT = jax.random.uniform(k_number, (batch, self.length))
        markers_BT = two_marks(k_first, k_second, batch, self.length, self.convention).astype(numbers_BT.dtype)
        targets_B1 = jnp.sum(numbers_BT * markers_BT, axis=1, keepdims=True)
        return Batch(jnp.stack([numbers_BT, markers_BT], axis=-1), targets_B1)
