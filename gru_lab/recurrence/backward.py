"""One step backwards: the cotangent of the state, and what the weights' gradients need, derived from a split step."""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn, Var

from gru_lab.jaxprs import Atom, Program, inexact, needed, results, value_of
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.passes import CHEAP, Colour, rematerialised
from gru_lab.recurrence.split import Split, split
from gru_lab.typing import Array

Arrays = list[Any]  # JAX arrays, tracers or NumPy constants
SQUASHES = ("tanh", "logistic", "exp")  # recomputed where their operands cost nothing


class Perturbations:
    """A rule that adds zeros to what some equations give: their cotangents are the cotangents of those results."""

    def __init__(self, equations: Sequence[JaxprEqn], zeros: Sequence[Sequence[Any]]) -> None:
        self._zeros = {id(eqn): zero for eqn, zero in zip(equations, zeros, strict=True)}
        self._operands: dict[int, list[Any]] = {}

    def __call__(self, eqn: JaxprEqn, operands: list[Any]) -> Sequence[Any] | None:
        """The results of an equation plus its zeros; keeps the values of its operands."""
        if id(eqn) not in self._zeros:
            return None
        self._operands[id(eqn)] = operands
        zeros = iter(self._zeros[id(eqn)])
        return [out + next(zeros) if inexact(out) else out for out in results(eqn, operands)]

    def operands(self, eqn: JaxprEqn) -> list[Any]:
        """The operands that a perturbed equation was computed from."""
        return self._operands[id(eqn)]


class Backward:
    """`d_state -> d_state` of the step before, split in its turn.

    Its parameters are the step's parameters, its inputs all that the step read, its carry the cotangent of the state.

    Of every use of a weight, the cotangent of the result is all that the loop must compute: after the loop the weight's
    gradient is one product over time and batch. So the split emits the cotangents of those results and of the
    inputs that a gradient is `wanted` of, and the other operands of those equations.

    Attributes:
        step: the split step.
        smooth: the leaves of the state that gradients flow through.
        split: the step backwards.
        residuals: what the forward loop stores, beside the states.
        hoist: invariants, inputs -> what a step forward needs that depends on its inputs alone.
        forward: invariants, state, inputs, hoisted -> state after the step, residuals.
        bulk: invariants, state, inputs, state after the step, residuals -> crossing, early.
    """

    def __init__(self, step: Split, wanted: Sequence[int], layout: Layout) -> None:
        self.step, self.wanted = step, wanted
        uses = [*step.of_colour(Colour.BULK), *step.of_colour(Colour.LOOP)]
        self.uses = [eqn for eqn in uses if any(map(self._is_weight, eqn.invars))]
        self.fixed = [i for i, atom in enumerate(step.carry) if self._is_weight(atom)]  # states made of weights only
        state_like, inputs_like, invariants_like = map(_shapes, (step.state, step.inputs, step.invariants))
        self.smooth = [i for i, leaf in enumerate(state_like) if inexact(leaf)]
        states, whole = len(state_like), step.whole

        def backward(invariants: Arrays, known: Arrays, d_state: Arrays) -> Arrays:
            state, inputs = known[:states], known[states:]

            def forward(smooth: Arrays, driving: Arrays, zeros: list[Arrays], shift: Arrays) -> tuple[Arrays, Any]:
                perturbed = Perturbations(self.uses, zeros)
                given = replaced(inputs, wanted, driving), replaced(state, self.smooth, smooth)
                after = step.shaped(whole(invariants, *given, rule=perturbed))
                operands = [v for use in self.uses for v in self._others(use, perturbed.operands(use))]
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
        self.split = split(backward, invariants_like, [*state_like, *inputs_like], d_like, layout, exposed=states)
        self._choose_residuals(states, layout)

    def _choose_residuals(self, states: int, layout: Layout) -> None:
        """Choose the residuals: what the forward loop stores beside the states, so that little must be recomputed."""
        back = self.split
        bulk, after = back.of_colour(Colour.BULK), back.exposed
        state, inputs = back.inputs[:states], back.inputs[states:]
        from_state = set(state)
        for eqn in bulk:
            if from_state.intersection(a for a in eqn.invars if isinstance(a, Var)):
                from_state.update(eqn.outvars)
        from_inputs = {var for eqn in bulk for var in eqn.outvars} - from_state
        named = [atom for atom in after if isinstance(atom, Var)]
        free = {*back.inputs, *from_inputs, *named}

        def again(eqn: JaxprEqn, from_free: bool) -> bool:
            return eqn.primitive.name in CHEAP or (from_free and eqn.primitive.name in SQUASHES)

        wanted = [*back.crossing, *back.early]
        self.residuals = rematerialised(back.colours, bulk, wanted, free, again)[0] if layout.store == "gates" else []
        stepping = needed(bulk, [*after, *self.residuals])
        read = [a for eqn in stepping if eqn.outvars[0] in from_state for a in eqn.invars if isinstance(a, Var)]
        hoisted = [var for var in dict.fromkeys(read) if var in from_inputs] if layout.hoist else []
        self._named = [i for i, atom in enumerate(after) if isinstance(atom, Var)]
        given = [*back.invariants, *state, *inputs]
        self.hoist = Program.of(bulk, [*back.invariants, *inputs], hoisted)
        self.forward = Program.of(bulk, [*given, *hoisted], [*after, *self.residuals])
        self.bulk = Program.of(bulk, [*given, *named, *self.residuals], wanted)

    def step_forward(
        self, invariants: Arrays, inputs: Arrays, hoisted: Arrays, before: Arrays
    ) -> tuple[Arrays, Arrays]:
        """One step forward with what the backward pass needs: the state after it, and the residuals."""
        values = self.forward(invariants, before, inputs, hoisted)
        after = [jnp.broadcast_to(v, b.shape).astype(b.dtype) for v, b in zip(values, before, strict=False)]
        return after, values[len(before) :]

    def ahead(
        self, invariants: Arrays, before: Arrays, inputs: Arrays, after: Arrays, residuals: Arrays
    ) -> tuple[Arrays, Arrays]:
        """The values that the loop backwards reads of one step forward, and the early ones."""
        values = self.bulk(invariants, before, inputs, [after[i] for i in self._named], residuals)
        return values[: len(self.split.crossing)], values[len(self.split.crossing) :]

    def _is_weight(self, atom: Any) -> bool:
        return isinstance(atom, Var) and self.step.colour(atom) == Colour.ONCE and inexact(atom.aval)

    def _others(self, use: JaxprEqn, values: Sequence[Any]) -> list[Any]:
        """Of an equation's operands, those that its weights' gradients need: no literals, nothing for a bias."""
        if self._bias(use) is not None:
            return []
        return [v for a, v in zip(use.invars, values, strict=True) if self.step.colour(a) > Colour.ONCE]

    def gradients(self, invariants: Arrays, over_time: dict[Atom, Any]) -> tuple[list, list]:
        """The gradients of the invariants and of the wanted inputs, from what was emitted over time.

        The former are None where no gradient flows.
        """
        names = iter(self.split.outputs)
        d_inputs = [over_time[next(names)] for _ in self.wanted]
        d_fixed = [over_time[next(names)].sum(0) for _ in self.fixed]
        d_results = [[next(names) for _ in _outs(use)] for use in self.uses]
        operands = [[next(names) for _ in self._others(use, use.invars)] for use in self.uses]

        weights = dict(zip(self.step.invariants, invariants, strict=True))
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
        plain = use.primitive.name == "dot_general" and [a.aval.ndim for a in use.invars] == [2, 2]
        if not plain or use.params["dimension_numbers"] != (((1,), (0,)), ((), ())):
            return None
        if self._is_weight(use.invars[0]) or not self._is_weight(use.invars[1]):
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
        """Of any other equation: the vector-Jacobian product of the equation mapped over time."""
        used = list(dict.fromkeys(atom for atom in use.invars if self._is_weight(atom)))

        def over_time(values: Arrays) -> Arrays:
            fixed = weights | dict(zip(used, values, strict=True))

            def result(others: Arrays) -> Arrays:
                rest = iter(others)
                operands = [next(rest) if self.step.colour(a) > Colour.ONCE else value_of(fixed, a) for a in use.invars]
                return [out for out in results(use, operands) if inexact(out)]

            return jax.vmap(result)(others)

        _, pull = jax.vjp(over_time, [weights[var] for var in used])
        return dict(zip(used, pull(d_result)[0], strict=True))


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
        if var in self._split.parts:
            whole, axis, start = self._split.parts[var]
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
