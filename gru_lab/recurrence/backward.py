"""One step backwards: the cotangent of the state, and what the weights' gradients need, derived from a split step."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn, Var

from gru_lab.recurrence.equations import Colour, Taps, inexact, results, value_of
from gru_lab.recurrence.split import CHEAP, Split
from gru_lab.typing import Array

Arrays = list[Array]


class Backward:
    """`d_state -> d_state` of the step before, split in its turn: its parameters are the step's parameters, its
    inputs all that the step read, its state the cotangent.

    Where a weight meets the state, the cotangent of the result is all that the loop must give: after the loop the
    weight's gradient is that equation, mapped over time, pulled back once. So the split emits the cotangents of
    the crossing values and of those results, and the other operands of those equations.
    """

    def __init__(self, step: Split, fused: bool, keep: str) -> None:
        self.step = step
        self.uses = [eqn for eqn in step.part(Colour.LOOP) if any(map(self._is_weight, eqn.invars))]
        state_like, crossing_like, once_like = map(_shapes, (step.loop_in, step.crossing, step.once_out))
        self.smooth_state, self.smooth_crossing = _smooth(state_like), _smooth(crossing_like)
        self.states = states = len(state_like)

        def backward(once: Arrays, stored: Arrays, d_state: Arrays) -> Arrays:
            state, crossing = stored[:states], stored[states:]

            def forward(smooth: Arrays, driven: Arrays, zeros: list[Arrays]) -> tuple[Arrays, Any]:
                taps = Taps(self.uses, zeros)
                whole_crossing = replaced(crossing, self.smooth_crossing, driven)
                after, _ = step.loop(once, whole_crossing, replaced(state, self.smooth_state, smooth), taps)
                operands = [v for use in self.uses for v in self._others(use, taps.operands(use))]
                return [after[i] for i in self.smooth_state], (operands, after)

            zeros = [[jnp.zeros(v.aval.shape, v.aval.dtype) for v in _outs(use)] for use in self.uses]
            smooth, driven = [state[i] for i in self.smooth_state], [crossing[i] for i in self.smooth_crossing]
            _, pull, (operands, after) = jax.vjp(forward, smooth, driven, zeros, has_aux=True)
            d_before, d_crossing, d_results = pull(d_state)
            return [*d_before, *d_crossing, *(d for ds in d_results for d in ds), *operands, *after]

        d_like = [state_like[i] for i in self.smooth_state]
        self.split = Split(
            backward, once_like, [*state_like, *crossing_like], d_like, len(d_like), fused, exposed=states
        )
        self.after = self.split.exposed
        self.stored = self._frontier() if keep == "gates" else []

    def _frontier(self) -> list[Var]:
        """What the forward loop must keep, beside the states, so that little is left to compute again."""
        split = self.split
        from_state = set(split.bulk_in[: self.states])
        for eqn in split.part(Colour.BULK):
            if from_state.intersection(a for a in eqn.invars if isinstance(a, Var)):
                from_state.update(eqn.outvars)
        from_inputs = {var for eqn in split.part(Colour.BULK) for var in eqn.outvars} - from_state
        free = {*split.bulk_in, *from_inputs, *(a for a in self.after if isinstance(a, Var))}

        def again(eqn: JaxprEqn, from_free: bool) -> bool:
            return eqn.primitive.name in CHEAP or (from_free and eqn.primitive.name in ("tanh", "logistic", "exp"))

        return split.frontier([*split.crossing, *split.early], free, again)[0]

    def step_forward(self, once: Arrays, known_once: Arrays, inputs: Arrays, before: Arrays) -> tuple[Arrays, Arrays]:
        """One step forward that keeps what the way back needs: the state after it, and the stored values."""
        crossing, _ = self.step.bulk(once, inputs)
        values = self.split.compute([*self.after, *self.stored], known_once, [*before, *crossing])
        after = [jnp.broadcast_to(v, b.shape).astype(b.dtype) for v, b in zip(values, before, strict=False)]
        return after, values[len(before) :]

    def known(self, after: Arrays, stored: Arrays) -> dict[Var, Array]:
        """What need not be computed again, by the name that the split gives it."""
        pairs = zip([*self.after, *self.stored], [*after, *stored], strict=True)
        return {atom: value for atom, value in pairs if isinstance(atom, Var)}

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
        d_crossing: list[Any] = [None] * len(self.step.crossing)
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


def _shapes(variables: Sequence[Var]) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in variables]


def _smooth(values: Sequence[Any]) -> list[int]:
    """Which of these a gradient can flow through."""
    return [i for i, value in enumerate(values) if inexact(value)]


def replaced(values: Sequence[Any], where: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """The values, with new ones at these places."""
    values = list(values)
    for i, value in zip(where, new, strict=True):
        values[i] = value
    return values
