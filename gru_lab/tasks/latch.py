"""The latch, or two-sequence, problem: the first few inputs decide, and noise follows."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key

DEVIATION = math.sqrt(0.2)


@register("latch")
@dataclass(frozen=True, kw_only=True)
class Latch(Task):
    """The first `informative` inputs are 1 for class 1 and -1 for class 0; Gaussian noise of variance 0.2 follows.

        informative=3    1.0  1.0  1.0  0.3 -0.5  0.1 ...    class 1

    Sequences have `length` to 1.1 `length` steps, inputs (steps, 1). `convention`:

        hochreiter1997_3a    the informative inputs are clean
        hochreiter1997_3b    they have the same noise on them, so that even the best answer, the sign of their sum, errs
                             with probability Phi(-sqrt(informative / 0.2))

    Guessing is right half of the time. Solved: 99% right, or within 1% of the ceiling.
    Source: Bengio, Simard & Frasconi 1994, Learning Long-Term Dependencies with Gradient Descent is Difficult, IEEE
    Transactions on Neural Networks 5(2) (latching and two-sequence problem), as Hochreiter & Schmidhuber 1997, Neural
    Computation 9(8), section 5.3, pose it (experiments 3a and 3b, three informative inputs).

    >>> batch = jax.device_get(Latch(length=5).sample(jax.random.key(0), 1))
    >>> print(batch.inputs[0].T.round(1), batch.targets, batch.lengths)
    [[ 1.   1.   1.  -0.2 -0.3]] [1] [5]

    Attributes:
        length: the least number of steps.
        informative: the inputs that tell the class.
        convention: whether they are clean or noisy.
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    ladder: ClassVar = LADDER

    length: Annotated[int, Range(2)] = 100
    informative: Size = 3
    convention: Literal["hochreiter1997_3a", "hochreiter1997_3b"] = "hochreiter1997_3a"

    def check(self) -> None:
        """Something must be left to be held."""
        if self.informative >= self.length:
            self.refuse("length", f"it must be above the number of informative inputs, {self.informative}")

    @property
    def inputs(self) -> int:
        """One number."""
        return 1

    @property
    def outputs(self) -> int:
        """Two classes."""
        return 2

    @property
    def floor(self) -> float:
        """The accuracy of guessing."""
        return 0.5

    @property
    def ceiling(self) -> float:
        """All right, or as many as the noise lets through."""
        if self.convention == "hochreiter1997_3a":
            return 1.0
        return 0.5 * math.erfc(-math.sqrt(self.informative / 2) / DEVIATION)

    @property
    def threshold(self) -> float:
        """99% of the ceiling."""
        return 0.99 * self.ceiling

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences; noise fills up the padding."""
        k_class, k_noise, k_length = jax.random.split(key, 3)
        extra = self.length // 10
        classes_B = jax.random.randint(k_class, (batch,), 0, 2)
        noise_BT = DEVIATION * jax.random.normal(k_noise, (batch, self.length + extra))
        lengths_B = jax.random.randint(k_length, (batch,), self.length, self.length + extra + 1)
        clean = 1.0 if self.convention == "hochreiter1997_3a" else 0.0
        informs = jnp.arange(self.length + extra)[None] < self.informative
        signs_B1 = jnp.where(classes_B == 1, 1.0, -1.0)[:, None]
        inputs_BT = jnp.where(informs, signs_B1 + (1 - clean) * noise_BT, noise_BT)
        return Batch(inputs_BT[..., None], classes_B, lengths_B)
