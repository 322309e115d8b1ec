"""The temporal order problem: classify a sequence by the order of its two or three relevant symbols."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("temporal_order")
@dataclass(frozen=True, kw_only=True)
class TemporalOrder(Task):
    """Two (6a) or three (6b) symbols X or Y hide among distractors; the class is their order.

        relevant=2    E b a X d c c a Y b d B    class "X, Y" = 1   (X, X = 0; Y, X = 2; Y, Y = 3)

    A sequence begins with E and ends with B; distractors are a, b, c, d. For `length=100` the sequences have 100 to
    110 symbols and the relevant ones stand at 10-20 and 50-60 (6a), or at 10-20, 33-43 and 66-76 (6b); other
    lengths scale these places. Guessing is right once in 4 (6a) or 8 (6b) times. Solved: 99% right.
    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 5.6, experiments 6a and 6b.

    >>> batch = TemporalOrder(length=10).sample(jax.random.key(1), 1)
    >>> "".join("EBXYabcd"[symbol] for symbol in batch.inputs[0].tolist()), batch.targets.tolist()
    ('EdYacXcbdBE', [2])

    Attributes:
        length: the least number of symbols.
        relevant: the symbols whose order is asked: 2 (6a) or 3 (6b).
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    ladder: ClassVar = LADDER

    length: Annotated[int, Range(10)] = 100
    relevant: Literal[2, 3] = 2

    E, B, X, Y = 0, 1, 2, 3  # 4 to 7 are the distractors

    @property
    def inputs(self) -> int:
        """E, B, X, Y and four distractors."""
        return 8

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """One class per order."""
        return 2**self.relevant

    @property
    def floor(self) -> float:
        """The accuracy of guessing."""
        return 1 / self.outputs

    @property
    def ceiling(self) -> float:
        """All right."""
        return 1.0

    @property
    def threshold(self) -> float:
        """99% right."""
        return 0.99

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences, padded with E after their end."""
        k_noise, k_length, k_order, *k_places = jax.random.split(key, 3 + self.relevant)
        extra = self.length // 10
        symbols_BT = jax.random.randint(k_noise, (batch, self.length + extra), 4, 8)
        lengths_B = jax.random.randint(k_length, (batch,), self.length, self.length + extra + 1)
        order_BR = jax.random.randint(k_order, (batch, self.relevant), 0, 2)  # 0 is X, 1 is Y
        steps = jnp.arange(self.length + extra)[None]
        starts = {2: (10, 50), 3: (10, 33, 66)}[self.relevant]
        for n, (start, k_place) in enumerate(zip(starts, k_places, strict=True)):
            low, high = start * self.length // 100, (start + 10) * self.length // 100
            place_B = jax.random.randint(k_place, (batch,), low, high + 1)
            symbols_BT = jnp.where(steps == place_B[:, None], self.X + order_BR[:, n, None], symbols_BT)
        symbols_BT = jnp.where(steps == lengths_B[:, None] - 1, self.B, symbols_BT)
        symbols_BT = jnp.where((steps == 0) | (steps >= lengths_B[:, None]), self.E, symbols_BT)
        classes_B = order_BR @ (2 ** jnp.arange(self.relevant - 1, -1, -1))
        return Batch(symbols_BT, classes_B, lengths_B)
