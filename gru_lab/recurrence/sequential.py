"""One step after the other, fast: only what depends on the state stays in the loop, in both directions."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gru_lab.recurrence.backward import Backward, replaced
from gru_lab.recurrence.equations import CannotSplit, inexact
from gru_lab.recurrence.method import Method, Read, Step
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.split import Split, visible
from gru_lab.schema import Range, Size
from gru_lab.typing import Array, Params, State

Arrays = list[Array]


@dataclass(frozen=True)
class Sequential(Method):
    """`lax.scan` over the part of the step that needs the state; everything else for all time steps at once.

    Forward, what depends on inputs only (`x W`) can be one product over time. Backward, block of steps after block:
    all that the forward pass computed is recomputed from the stored states for the whole block at once; the loop
    holds only the cotangent of the state; and every weight gradient is one product over time and batch.

    A step that cannot be split runs as `Reference()`, with a warning that says why.

    Fields:
        unroll: how many steps the compiled loop takes at a time (`lax.scan`).
        remat_every: store the state only every so many steps and run forward again from there in the backward
            pass: memory O(T/k + k) instead of O(T).
        lowering: whether products of one operand with several weights are one product, and whether the products
            of the inputs leave the loop; `auto` chooses by size.
    """

    unroll: Size = 1
    remat_every: Annotated[int, Range(1)] | None = None
    lowering: Literal["auto", "fused", "separate"] = "auto"

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
            fused = self.lowering != "separate"
            split = Split(flat_step, weights, _one(inputs), leaves, len(leaves), fused)
        except CannotSplit as why:
            warnings.warn(f"this step runs as plain lax.scan: {why}", stacklevel=3)
            return Reference().run(step, read, params, state, xs, reverse)

        seen, look = visible(read, jax.tree.map(lambda leaf: _one([leaf])[0], state))
        loop = _Loop(self, split, tuple(seen), reverse)
        final, states = _recur(loop, split.once(weights), inputs, leaves)
        return jax.tree.unflatten(state_tree, final), jax.vmap(jax.vmap(look))(states)


@dataclass(frozen=True, eq=False)
class _Loop:
    """What is fixed before the loop runs: the method, the split step, the state leaves that are read, the direction."""

    method: Sequential
    split: Split
    seen: tuple[int, ...]
    reverse: bool

    def scan(self, body: Callable, carry: Any, xs: Any, backwards: bool = False) -> tuple[Any, Any]:
        """`lax.scan` over time, in the loop's direction or against it."""
        return lax.scan(body, carry, xs, reverse=self.reverse != backwards, unroll=self.method.unroll)

    def forward(self, once: Arrays, inputs: Arrays, state: Arrays, keep: Callable) -> tuple[Arrays, Any]:
        """The final state, and over time what `keep(state before, state after)` keeps."""
        hoist = True

        def advance(before: Arrays, inputs: Arrays) -> tuple[Arrays, Any]:
            crossing = inputs if hoist else self.split.bulk(once, inputs)[0]
            after, _ = self.split.loop(once, crossing, before)
            return after, keep(before, after)

        if hoist:
            inputs = jax.vmap(self.split.bulk, (None, 0))(once, inputs)[0]
        return self.scan(advance, state, inputs)

    def after(self, before: Array, final: Array) -> Array:
        """The state after every step, from the one before every step."""
        pair = (final[None], before[:-1]) if self.reverse else (before[1:], final[None])
        return jnp.concatenate(pair)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recur(loop: _Loop, once: Arrays, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """The final state, and over time those of its leaves that are read."""
    return loop.forward(once, inputs, state, lambda _, after: [after[i] for i in loop.seen])


def _recur_forward(loop: _Loop, once: Arrays, inputs: Arrays, state: Arrays) -> tuple[Any, Any]:
    final, before = loop.forward(once, inputs, state, lambda before, _: before)
    return (final, [loop.after(before[i], final[i]) for i in loop.seen]), (once, inputs, state, before)


def _recur_backward(loop: _Loop, residuals: Any, cotangents: tuple[Arrays, Arrays]) -> tuple[Any, Any, Any]:
    once, inputs, state, before = residuals
    d_final, d_seen = cotangents
    crossing = jax.eval_shape(lambda once, inputs: loop.split.bulk(once, inputs)[0], once, _one(inputs))
    backward = Backward(loop.split, once, crossing, state, loop.method.lowering != "separate")
    smooth, smooth_inputs = backward.smooth_state, [i for i, x in enumerate(inputs) if inexact(x)]
    seen = [(k, smooth.index(i)) for k, i in enumerate(loop.seen) if i in smooth]  # of d_seen, of d_state

    def block(carry: tuple[Arrays, Arrays], inputs: Arrays, before: Arrays, d_seen: Arrays) -> tuple[Any, Arrays]:
        """Backwards through some steps: everything but the cotangent for all of them at once."""
        d_state, d_once = carry
        time = inputs[0].shape[0]

        def drive(once: Arrays, smooth: Arrays) -> Arrays:
            return jax.vmap(loop.split.bulk, (None, 0))(once, replaced(inputs, smooth_inputs, smooth))[0]

        crossing, pull = jax.vjp(drive, once, [inputs[i] for i in smooth_inputs])
        known = backward.split.once(once)
        passed, early = jax.vmap(backward.split.bulk, (None, 0))(known, [*before, *crossing])

        def retreat(d_state: Arrays, step: tuple[Arrays, Arrays]) -> tuple[Arrays, Arrays]:
            passed, d_seen = step
            for k, i in seen:
                d_state = replaced(d_state, [i], [d_state[i] + d_seen[k]])
            return backward.split.loop(known, passed, d_state)

        d_state, late = loop.scan(retreat, d_state, (passed, d_seen), backwards=True)
        d_used, d_crossing = backward.gradients(once, backward.split.emitted(known, early, late, time))
        d_driven, d_inputs = pull([_cotangent(c, d) for c, d in zip(crossing, d_crossing, strict=True)])
        d_once = [
            total if total is None else total + driven if used is None else total + driven + used
            for total, driven, used in zip(d_once, d_driven, d_used, strict=True)
        ]
        return (d_state, d_once), d_inputs

    carry = [d_final[i] for i in smooth], [jnp.zeros_like(v) if inexact(v) else None for v in once]
    (d_state, d_once), d_inputs = block(carry, inputs, before, d_seen)
    nothing = [None] * len(inputs)
    return d_once, replaced(nothing, smooth_inputs, d_inputs), replaced([None] * len(state), smooth, d_state)


_recur.defvjp(_recur_forward, _recur_backward)


def _cotangent(value: Array, d_value: Array | None) -> Any:
    """A cotangent for `jax.vjp`: of the type float0 where no gradient flows."""
    return np.zeros(value.shape, jax.dtypes.float0) if d_value is None else d_value


def _one(leaves: Arrays) -> list[jax.ShapeDtypeStruct]:
    """The shapes of one time step, or of one example."""
    return [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in leaves]
