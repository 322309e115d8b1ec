"""Selective copy: repeat the symbols that were scattered among noise."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("selective_copy")
@dataclass(frozen=True, kw_only=True)
class SelectiveCopy(Task):
    """Symbols at random places among `length` steps of noise, and then these symbols are to be repeated in order.

        items=2, length=5    gu2023      input    - 4 - - 1 : :      jing2019    input    - 4 - - 1 : - -
                                         target             4 1                  target   - - - - - - 4 1

    Noise (-) is class 0, the symbols are 1 ... `alphabet`, the delimiter (:) is input only. `convention`:

        gu2023      the delimiter stands at every step that asks, and only those answers count (cross-entropy, nats):
                    guessing loses ln(alphabet)
        jing2019    the denoise task: one delimiter, then blanks, and every step counts:
                    guessing loses items * ln(alphabet) / (T + 1 + items)

    Solved: a tenth of that.
    Source: Gu & Dao 2023, arXiv:2312.00752, section 4.1.1 (16 items, 4,096 steps, 16 tokens with the noise); Jing et
    al. 2019, Gated Orthogonal Recurrent Units, arXiv:1706.02761, section 4.2.

    >>> batch = SelectiveCopy(items=2, length=5).sample(jax.random.key(0), 1)
    >>> batch.inputs.tolist(), batch.targets.tolist(), batch.weights.astype(int).tolist()
    ([[0, 0, 8, 2, 0, 9, 9]], [[0, 0, 0, 0, 0, 8, 2]], [[0, 0, 0, 0, 0, 1, 1]])

    Attributes:
        length: the steps among which the items stand.
        items: the symbols that are to be repeated.
        alphabet: the number of symbols.
        convention: a delimiter at every step that asks, or one delimiter and every step counts.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER[1:]

    length: Size = 100
    items: Size = 10
    alphabet: Annotated[int, Range(2)] = 8
    convention: Literal["gu2023", "jing2019"] = "gu2023"

    def check(self) -> None:
        """The symbols must find places."""
        if self.items > self.length:
            self.refuse("length", f"it must be at least the number of items, {self.items}")

    @property
    def inputs(self) -> int:
        """Noise, symbols, delimiter."""
        return self.alphabet + 2

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """Noise and symbols."""
        return self.alphabet + 1

    @property
    def floor(self) -> float:
        """The cross-entropy of guessing the items."""
        share = 1 if self.convention == "gu2023" else self.items / (self.length + 1 + self.items)
        return share * math.log(self.alphabet)

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
        """Rows of items times places."""
        places = math.lgamma(self.length + 1) - math.lgamma(self.items + 1) - math.lgamma(self.length - self.items + 1)
        return math.exp(min(700, places + self.items * math.log(self.alphabet)))

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        k_item, k_place = jax.random.split(key)
        items_BK = jax.random.randint(k_item, (batch, self.items), 1, self.alphabet + 1)
        scores_BT = jax.random.uniform(k_place, (batch, self.length))
        places_BK = jnp.sort(jax.lax.top_k(scores_BT, self.items)[1], axis=1)
        rows = jnp.arange(batch)[:, None]
        noisy_BT = jnp.zeros((batch, self.length), items_BK.dtype).at[rows, places_BK].set(items_BK)
        if self.convention == "gu2023":
            ask, before = jnp.full((batch, self.items), self.alphabet + 1, items_BK.dtype), self.length
        else:
            ask = jnp.zeros((batch, self.items + 1), items_BK.dtype).at[:, 0].set(self.alphabet + 1)
            before = self.length + 1
        inputs_BT = jnp.concatenate([noisy_BT, ask], axis=1)
        targets_BT = jnp.pad(items_BK, ((0, 0), (before, 0)))
        if self.convention == "jing2019":
            return Batch(inputs_BT, targets_BT)
        asked = jnp.arange(self.length + self.items) >= before
        return Batch(inputs_BT, targets_BT, weights=jnp.broadcast_to(asked, inputs_BT.shape).astype(float))
