"""Multi-query associative recall: pairs of keys and values, and then the keys again."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch
from gru_lab.schema import Positive, Range, Size
from gru_lab.tasks.task import Task, register
from gru_lab.typing import Key


@register("associative_recall")
@dataclass(frozen=True, kw_only=True)
class AssociativeRecall(Task):
    """`pairs` of a key and its value; later every key comes once more, and its value is to be told at that step.

        pairs=2, filler="blank"    input    2 8 4 7 0 0 4 0 0 0 0 0 2 0 0 0
                                   target               7           8

    Of the tokens below `vocabulary` 0 is a blank, the lower half are keys and the upper half values; the tokens of a
    sequence differ among themselves. Queries stand at even steps after the pairs, the gap drawn without replacement
    with probability proportional to gap^(power - 1), so that most come early; `filler` is what stands between: random
    tokens of the whole vocabulary (as in the paper), or blanks. Only the answers at queries count. The best answer
    without memory guesses one of the values: right once in vocabulary / 2. Solved: 99% right.
    Source: Arora et al. 2023, Zoology, arXiv:2312.04927, and their code (HazyResearch/zoology,
    zoology/data/multiquery_ar.py): a vocabulary of 8,192, 4 to 64 pairs, 64 to 512 steps.

    >>> batch = AssociativeRecall(length=16, pairs=2, vocabulary=12, filler="blank").sample(jax.random.key(0), 1)
    >>> batch.inputs.tolist(), (batch.targets * batch.weights.astype(int)).tolist()
    ([[1, 8, 3, 9, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]])

    Attributes:
        length: the number of steps.
        pairs: the pairs that are to be remembered.
        vocabulary: the number of tokens: a blank, keys, values.
        power: near 0 queries come early, at 1 anywhere.
        filler: what stands between queries.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    ladder: ClassVar = (16, 32, 64, 128, 256, 512)

    length: Annotated[int, Range(4)] = 64
    pairs: Size = 4
    vocabulary: Annotated[int, Range(6)] = 64
    power: Positive = 0.01
    filler: Literal["random", "blank"] = "random"

    def check(self) -> None:
        """There must be room for the queries, and keys enough."""
        if 4 * self.pairs > self.length:
            self.refuse("length", f"it must be at least four times the number of pairs, {4 * self.pairs}")
        if self.vocabulary % 2 or self.pairs > self.vocabulary // 2 - 1:
            self.refuse("vocabulary", f"it must be even and at least {2 * self.pairs + 2} for {self.pairs} pairs")

    @property
    def inputs(self) -> int:
        """All tokens."""
        return self.vocabulary

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """All tokens."""
        return self.vocabulary

    @property
    def floor(self) -> float:
        """The accuracy of guessing a value."""
        return 2 / self.vocabulary

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
        """Ordered keys times ordered values, at the least; places and fillers multiply them."""
        keys, values = self.vocabulary // 2 - 1, self.vocabulary // 2
        return float(math.perm(keys, self.pairs)) * float(math.perm(values, self.pairs))

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        k_key, k_value, k_gap, k_filler = jax.random.split(key, 4)
        half, context = self.vocabulary // 2, 2 * self.pairs
        keys_BP = 1 + _different(k_key, batch, np.zeros(half - 1), self.pairs)
        values_BP = half + _different(k_value, batch, np.zeros(half), self.pairs)
        space = (self.length - context) // 2
        gaps_BP = _different(k_gap, batch, (self.power - 1) * np.log(np.arange(1, space + 1)), self.pairs)
        shape, rows = (batch, self.length), jnp.arange(batch)[:, None]
        blanks_BT = jnp.zeros(shape, keys_BP.dtype)
        filler_BT = jax.random.randint(k_filler, shape, 0, self.vocabulary) if self.filler == "random" else blanks_BT
        pairs_BC = jnp.stack([keys_BP, values_BP], axis=2).reshape(batch, context)
        places_BP = context + 2 * gaps_BP
        inputs_BT = filler_BT.at[:, :context].set(pairs_BC).at[rows, places_BP].set(keys_BP)
        targets_BT = blanks_BT.at[rows, places_BP].set(values_BP)
        return Batch(inputs_BT, targets_BT, weights=jnp.zeros(shape).at[rows, places_BP].set(1.0))


def _different(key: Key, batch: int, log_weights: np.ndarray, count: int):
    """Places drawn without replacement, one after the other in proportion to their weights, (batch, count).

    The greatest of independent Gumbel variables shifted by the logarithms of the weights (Kool et al. 2019,
    arXiv:1903.06059).
    """
    scores = jax.random.gumbel(key, (batch, len(log_weights))) + jnp.asarray(log_weights, jnp.float32)[None]
    return jax.lax.top_k(scores, count)[1]
