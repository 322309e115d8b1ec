"""One step after the other, as JAX itself would run it: the definition of every method's numbers."""

from dataclasses import dataclass
from typing import Any

import jax
from jax import lax

from gru_lab.recurrence.method import Masks, Method, Read, Step, in_axes, register
from gru_lab.typing import Params, State


@register("reference")
@dataclass(frozen=True, kw_only=True)
class Reference(Method):
    """`jax.lax.scan` over the step, mapped over the batch: what the other methods are tested against."""

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        step, params, xs = masks.folded_into(step, params, xs)
        batched_step, batched_read = jax.vmap(step, (in_axes(params), 0, 0)), jax.vmap(read)

        def advance(state: State, x: Any) -> tuple[State, Any]:
            state = batched_step(params, state, x)
            return state, batched_read(state)

        return lax.scan(advance, state, xs, reverse=reverse)
