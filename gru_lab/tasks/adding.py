"""The adding problem: remember two numbers among many until the end."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range
from gru_lab.tasks.task import Task, register
from gru_lab.typing import Key


@register("adding")
@dataclass(frozen=True, kw_only=True)
class Adding(Task):
    """Each step brings a number from U[0, 1] and a marker; the answer is the sum of the two marked numbers.

        numbers  0.7  0.2  0.5  0.9  0.1  0.6
        markers   0    1    0    0    1    0       answer 0.2 + 0.1 = 0.3

    `markers`: one in each half (Arjovsky 2016, Tallec 2018), or at two different places anywhere (Bai 2018).
    Inputs (length, 2), target (1,). Always answering 1 has the mean squared error 1/6, the variance of the sum.
    Solved: a mean squared error under 0.01, a root-mean-square error of a tenth.
    Source: Hochreiter & Schmidhuber 1997, section 5.4, as simplified by Arjovsky et al. 2016, arXiv:1511.06464.
    """

    answer: ClassVar = "real"

    length: Annotated[int, Range(2)] = 100
    markers: Literal["halves", "anywhere"] = "halves"

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
    def threshold(self) -> float:
        """A mean squared error of 0.01."""
        return 0.01

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        k_number, k_first, k_second = jax.random.split(key, 3)
        numbers_BT = jax.random.uniform(k_number, (batch, self.length))
        if self.markers == "halves":
            first_B = jax.random.randint(k_first, (batch,), 0, self.length // 2)
            second_B = jax.random.randint(k_second, (batch,), self.length // 2, self.length)
        else:
            first_B = jax.random.randint(k_first, (batch,), 0, self.length)
            second_B = (first_B + jax.random.randint(k_second, (batch,), 1, self.length)) % self.length
        steps = jnp.arange(self.length)[None]
        markers_BT = ((steps == first_B[:, None]) | (steps == second_B[:, None])).astype(numbers_BT.dtype)
        targets_B1 = jnp.sum(numbers_BT * markers_BT, axis=1, keepdims=True)
        return Batch(jnp.stack([numbers_BT, markers_BT], axis=-1), targets_B1)
