"""One step after the other, as JAX itself would run it: the definition of every method's numbers."""

from dataclasses import dataclass
from typing import Any

import jax
from jax import lax

from gru_lab.recurrence.method import Method, Read, Step
from gru_lab.typing import Array, Params, State


@dataclass(frozen=True)
class Reference(Method):
    """`jax.lax.scan` over the step, mapped over the batch: what the other methods are tested against."""

    def run(self, step: Step, read: Read, params: Params, state: State, xs: Any, reverse: bool) -> tuple[State, Array]:
        """See `Method.run`."""
        batched_step, batched_read = jax.vmap(step, (None, 0, 0)), jax.vmap(read)

        def advance(state: State, x: Any) -> tuple[State, Array]:
            state = batched_step(params, state, x)
            return state, batched_read(state)

        return lax.scan(advance, state, xs, reverse=reverse)
