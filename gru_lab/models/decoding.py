"""Decoding: the likeliest answers of a network that gives one symbol after the other, by greedy choice or beam search.

Nothing here knows the network: `step(state, symbols)` gives the state after one more symbol and the logits of the next.

>>> logits = jnp.log(jnp.array([[0.1, 0.6, 0.3], [0.7, 0.1, 0.2], [0.2, 0.2, 0.6]]))  # a chain of three symbols
>>> answers = greedy(lambda state, symbols: (state, logits[symbols]), jnp.zeros(2), longest=4, begin=1, end=2)
>>> answers.symbols[0].tolist(), answers.lengths.tolist()  # 0 after 1, then 1 again: never the end
([0, 1, 0, 1], [4, 4])
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.typing import Array, Float, Int

Step = Callable[[Any, Int[Array, " B"]], tuple[Any, Float[Array, "B O"]]]


class Answers(NamedTuple):
    """The answers that were found, (batch, [beams,] ...), the best first.

    Attributes:
        symbols: with zeros behind their end.
        lengths: the number of symbols, the end included.
        log_probability: the sum over the symbols of an answer.
    """

    symbols: Int[Array, "*B T"]
    lengths: Int[Array, "*B"]
    log_probability: Float[Array, "*B"]


def penalty(lengths: Array | int, alpha: float) -> Array | float:
    """The divisor of a log-probability: ((5 + length) / 6)^alpha; Wu et al. 2016, arXiv:1609.08144, equation 14."""
    return ((5.0 + lengths) / 6.0) ** alpha


def greedy(step: Step, state: Any, longest: int, begin: int, end: int) -> Answers:
    """The likeliest symbol at each step, up to the end or for `longest` steps; jittable.

    Args:
        step: the network, `step(state, symbols) -> (state, logits)`.
        state: the state before the first symbol, leaves (batch, ...).
        longest: the most symbols of an answer, its end included.
        begin: the symbol that stands before the first.
        end: the symbol that ends an answer.
    """
    return jax.tree.map(lambda leaf: leaf[:, 0], beam(step, state, 1, longest, begin, end, alpha=0.0))


def beam(step: Step, state: Any, beams: int, longest: int, begin: int, end: int, alpha: float = 0.6) -> Answers:
    """The answers with the best scores that a search with so many beams finds, the best first; jittable.

    The score of an answer is its log-probability divided by `penalty`. At each step every answer that has not ended is
    continued by every symbol, and of these and the ended ones those with the `beams` best scores remain. The search
    ends when all have ended; answers that have not after `longest` symbols are cut there.

    Args:
        step: as in `greedy`; it is called for batch x beams answers at once, those of a sequence side by side.
        state: the state before the first symbol, leaves (batch, ...).
        beams: the number of answers that remain; one is greedy.
        longest: as in `greedy`.
        begin: as in `greedy`.
        end: as in `greedy`.
        alpha: the exponent of the penalty; with 0 short answers score better than long ones.
    """
    batch = len(jax.tree.leaves(state)[0])
    rows = jnp.arange(batch)[:, None]
    state = jax.tree.map(lambda leaf: jnp.repeat(leaf, beams, axis=0), state)
    symbols = jnp.full((batch, beams), begin, jnp.int32)
    outputs = jax.eval_shape(step, state, symbols.ravel())[1]
    total = jnp.full((batch, beams), -jnp.inf, outputs.dtype).at[:, 0].set(0)  # the first step continues one answer
    resting = jnp.full(outputs.shape[-1], -jnp.inf, outputs.dtype).at[0].set(0)  # what has ended goes on for nothing

    def unfinished(carry: Any) -> Array:
        n, *_, going = carry
        return (n < longest) & going.any()

    def extended(carry: Any) -> Any:
        n, state, symbols, answers, going = carry
        state, logits = step(state, symbols.ravel())
        chances = jnp.where(going[..., None], jax.nn.log_softmax(logits).reshape(batch, beams, -1), resting)
        totals = answers.log_probability[..., None] + chances
        lengths = jnp.where(going, n + 1, answers.lengths)
        scores = totals / jnp.asarray(penalty(lengths, alpha), totals.dtype)[..., None]
        _, places = lax.top_k(scores.reshape(batch, -1), beams)
        parents, symbols = places // totals.shape[-1], (places % totals.shape[-1]).astype(jnp.int32)
        kept = (rows * beams + parents).ravel()
        written = answers.symbols[rows, parents].at[:, :, n].set(symbols)
        answers = Answers(written, lengths[rows, parents], totals[rows, parents, symbols])
        going = going[rows, parents] & (symbols != end) & jnp.isfinite(answers.log_probability)
        return n + 1, jax.tree.map(lambda leaf: leaf[kept], state), symbols, answers, going

    answers = Answers(jnp.zeros((batch, beams, longest), jnp.int32), jnp.zeros((batch, beams), jnp.int32), total)
    return lax.while_loop(unfinished, extended, (0, state, symbols, answers, jnp.isfinite(total)))[3]
