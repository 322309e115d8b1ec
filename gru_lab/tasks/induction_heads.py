"""Induction heads: say what came after this token the last time."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Range
from gru_lab.tasks.task import Task, register
from gru_lab.typing import Key


@register("induction_heads")
@dataclass(frozen=True, kw_only=True)
class InductionHeads(Task):
    """Random tokens in which something comes again; the answer is the token that followed it the first time.

        length=8    gu2023        input    3 0 1 : 2 0 3 :      target                2
                    olsson2022    input    3 0 1 2 3 0 1 2      target        0 1 2

    `convention`:

        gu2023        a special token (:) stands once at a random place and again at the end, where alone it is asked
        olsson2022    the first half of a sequence is repeated, and at every step of the second half but the last one
                      the next token is asked

    The best answer without memory guesses one of the `alphabet` tokens. Solved: 99% right.
    Source: Olsson et al. 2022, In-context Learning and Induction Heads, arXiv:2209.11895 (repeated random tokens); Gu &
    Dao 2023, arXiv:2312.00752, section 4.1.2 (16 tokens, 256 steps in training, up to 2^20 in tests).

    >>> batch = InductionHeads(length=8, alphabet=4).sample(jax.random.key(0), 1)
    >>> batch.inputs.tolist(), int(batch.targets[0, -1])
    ([[3, 1, 4, 1, 2, 0, 1, 4]], 1)

    Attributes:
        length: the number of steps.
        alphabet: the number of tokens.
        convention: one token that comes twice, or a whole half that is repeated.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    ladder: ClassVar = (16, 32, 64, 128, 256, 512)

    length: Annotated[int, Range(4)] = 64
    alphabet: Annotated[int, Range(2)] = 16
    convention: Literal["gu2023", "olsson2022"] = "gu2023"

    def check(self) -> None:
        """A sequence that repeats itself has two halves."""
        if self.convention == "olsson2022" and self.length % 2:
            self.refuse("length", "it must be even with convention='olsson2022'")

    @property
    def inputs(self) -> int:
        """Tokens and the special one."""
        return self.alphabet + 1

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """Tokens."""
        return self.alphabet

    @property
    def floor(self) -> float:
        """The accuracy of guessing."""
        return 1 / self.alphabet

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
        """Rows of random tokens, times places of the special one."""
        free, places = (self.length // 2, 1) if self.convention == "olsson2022" else (self.length - 2, self.length - 2)
        return math.exp(min(700, free * math.log(self.alphabet) + math.log(places)))

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        k_token, k_place = jax.random.split(key)
        steps = jnp.arange(self.length)[None]
        if self.convention == "olsson2022":
            half_BN = jax.random.randint(k_token, (batch, self.length // 2), 0, self.alphabet)
            inputs_BT = jnp.tile(half_BN, (1, 2))
            asked = (steps >= self.length // 2) & (steps < self.length - 1)
            return Batch(
                inputs_BT, jnp.roll(inputs_BT, -1, axis=1), weights=jnp.tile(jnp.where(asked, 1.0, 0.0), (batch, 1))
            )
        tokens_BT = jax.random.randint(k_token, (batch, self.length), 0, self.alphabet)
        place_B1 = jax.random.randint(k_place, (batch, 1), 0, self.length - 2)
        answers_B1 = jnp.take_along_axis(tokens_BT, place_B1 + 1, axis=1)
        last = steps == self.length - 1
        inputs_BT = jnp.where((steps == place_B1) | last, self.alphabet, tokens_BT)
        return Batch(inputs_BT, jnp.where(last, answers_B1, 0), weights=jnp.tile(jnp.where(last, 1.0, 0.0), (batch, 1)))
