"""Dyck languages: nested brackets of several kinds."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Array, Key


@register("dyck")
@dataclass(frozen=True, kw_only=True)
class Dyck(Task):
    """Brackets of `kinds` kinds, nested at most `depth` deep.

        kinds=2, depth=2    next           input   ( [ ] ) (      target   [ ] ) ( ?
                            well_formed    ( [ ] ( ) ) class 1    ( [ ) ( ) ) class 0

    Symbols 0 ... kinds - 1 open, kinds ... 2 kinds - 1 close. `convention`:

        next           the next symbol at every step (cross-entropy, nats); a bracket opens with probability 1/2, always
                       at depth 0 and never at the greatest depth (Hewitt 2020)
        well_formed    after the last step of a closed sequence, if every bracket closes its own kind; half of the
                       sequences do, in the others one closing bracket has another kind (needs two kinds; Weiss 2018)

    The floor of `next` is the entropy of the next symbol given the step and the symbol of now, which after an opening
    bracket tells which one may close; its ceiling is the entropy given the stack. Solved: nine tenths of the way.
    Source: Hewitt et al. 2020, RNNs can generate bounded hierarchical languages with optimal memory, arXiv:2010.07515;
    Weiss et al. 2018, arXiv:1711.09576.

    >>> batch = Dyck(length=6).sample(jax.random.key(0), 1)
    >>> "".join("([)]"[symbol] for symbol in batch.inputs[0].tolist()), batch.targets.tolist()
    ('((([])', [[0, 0, 1, 3, 2, 2]])

    Attributes:
        length: the number of steps.
        kinds: the kinds of brackets.
        depth: how deep they may be nested.
        convention: what is asked: the next symbol, or whether the sequence is well formed.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER

    length: Annotated[int, Range(2)] = 100
    kinds: Size = 2
    depth: Size = 4
    convention: Literal["next", "well_formed"] = "next"

    def check(self) -> None:
        """Sequences that are closed are even, and only another kind makes one wrong."""
        if self.convention == "well_formed" and self.kinds < 2:
            self.refuse("kinds", "it must be at least 2 with convention='well_formed'")
        if self.convention == "well_formed" and self.length % 2:
            self.refuse("length", "it must be even with convention='well_formed'")

    @property
    def inputs(self) -> int:
        """Opening and closing brackets."""
        return 2 * self.kinds

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """The brackets, or yes and no."""
        return 2 * self.kinds if self.convention == "next" else 2

    @property
    def floor(self) -> float:
        """The entropy without the stack."""
        return self._entropies[0] if self.convention == "next" else math.log(2)

    @property
    def ceiling(self) -> float:
        """The entropy with the stack."""
        return self._entropies[1] if self.convention == "next" else 0.0

    @property
    def threshold(self) -> float:
        """Nine tenths of the way from floor to ceiling."""
        return 0.1 * self.floor + 0.9 * self.ceiling

    @property
    def _entropies(self) -> tuple[float, float]:
        """Nats per step given the step and the symbol of now, and given the stack; by the distribution of depths."""
        opening, kind = _opening(self.length, self.depth, False), math.log(self.kinds)
        now, ceiling = {True: np.zeros(self.depth + 1), False: np.zeros(self.depth + 1)}, 0.0  # opened, closed
        now[True][1] = 1.0
        floor = 0.0
        for t in range(1, self.length + 1):  # symbol t is asked, symbol t - 1 is the input
            for opened, depths in now.items():
                p = float(depths.sum())
                opens = float(depths @ opening[t]) / p if p else 0.0
                floor += p * (_bit(opens) + (opens if opened else 1.0) * kind)
            depths = now[True] + now[False]
            ceiling += float(sum(q * (_bit(a) + a * kind) for q, a in zip(depths, opening[t], strict=True)))
            now = {True: np.roll(depths * opening[t], 1), False: np.roll(depths * (1 - opening[t]), -1)}
        return floor / self.length, ceiling / self.length

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        asked_next = self.convention == "next"
        steps = self.length + asked_next
        opening_TD = jnp.asarray(_opening(self.length, self.depth, not asked_next), jnp.float32)[:steps]
        k_open, k_kind, k_class, k_wrong = jax.random.split(key, 4)
        coins_TB = jax.random.uniform(k_open, (steps, batch))
        kinds_TB = jax.random.randint(k_kind, (steps, batch), 0, self.kinds)
        levels = jnp.arange(self.depth + 1)[None]

        def step(state: tuple[Array, Array], drawn: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], Array]:
            depth_B, stack_BD = state
            coins_B, kinds_B, opening_D = drawn
            opens_B = coins_B < opening_D[depth_B]
            top_BD = levels == (depth_B - 1)[:, None]
            closed_B = self.kinds + jnp.sum(jnp.where(top_BD, stack_BD, 0), axis=1)
            pushed_BD = jnp.where((levels == depth_B[:, None]) & opens_B[:, None], kinds_B[:, None], stack_BD)
            return (depth_B + jnp.where(opens_B, 1, -1), pushed_BD), jnp.where(opens_B, kinds_B, closed_B)

        nothing = jnp.zeros(batch, kinds_TB.dtype), jnp.zeros((batch, self.depth + 1), kinds_TB.dtype)
        brackets_BT = jax.lax.scan(step, nothing, (coins_TB, kinds_TB, opening_TD))[1].T
        if asked_next:
            return Batch(brackets_BT[:, :-1], brackets_BT[:, 1:])
        classes_B = jax.random.randint(k_class, (batch,), 0, 2)
        k_place, k_shift = jax.random.split(k_wrong)
        closing_BT = brackets_BT >= self.kinds
        chosen_B = jnp.argmax(jnp.where(closing_BT, jax.random.uniform(k_place, closing_BT.shape), -1), axis=1)
        shift_B = jnp.where(classes_B == 0, jax.random.randint(k_shift, (batch,), 1, max(self.kinds, 2)), 0)
        wrong_BT = self.kinds + (brackets_BT - self.kinds + shift_B[:, None]) % self.kinds
        inputs_BT = jnp.where(jnp.arange(steps)[None] == chosen_B[:, None], wrong_BT, brackets_BT)
        last = jnp.arange(steps)[None] == steps - 1
        return Batch(
            inputs_BT, jnp.where(last, classes_B[:, None], 0), weights=jnp.tile(jnp.where(last, 1.0, 0.0), (batch, 1))
        )


def _bit(p: float) -> float:
    """The entropy of a coin in nats."""
    return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)


@lru_cache
def _opening(length: int, depth: int, closed: bool) -> np.ndarray:
    """The probability of an opening bracket by step and depth, (length + 1, depth + 1).

    One half within the bounds; with `closed`, such that all sequences that end at depth 0 after `length` steps are
    equally likely: the share of continuations that begin with an opening bracket.
    """
    if not closed:
        free = np.full((length + 1, depth + 1), 0.5)
        free[:, 0], free[:, depth] = 1.0, 0.0
        return free
    opening, ways = np.zeros((length + 1, depth + 1)), np.eye(1, depth + 1)[0]
    for t in reversed(range(length)):
        up, down = np.append(ways[1:], 0.0), np.append(0.0, ways[:-1])
        ways = up + down
        opening[t] = up / np.where(ways > 0, ways, 1)
        ways /= ways.sum()
    return opening
