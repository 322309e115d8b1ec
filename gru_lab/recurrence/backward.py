"""One step backwards: the cotangent of the state, and what the weights' gradients need, derived from a split step."""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import JaxprEqn, Var

from gru_lab.jaxprs import Atom, Program, inexact, nbytes, needed, operations, results, value_of, variables
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.passes import CHEAP, Colour, rematerialised
from gru_lab.recurrence.split import Arrays, Split, split
from gru_lab.typing import Array

SQUASHES = ("tanh", "logistic", "exp")  # recomputed where their operands cost nothing


class Backward:
    """`d_state -> d_state` of the step before, split in its turn.

    Its parameters are the step's parameters, its inputs all that the step read, its carry the cotangent of the state.

    Of every use of a weight, the cotangent of the result is all that the loop must compute: after the loop the weight's
    gradient is one product over time and batch. So the split emits the cotangents of those results and of the
    inputs that a gradient is `wanted` of, and the other operands of those equations.

    Attributes:
        step: the split step.
        carry: the state after it.
        smooth: the leaves of the state that gradients flow through.
        split: the step backwards.
        hoist: invariants, inputs -> hoisted: what a step forward needs that depends on its inputs alone.
        forward: invariants, state, inputs, hoisted -> state after the step, residuals: what the forward loop stores.
        bulk: invariants, state, inputs, state after the step, residuals -> crossing, early.
        state_bytes, residual_bytes: the bytes that the forward loop stores at each step.
        spared: FLOPs at each step of the products that the residuals spare the backward pass.
    """

    def __init__(self, step: Split, wanted: Sequence[int], layout: Layout) -> None:
        self.step, self.wanted = step, wanted
        uses = [*step.of_colour(Colour.BULK), *step.of_colour(Colour.LOOP)]
        self.uses = [eqn for eqn in uses if any(map(self._is_weight, eqn.invars))]
        self.carry, _ = step.loop.outputs
        self.fixed = [i for i, atom in enumerate(self.carry) if self._is_weight(atom)]  # states made of weights only
        whole = Program(uses, [*step.bulk.inputs, step.loop.inputs[-1]], [self.carry])
        invariants_like, inputs_like, state_like = map(_shapes, whole.inputs)
        self.smooth = [i for i, leaf in enumerate(state_like) if inexact(leaf)]
        states = len(state_like)
        place = {id(use): n for n, use in enumerate(self.uses)}

        def backward(invariants: Arrays, known: Arrays, d_state: Arrays) -> Arrays:
            state, inputs = known[:states], known[states:]

            def forward(smooth: Arrays, driving: Arrays, zeros: list[Arrays]) -> tuple[Arrays, Any]:
                operands: dict[int, Arrays] = {}

                def perturbed(eqn: JaxprEqn, values: Arrays) -> Arrays | None:
                    """The results of a use plus zeros, whose cotangents are those of the results."""
                    if id(eqn) not in place:
                        return None
                    operands[place[id(eqn)]] = values
                    added = iter(zeros[place[id(eqn)]])
                    return [out + next(added) if inexact(out) else out for out in results(eqn, values)]

                given = replaced(inputs, wanted, driving), replaced(state, self.smooth, smooth)
                (after,) = whole(invariants, *given, rule=perturbed)
                read = [v for n, use in enumerate(self.uses) for v in self._others(use, operands[n])]
                return [after[i] for i in self.smooth], (read, after)

            zeros = [[jnp.zeros(v.aval.shape, v.aval.dtype) for v in _outs(use)] for use in self.uses]
            smooth, driving = [state[i] for i in self.smooth], [inputs[i] for i in wanted]
            _, pull, (read, after) = jax.vjp(forward, smooth, driving, zeros, has_aux=True)
            d_before, d_inputs, d_results = pull(d_state)
            d_fixed = [d for i, d in zip(self.smooth, d_state, strict=True) if i in self.fixed]
            return [*d_before, *d_inputs, *d_fixed, *(d for ds in d_results for d in ds), *read, *after]

        d_like = [state_like[i] for i in self.smooth]
        self.split = split(backward, invariants_like, [*state_like, *inputs_like], d_like, layout, exposed=states)
        self._choose_residuals(states, layout)

    def _choose_residuals(self, states: int, layout: Layout) -> None:
        """Choose the residuals: what the forward loop stores beside the states, so that little must be recomputed."""
        back = self.split
        bulk, after = back.of_colour(Colour.BULK), back.exposed
        _, known = back.bulk.inputs
        state, inputs = known[:states], known[states:]
        from_state = set(state)
        for eqn in bulk:
            if from_state.intersection(variables([eqn])):
                from_state.update(eqn.outvars)
        from_inputs = {var for eqn in bulk for var in eqn.outvars} - from_state
        free = {*known, *from_inputs, *after}

        def again(eqn: JaxprEqn, from_free: bool) -> bool:
            return eqn.primitive.name in CHEAP or (from_free and eqn.primitive.name in SQUASHES)

        wanted = back.bulk.outputs
        residuals = []
        if layout.store == "gates":
            residuals, _ = rematerialised(back.colours, bulk, chain(*wanted), free, again)
        stepping = needed(bulk, [*after, *residuals])
        read = variables(eqn for eqn in stepping if eqn.outvars[0] in from_state)
        products = (eqn for eqn in stepping if eqn.primitive.name == "dot_general")
        self.spared = sum(operations(eqn) for eqn in products if eqn.outvars[0] in from_state)
        self.state_bytes, self.residual_bytes = (sum(map(nbytes, each)) for each in (after, residuals))
        hoisted = [var for var in dict.fromkeys(read) if var in from_inputs] if layout.hoist else []
        self.hoist = Program(bulk, [back.invariants, inputs], [hoisted])
        self.forward = Program(bulk, [back.invariants, state, inputs, hoisted], [after, residuals])
        self.bulk = Program(bulk, [back.invariants, state, inputs, after, residuals], wanted)

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
        names = iter(self.split.emit.outputs[0])
        d_inputs = [over_time[next(names)] for _ in self.wanted]
        d_fixed = [over_time[next(names)].sum(0) for _ in self.fixed]
        d_results = [[next(names) for _ in _outs(use)] for use in self.uses]
        operands = [[next(names) for _ in self._others(use, use.invars)] for use in self.uses]

        @cache
        def total(var: Atom) -> Array:
            """The sum over time and batch; each array is added up once, whatever slices of it are asked for."""
            if var not in self.split.parts:
                return over_time[var].sum(0).sum(0)
            whole, axis, start = self.split.parts[var]
            return lax.slice_in_dim(total(whole), start, start + var.aval.shape[axis], axis=axis - 1)

        weights = dict(zip(self.step.invariants, invariants, strict=True))
        parts = [{self.carry[i]: d} for i, d in zip(self.fixed, d_fixed, strict=True)]
        for use, result, others in zip(self.uses, d_results, operands, strict=True):
            bias, read = self._bias(use), [over_time[other] for other in others]
            if bias is not None:
                parts.append({bias: total(result[0])[None]})
            else:
                d_result = [over_time[var] for var in result]
                parts.append(self._of_product(use, read, d_result) or self._of_any(use, weights, read, d_result))
        gradient: dict[Atom, Any] = {}
        for var, part in (item for each in parts for item in each.items()):
            gradient[var] = gradient[var] + part if var in gradient else part
        return [gradient.get(var) for var in weights], d_inputs

    def _of_product(self, use: JaxprEqn, others: Arrays, d_result: Arrays) -> dict[Atom, Any] | None:
        """Of `a W`: one product over time and batch, written so that neither factor is transposed."""
        plain = use.primitive.name == "dot_general" and [a.aval.ndim for a in use.invars] == [2, 2]
        if not plain or use.params["dimension_numbers"] != (((1,), (0,)), ((), ())):
            return None
        if [self._is_weight(atom) for atom in use.invars] != [False, True]:
            return None
        weight, numbers = use.invars[1], (((0, 1), (0, 1)), ((), ()))
        return {weight: lax.dot_general(others[0], d_result[0], numbers, preferred_element_type=weight.aval.dtype)}

    def _bias(self, use: JaxprEqn) -> Var | None:
        """The bias `b` of shape (1, ...) in `a + b`; None for other equations."""
        weights = [a for a in use.invars if self._is_weight(a)]
        if use.primitive.name not in ("add", "add_any") or len(weights) != 1 or weights[0].aval.ndim < 2:
            return None
        return weights[0] if weights[0].aval.shape == (1, *use.outvars[0].aval.shape[1:]) else None

    def _of_any(self, use: JaxprEqn, weights: dict[Var, Any], others: Arrays, d_result: Arrays) -> dict[Atom, Any]:
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


def replaced(values: Sequence[Any], where: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """The values, with new ones at these places."""
    values = list(values)
    for i, value in zip(where, new, strict=True):
        values[i] = value
    return values
