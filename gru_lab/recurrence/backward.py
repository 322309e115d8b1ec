"""One step backwards: the cotangent of the state, and what the weights' gradients need, derived from a split step."""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn, Var

from gru_lab.recurrence.equations import Atom, Colour, Taps, inexact, live, results, value_of
from gru_lab.recurrence.split import CHEAP, Split
from gru_lab.typing import Array

Arrays = list[Any]  # JAX arrays, tracers or NumPy constants


class Backward:
    """`d_state -> d_state` of the step before, split in its turn.

    Its parameters are the step's parameters, its inputs all that the step read, its state the cotangent.

    Wherever a weight is used, the cotangent of the result is all that the loop must give: after it the weight's
    gradient is one product over time and batch. So the split emits the cotangents of those results and of the
    inputs that a gradient is `wanted` of, and the other operands of those equations.
    """

    def __init__(self, step: Split, wanted: Sequence[int], fused: bool, store: str) -> None:
        self.step, self.wanted = step, wanted
        uses = [*step.part(Colour.BULK), *step.part(Colour.LOOP)]
        self.uses = [eqn for eqn in uses if any(map(self._is_weight, eqn.invars))]
        self.fixed = [i for i, atom in enumerate(step.carry) if self._is_weight(atom)]  # states made of weights only
        state_like, inputs_like, once_like = map(_shapes, (step.loop_in, step.bulk_in, step.once_out))
        self.smooth = [i for i, leaf in enumerate(state_like) if inexact(leaf)]
        self.states = states = len(state_like)

        def backward(once: Arrays, stored: Arrays, d_state: Arrays) -> Arrays:
            state, inputs = stored[:states], stored[states:]

            def forward(smooth: Arrays, driving: Arrays, zeros: list[Arrays], shift: Arrays) -> tuple[Arrays, Any]:
                taps = Taps(self.uses, zeros)
                after = step.whole(once, replaced(inputs, wanted, driving), replaced(state, self.smooth, smooth), taps)
                operands = [v for use in self.uses for v in self._others(use, taps.operands(use))]
                moved = [after[i] + zero for i, zero in zip(self.fixed, shift, strict=True)]
                after = replaced(after, self.fixed, moved)
                return [after[i] for i in self.smooth], (operands, after)

            zeros = [[jnp.zeros(v.aval.shape, v.aval.dtype) for v in _outs(use)] for use in self.uses]
            smooth, driving = [state[i] for i in self.smooth], [inputs[i] for i in wanted]
            shift = [jnp.zeros_like(state[i]) for i in self.fixed]
            _, pull, (operands, after) = jax.vjp(forward, smooth, driving, zeros, shift, has_aux=True)
            d_before, d_inputs, d_results, d_fixed = pull(d_state)
            return [*d_before, *d_inputs, *d_fixed, *(d for ds in d_results for d in ds), *operands, *after]

        d_like = [state_like[i] for i in self.smooth]
        stored_like = [*state_like, *inputs_like]
        self.split = Split(backward, once_like, stored_like, d_like, len(d_like), fused, exposed=states)
        self.after = self.split.exposed
        self._choose_stored(store)

    def _choose_stored(self, store: str) -> None:
        """What the forward loop keeps, beside the states, so that little is left to compute again."""
        split = self.split
        bulk = split.part(Colour.BULK)
        from_state = set(split.bulk_in[: self.states])
        for eqn in bulk:
            if from_state.intersection(a for a in eqn.invars if isinstance(a, Var)):
                from_state.update(eqn.outvars)
        from_inputs = {var for eqn in bulk for var in eqn.outvars} - from_state
        free = {*split.bulk_in, *from_inputs, *(a for a in self.after if isinstance(a, Var))}

        def again(eqn: JaxprEqn, from_free: bool) -> bool:
            return eqn.primitive.name in CHEAP or (from_free and eqn.primitive.name in ("tanh", "logistic", "exp"))

        self.stored = split.frontier([*split.crossing, *split.early], free, again)[0] if store == "gates" else []
        forward = live(bulk, [*self.after, *self.stored])
        read = [a for eqn in forward if eqn.outvars[0] in from_state for a in eqn.invars if isinstance(a, Var)]
        self._hoisted = [var for var in dict.fromkeys(read) if var in from_inputs]

    def hoist(self, known_once: Arrays, inputs: Arrays) -> Arrays:
        """What one step forward needs that depends on its inputs alone."""
        nothing = [None] * self.states
        return self.split.compute(self._hoisted, known_once, [*nothing, *inputs])

    def step_forward(
        self, known_once: Arrays, inputs: Arrays, hoisted: Arrays, before: Arrays
    ) -> tuple[Arrays, Arrays]:
        """One step forward that keeps what the way back needs: the state after it, and the stored values."""
        known = dict(zip(self._hoisted, hoisted, strict=True)) if hoisted else {}
        values = self.split.compute([*self.after, *self.stored], known_once, [*before, *inputs], known)
        after = [jnp.broadcast_to(v, b.shape).astype(b.dtype) for v, b in zip(values, before, strict=False)]
        return after, values[len(before) :]

    def known(self, after: Arrays, stored: Arrays) -> dict[Var, Any]:
        """What need not be computed again, by the name that the split gives it."""
        pairs = zip([*self.after, *self.stored], [*after, *stored], strict=True)
        return {atom: value for atom, value in pairs if isinstance(atom, Var)}

    def _is_weight(self, atom: Any) -> bool:
        return isinstance(atom, Var) and self.step.colour(atom) == Colour.ONCE and inexact(atom.aval)

    def _others(self, use: JaxprEqn, values: Sequence[Any]) -> list[Any]:
        """Of an equation's operands, those that its weights' gradients need: no literals, nothing for a bias."""
        if self._bias(use) is not None:
            return []
        return [v for a, v in zip(use.invars, values, strict=True) if self.step.colour(a) > Colour.ONCE]

    def gradients(self, once: Arrays, over_time: dict[Atom, Any]) -> tuple[list, list]:
        """The gradients of the `once` values and of the wanted inputs, from what was emitted over time.

        The former are None where no gradient flows.
        """
        names = iter(self.split.outputs)
        d_inputs = [over_time[next(names)] for _ in self.wanted]
        d_fixed = [over_time[next(names)].sum(0) for _ in self.fixed]
        d_results = [[next(names) for _ in _outs(use)] for use in self.uses]
        operands = [[next(names) for _ in self._others(use, use.invars)] for use in self.uses]

        weights = dict(zip(self.step.once_out, once, strict=True))
        totals = _Totals(self.split, over_time)
        gradient: dict[Var, Any] = {}
        for i, part in zip(self.fixed, d_fixed, strict=True):
            var = self.step.carry[i]
            gradient[var] = gradient[var] + part if var in gradient else part
        for use, result, others in zip(self.uses, d_results, operands, strict=True):
            new = (
                self._of_product(use, [over_time[other] for other in others], over_time[result[0]])
                or self._of_sum(use, totals, result[0])
                or self._of_any(use, weights, [over_time[other] for other in others], [over_time[r] for r in result])
            )
            for var, part in new.items():
                gradient[var] = gradient[var] + part if var in gradient else part
        return [gradient.get(var) for var in weights], d_inputs

    def _of_product(self, use: JaxprEqn, others: Arrays, d_result: Array) -> dict[Var, Any] | None:
        """Of `a W`: one product over time and batch, written so that neither factor is transposed."""
        plain = use.primitive.name == "dot_general" and len(others) == 1 and use.invars[1].aval.ndim == 2
        if not plain or use.params["dimension_numbers"] != (((1,), (0,)), ((), ())):
            return None
        weight = use.invars[1]
        numbers = (((0, 1), (0, 1)), ((), ()))
        product = jax.lax.dot_general(others[0], d_result, numbers, preferred_element_type=weight.aval.dtype)
        return {weight: product}

    def _bias(self, use: JaxprEqn) -> Var | None:
        """The bias `b` of shape (1, ...) in `a + b`; None for other equations."""
        weights = [a for a in use.invars if self._is_weight(a)]
        if use.primitive.name not in ("add", "add_any") or len(weights) != 1 or weights[0].aval.ndim < 2:
            return None
        return weights[0] if weights[0].aval.shape == (1, *use.outvars[0].aval.shape[1:]) else None

    def _of_sum(self, use: JaxprEqn, totals: "_Totals", d_result: Var) -> dict[Var, Any] | None:
        """Of `a + b` with a bias: the sum over time and batch."""
        bias = self._bias(use)
        return None if bias is None else {bias: totals.of(d_result)[None]}

    def _of_any(self, use: JaxprEqn, weights: dict[Var, Any], others: Arrays, d_result: Arrays) -> dict[Var, Any]:
        """Of any other equation: it is mapped over time, and pulled back once."""
        own = list(dict.fromkeys(atom for atom in use.invars if self._is_weight(atom)))

        def over_time(values: Arrays) -> Arrays:
            fixed = weights | dict(zip(own, values, strict=True))

            def result(others: Arrays) -> Arrays:
                rest = iter(others)
                operands = [next(rest) if self.step.colour(a) > Colour.ONCE else value_of(fixed, a) for a in use.invars]
                return [out for out in results(use, operands) if inexact(out)]

            return jax.vmap(result)(others)

        _, pull = jax.vjp(over_time, [weights[var] for var in own])
        return dict(zip(own, pull(d_result)[0], strict=True))


def _outs(use: JaxprEqn) -> list[Var]:
    return [var for var in use.outvars if inexact(var.aval)]


def _shapes(variables: Sequence[Var]) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in variables]


class _Totals:
    """Sums over time and batch, each array added up once, whatever slices of it are asked for."""

    def __init__(self, split: Split, over_time: dict[Atom, Any]) -> None:
        self._split, self._over_time, self._sums = split, over_time, {}

    def of(self, var: Atom) -> Array:
        """The sum of that emitted value over its first two axes."""
        if var in self._split.slices:
            whole, axis, start = self._split.slices[var]
            return jax.lax.slice_in_dim(self.of(whole), start, start + var.aval.shape[axis], axis=axis - 1)
        if var not in self._sums:
            self._sums[var] = self._over_time[var].sum(0).sum(0)
        return self._sums[var]


def replaced(values: Sequence[Any], where: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """The values, with new ones at these places."""
    values = list(values)
    for i, value in zip(where, new, strict=True):
        values[i] = value
    return values
