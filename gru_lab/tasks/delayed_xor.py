"""Delayed XOR: remember one marked bit until the other comes, and say if they differ."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range
from gru_lab.tasks.marked import Convention, two_marks
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("delayed_xor")
@dataclass(frozen=True, kw_only=True)
class DelayedXOR(Task):
    """Each step brings a bit (-1 or 1) and a marker; the class is the exclusive or of the two marked bits.

        bits     -1  1  1 -1 -1  1
        markers   0  1  0  0  1  0      1 and -1 differ: class 1

    `convention` places the markers as in the adding problem. Inputs (length, 2). Neither bit alone says anything:
    guessing is right half of the time. Solved: 99% right.
    Source: Martens & Sutskever 2011, Learning Recurrent Neural Networks with Hessian-Free Optimization, ICML, section
    on the XOR problem, which is the adding problem with bits; here all sequences are equally long.

    >>> batch = DelayedXOR(length=6).sample(jax.random.key(0), 1)
    >>> batch.inputs[0].astype(int).T.tolist(), batch.targets.tolist()
    ([[-1, 1, 1, 1, 1, -1], [0, 0, 1, 1, 0, 0]], [0])

    Attributes:
        length: the number of steps.
        convention: where the markers stand: one in each half, or two anywhere.
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    ladder: ClassVar = LADDER

    length: Annotated[int, Range(2)] = 100
    convention: Convention = "arjovsky2016"

    @property
    def inputs(self) -> int:
        """Bit and marker."""
        return 2

    @property
    def outputs(self) -> int:
        """Equal or different."""
        return 2

    @property
    def floor(self) -> float:
        """The accuracy of guessing."""
        return 0.5

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
        """Bits times places of the markers."""
        half = self.length // 2
        pairs = (
            half * (self.length - half) if self.convention == "arjovsky2016" else self.length * (self.length - 1) / 2
        )
        return 2.0 ** min(self.length, 1000) * pairs

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        k_bit, k_first, k_second = jax.random.split(key, 3)
        bits_BT = jax.random.bernoulli(k_bit, shape=(batch, self.length))
        marked_BT = two_marks(k_first, k_second, batch, self.length, self.convention)
        classes_B = jnp.sum(bits_BT & marked_BT, axis=1) % 2
        signs_BT = jnp.where(bits_BT, 1.0, -1.0)
        return Batch(jnp.stack([signs_BT, marked_BT.astype(signs_BT.dtype)], axis=-1), classes_B)
