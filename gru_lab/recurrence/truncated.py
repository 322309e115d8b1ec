"""Truncated backpropagation through time: a method whose gradients end at the chunks' boundaries."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gru_lab.recurrence.method import Masks, Method, Read, Step
from gru_lab.recurrence.sequential import Sequential
from gru_lab.schema import Size
from gru_lab.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class Truncated(Method):
    """Another method, through which no gradient goes back from one chunk of `steps` time steps to the one before.

    The state goes on from chunk to chunk, so that outputs are the other method's. As its gradients are not, it is not
    a registered method: it is made around one. Chunks are counted from the step at which the loop begins.
    Source: Williams & Peng 1990, Neural Computation 2(4), BPTT(h; h') with h = h' = `steps`.

    >>> from gru_lab import cells, unroll
    >>> cell = cells.RNN(hidden=4)
    >>> params, xs = cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 6, 3))
    >>> last = lambda xs: unroll(cell, params, xs, method=Truncated(steps=2))[1][:, -1].sum()
    >>> [bool((g != 0).any()) for g in jax.grad(last)(xs)[0]]
    [False, False, False, False, True, True]
    """

    steps: Size
    method: Method = Sequential()

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        time, batch = jax.tree.leaves(xs)[0].shape[:2]
        if self.steps >= time:
            return self.method.run(step, read, params, state, xs, masks, reverse)
        step, params, xs = masks.folded_into(step, params, xs)
        before = jnp.arange(time)[::-1] if reverse else jnp.arange(time)  # steps that were run before
        first_TB = jnp.broadcast_to(((before > 0) & (before % self.steps == 0))[:, None], (time, batch))

        def cut(params: Params, state: State, x: Any) -> State:
            x, first = x
            constant = jax.lax.stop_gradient(state)
            return step(params, jax.tree.map(lambda c, s: jnp.where(first, c, s), constant, state), x)

        return self.method.run(cut, read, params, state, (xs, first_TB), Masks(), reverse)
