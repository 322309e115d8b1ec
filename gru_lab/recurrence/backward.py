"""One step backwards: the cotangent of the state, and what the weights' gradients need, derived from a split step."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn, Var

from gru_lab.recurrence.equations import Colour, Taps, inexact, results, value_of
from gru_lab.recurrence.split import Split
from gru_lab.typing import Array

Arrays = list[Array]


class Backward:
    """`d_state -> d_state` of the step before, split in its turn: its parameters are the step's parameters, its
    inputs all that the step read, its state the cotangent.

    Where a weight meets the state, the cotangent of the result is all that the loop must give: after the loop the
    weight's gradient is that equation, mapped over time, pulled back once. So the split emits the cotangents of
    the crossing values and of those results, and the other operands of those equations.
    """

    def __init__(self, step: Split, once: Arrays, crossing: Sequence[Any], state: Arrays, fused: bool) -> None:
        self.step = step
        self.uses = [eqn for eqn in step.part(Colour.LOOP) if any(map(self._is_weight, eqn.invars))]
        self.smooth_state, self.smooth_crossing = _smooth(state), _smooth(crossing)
        states, crossings = len(state), len(crossing)
        self.crossings = crossings

        def backward(once: Arrays, stored: Arrays, d_state: Arrays) -> Arrays:
            state, crossing = stored[:states], stored[states:]

            def forward(smooth: Arrays, driven: Arrays, zeros: list[Arrays]) -> tuple[Arrays, Arrays]:
                taps = Taps(self.uses, zeros)
                whole_crossing = replaced(crossing, self.smooth_crossing, driven)
                after, _ = step.loop(once, whole_crossing, replaced(state, self.smooth_state, smooth), taps)
                operands = [v for use in self.uses for v in self._others(use, taps.operands(use))]
                return [after[i] for i in self.smooth_state], operands

            zeros = [[jnp.zeros(v.aval.shape, v.aval.dtype) for v in _outs(use)] for use in self.uses]
            smooth, driven = [state[i] for i in self.smooth_state], [crossing[i] for i in self.smooth_crossing]
            _, pull, operands = jax.vjp(forward, smooth, driven, zeros, has_aux=True)
            d_before, d_crossing, d_results = pull(d_state)
            return [*d_before, *d_crossing, *(d for ds in d_results for d in ds), *operands]

        d_state = [state[i] for i in self.smooth_state]
        self.split = Split(backward, once, [*state, *crossing], d_state, carried=len(d_state), fused=fused)

    def _is_weight(self, atom: Any) -> bool:
        return isinstance(atom, Var) and self.step.colour(atom) == Colour.ONCE and inexact(atom.aval)

    def _others(self, use: JaxprEqn, values: Sequence[Any]) -> list[Any]:
        """Of an equation's operands, those that are no weights and no literals."""
        return [v for a, v in zip(use.invars, values, strict=True) if self.step.colour(a) > Colour.ONCE]

    def gradients(self, once: Arrays, emitted: Arrays) -> tuple[list, list]:
        """The cotangents of the step's `once` and `crossing` values, from what was emitted over time.

        Both are None where no gradient flows.
        """
        rest = iter(emitted)
        d_crossing: list[Any] = [None] * self.crossings
        for i in self.smooth_crossing:
            d_crossing[i] = next(rest)
        d_results = [[next(rest) for _ in _outs(use)] for use in self.uses]
        operands = [[next(rest) for _ in self._others(use, use.invars)] for use in self.uses]

        weights = dict(zip(self.step.once_out, once, strict=True))
        total: dict[Var, Array] = {}
        for use, d_result, others in zip(self.uses, d_results, operands, strict=True):
            for var, gradient in self._weight_gradient(use, weights, others, d_result).items():
                total[var] = total[var] + gradient if var in total else gradient
        return [total.get(var) for var in weights], d_crossing

    def _weight_gradient(
        self, use: JaxprEqn, weights: dict[Var, Array], others: Arrays, d_result: Arrays
    ) -> dict[Var, Array]:
        own = list(dict.fromkeys(atom for atom in use.invars if self._is_weight(atom)))

        def over_time(values: Arrays) -> Arrays:
            fixed = weights | dict(zip(own, values, strict=True))

            def result(others: Arrays) -> Arrays:
                rest = iter(others)
                operands = [
                    next(rest) if self.step.colour(a) > Colour.ONCE else value_of(fixed, a) for a in use.invars
                ]
                return [out for out in results(use, operands) if inexact(out)]

            return jax.vmap(result)(others)

        _, pull = jax.vjp(over_time, [weights[var] for var in own])
        return dict(zip(own, pull(d_result)[0], strict=True))


def _outs(use: JaxprEqn) -> list[Var]:
    return [var for var in use.outvars if inexact(var.aval)]


def _smooth(values: Sequence[Any]) -> list[int]:
    """Which of these a gradient can flow through."""
    return [i for i, value in enumerate(values) if inexact(value)]


def replaced(values: Sequence[Any], where: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """The values, with new ones at these places."""
    values = list(values)
    for i, value in zip(where, new, strict=True):
        values[i] = value
    return values
