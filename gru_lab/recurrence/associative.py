"""Cells whose new state is affine in the old one, for all steps at once and exactly."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gru_lab.errors import UserError
from gru_lab.recurrence import affine
from gru_lab.recurrence.method import Masks, Method, Read, Step, register
from gru_lab.recurrence.parallel import run
from gru_lab.recurrence.vectors import VectorStep
from gru_lab.typing import Array, Params, State


@register("associative")
@dataclass(frozen=True, kw_only=True)
class Associative(Method):
    """One parallel scan for s_t = A(x_t) s_{t-1} + b(x_t), the recurrence of minGRU, minLSTM, LRU, RG-LRU, S5 and S6.

    The step is recognised as affine from its jaxpr, and as unit by unit where A is diagonal; other steps are refused.
    Source: Martin & Cundy 2018, Parallelizing linear recurrent neural nets over sequence length, arXiv:1709.04057.
    """

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        return run("associative", _forward, step, read, params, state, xs, masks, reverse)


def _forward(step: VectorStep, params: Params, s_BUk: Array, xs: Any) -> Array:
    if not step.structure.affine:
        raise UserError(
            "method is 'associative', which needs a step that is affine in the state, and this one is not: take "
            "method='parallel' or method='sequential'"
        )
    time = jax.tree.leaves(xs)[0].shape[0]
    b, A = step.over(step.jacobian, params)(params, jnp.zeros((time, *s_BUk.shape), s_BUk.dtype), xs)
    return affine.solve(A, b.at[0].add(affine.apply(A[0], s_BUk)))
