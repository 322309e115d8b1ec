"""One step after the other, fast: only what depends on the state stays in the loop, in both directions."""

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import JaxprEqn, Var

from gru_lab.recurrence.method import Method, Read, Step
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.split import CannotSplit, Colour, Split, Taps, inexact, value_of, visible
from gru_lab.typing import Array, Params, State

Arrays = list[Array]


@dataclass(frozen=True)
class Sequential(Method):
    """`lax.scan` over the part of the step that needs the state; everything else for all time steps at once.

    Forward, what depends on inputs only (`x W`) is one product over time. Backward, all that the forward pass
    computed is recomputed from the stored states for all steps at once; the loop holds only the cotangent of the
    state; and every weight gradient is one product over time and batch.

    A step that cannot be split runs as `Reference()`, with a warning that says why.
    """

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, reverse: bool
    ) -> tuple[State, Array]:
        """See `Method.run`."""
        (weights, weights_tree), (leaves, state_tree) = jax.tree.flatten(params), jax.tree.flatten(state)
        inputs, inputs_tree = jax.tree.flatten(xs)

        def flat_step(weights: Arrays, inputs: Arrays, leaves: Arrays) -> Arrays:
            trees = zip((weights_tree, state_tree, inputs_tree), (weights, leaves, inputs), strict=True)
            return jax.tree.leaves(jax.vmap(step, (None, 0, 0))(*(jax.tree.unflatten(*pair) for pair in trees)))

        try:
            split = Split(flat_step, weights, _one(inputs), leaves, carried=len(leaves))
        except CannotSplit as why:
            warnings.warn(f"this step runs as plain lax.scan: {why}", stacklevel=3)
            return Reference().run(step, read, params, state, xs, reverse)

        once = split.once(weights)
        crossing, _ = jax.vmap(split.bulk, (None, 0))(once, inputs)
        seen, look = visible(read, jax.tree.map(lambda leaf: _one([leaf])[0], state))
        loop = _Loop(split, tuple(seen), len(inputs[0]), reverse)
        final, states = _recur(loop, once, crossing, leaves)
        return jax.tree.unflatten(state_tree, final), jax.vmap(jax.vmap(look))(states)


@dataclass(frozen=True, eq=False)
class _Loop:
    """What does not change while the loop runs: the split step, the state leaves that are read, the direction."""

    split: Split
    seen: tuple[int, ...]
    time: int
    reverse: bool


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recur(loop: _Loop, once: Arrays, crossing: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """The final state, and over time those of its leaves that are read."""
    return _scan(loop, once, crossing, state, loop.seen)


def _scan(
    loop: _Loop, once: Arrays, crossing: Arrays, state: Arrays, kept: tuple[int, ...]
) -> tuple[Arrays, Arrays]:
    def advance(state: Arrays, crossing: Arrays) -> tuple[Arrays, Arrays]:
        state, _ = loop.split.loop(once, crossing, state)
        return state, [state[i] for i in kept]

    return lax.scan(advance, state, crossing, length=loop.time, reverse=loop.reverse)


def _recur_forward(loop: _Loop, once: Arrays, crossing: Arrays, state: Arrays) -> tuple[Any, Any]:
    final, states = _scan(loop, once, crossing, state, tuple(range(len(state))))
    return (final, [states[i] for i in loop.seen]), (once, crossing, state, states)


def _recur_backward(loop: _Loop, residuals: Any, cotangents: tuple[Arrays, Arrays]) -> tuple[Any, Any, Any]:
    once, crossing, state, states = residuals
    before = [_shift(start, after, loop.reverse) for start, after in zip(state, states, strict=True)]
    uses = _weight_uses(loop.split)
    backward = _Backward(loop.split, uses, once, _one(crossing), state)
    split = backward.split

    # Recompute everything that needs no cotangent, for all steps at once.
    stored = [*before, *crossing]
    known = split.once(once)
    passed, early = jax.vmap(split.bulk, (None, 0))(known, stored)

    # The loop itself: the cotangent of the state, step by step, in the other direction.
    d_final, d_seen = cotangents
    floats = [i for i, leaf in enumerate(state) if inexact(leaf)]

    def retreat(d_state: Arrays, step: tuple[Arrays, Arrays]) -> tuple[Arrays, Arrays]:
        passed, d_outputs = step
        d_state = list(d_state)
        for i, d_output in zip(loop.seen, d_outputs, strict=True):
            if i in floats:
                d_state[floats.index(i)] += d_output
        return split.loop(known, passed, d_state)

    d_start, late = lax.scan(
        retreat, [d_final[i] for i in floats], (passed, d_seen), length=loop.time, reverse=not loop.reverse
    )
    emitted = split.emitted(known, early, late, loop.time)
    return backward.gradients(once, emitted, d_start)


_recur.defvjp(_recur_forward, _recur_backward)


class _Backward:
    """One step backwards, `d_state -> d_state` of the step before, split in its turn.

    It emits the cotangents of the crossing values and of the result of every equation that uses a weight, and
    that equation's other operands: after the loop they give the weight's gradient.
    """

    def __init__(self, step: Split, uses: list[JaxprEqn], once: Arrays, crossing: Arrays, state: Arrays) -> None:
        self.step, self.uses = step, uses
        self.smooth_state = [i for i, leaf in enumerate(state) if inexact(leaf)]
        self.smooth_crossing = [i for i, value in enumerate(crossing) if inexact(value)]
        self.crossings = len(crossing)
        self.states = len(state)

        def backward(once: Arrays, stored: Arrays, d_state: Arrays) -> Arrays:
            state, crossing = stored[: self.states], stored[self.states :]

            def forward(smooth: Arrays, driven: Arrays, zeros: list[Arrays]) -> tuple[Arrays, Arrays]:
                taps = Taps(uses, zeros)
                after, _ = step.loop(
                    once,
                    _replace(crossing, self.smooth_crossing, driven),
                    _replace(state, self.smooth_state, smooth),
                    taps,
                )
                operands = [v for use in uses for v in self._others(use, taps.operands(use))]
                return [after[i] for i in self.smooth_state], operands

            zeros = [[jnp.zeros(v.aval.shape, v.aval.dtype) for v in use.outvars if inexact(v.aval)] for use in uses]
            smooth, driven = [state[i] for i in self.smooth_state], [crossing[i] for i in self.smooth_crossing]
            _, pull, operands = jax.vjp(forward, smooth, driven, zeros, has_aux=True)
            d_before, d_crossing, d_results = pull(d_state)
            return [*d_before, *d_crossing, *jax.tree.leaves(d_results), *operands]

        cotangents = [state[i] for i in self.smooth_state]
        self.split = Split(backward, once, [*state, *crossing], cotangents, carried=len(cotangents))

    def _others(self, use: JaxprEqn, values: list[Any]) -> list[Any]:
        """Of an equation's operands, those that are no weights and no literals."""
        return [v for a, v in zip(use.invars, values, strict=True) if self.step.colour(a) > Colour.ONCE]

    def gradients(self, once: Arrays, emitted: Arrays, d_start: Arrays) -> tuple[list, list, list]:
        """The cotangents of the loop's arguments, from what was emitted over time."""
        rest = iter(emitted)
        d_crossing: list[Any] = [None] * self.crossings
        for i in self.smooth_crossing:
            d_crossing[i] = next(rest)
        d_results = [[next(rest) for v in use.outvars if inexact(v.aval)] for use in self.uses]
        operands = [[next(rest) for _ in self._others(use, use.invars)] for use in self.uses]

        weights = dict(zip(self.step.once_out, once, strict=True))
        d_weights: dict[Var, Array] = {}
        for use, d_result, others in zip(self.uses, d_results, operands, strict=True):
            for var, gradient in _weight_gradient(self.step, use, weights, others, d_result).items():
                d_weights[var] = d_weights[var] + gradient if var in d_weights else gradient
        d_once = [
            d_weights.get(var, jnp.zeros_like(value)) if inexact(value) else None for var, value in weights.items()
        ]
        d_state: list[Any] = [None] * self.states
        for i, value in zip(self.smooth_state, d_start, strict=True):
            d_state[i] = value
        return d_once, d_crossing, d_state


def _weight_uses(step: Split) -> list[JaxprEqn]:
    """The equations of the loop where a weight meets the state."""
    return [eqn for eqn in step.part(Colour.LOOP) if any(_is_weight(step, atom) for atom in eqn.invars)]


def _is_weight(step: Split, atom: Any) -> bool:
    return isinstance(atom, Var) and step.colour(atom) == Colour.ONCE and inexact(atom.aval)


def _weight_gradient(
    step: Split, use: JaxprEqn, weights: dict[Var, Array], others: Arrays, d_result: Arrays
) -> dict[Var, Array]:
    """The gradient of the weights of one equation: the equation, mapped over time, pulled back once."""
    own = list(dict.fromkeys(atom for atom in use.invars if _is_weight(step, atom)))

    def over_time(values: Arrays) -> Arrays:
        fixed = dict(zip(own, values, strict=True))

        def result(others: Arrays) -> Arrays:
            rest = iter(others)
            operands = [
                next(rest) if step.colour(a) > Colour.ONCE else fixed[a] if a in fixed else value_of(weights, a)
                for a in use.invars
            ]
            outs = use.primitive.bind(*operands, **use.primitive.get_bind_params(use.params))
            return [out for out in (outs if use.primitive.multiple_results else [outs]) if inexact(out)]

        return jax.vmap(result)(others)

    _, pull = jax.vjp(over_time, [weights[var] for var in own])
    return dict(zip(own, pull(d_result)[0], strict=True))


def _one(leaves: Arrays) -> list[jax.ShapeDtypeStruct]:
    """The shapes of one time step, or of one example."""
    return [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in leaves]


def _replace(values: Arrays, where: list[int], new: Arrays) -> Arrays:
    values = list(values)
    for i, value in zip(where, new, strict=True):
        values[i] = value
    return values


def _shift(start: Array, after: Array, reverse: bool) -> Array:
    """The state before each step, from the one before the first and those after each."""
    pair = (after[1:], start[None]) if reverse else (start[None], after[:-1])
    return jnp.concatenate(pair)
