"""One step after the other, fast: only what depends on the state stays in the loop, in both directions."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.recurrence.backward import Backward, replaced
from gru_lab.recurrence.equations import CannotSplit, inexact
from gru_lab.recurrence.method import Method, Read, Step
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.split import Split, visible
from gru_lab.schema import Range, Size
from gru_lab.typing import Array, Params, State

Arrays = list[Array]
import os
KEEP=os.environ.get('KEEP','gates');HOIST=bool(int(os.environ.get('HOIST','0')));BLOCK=int(os.environ.get('BLOCK','32'))


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
    known: dict[tuple[int, ...], Backward] = field(default_factory=dict)

    def backward(self, wanted: tuple[int, ...]) -> Backward:
        """The step backwards, with the gradients of those inputs."""
        if wanted not in self.known:
            self.known[wanted] = Backward(self.split, wanted, self.method.lowering != "separate", KEEP)
        return self.known[wanted]

    def scan(self, body: Callable, carry: Any, xs: Any, backwards: bool = False) -> tuple[Any, Any]:
        """`lax.scan` over time, in the loop's direction or against it."""
        return lax.scan(body, carry, xs, reverse=self.reverse != backwards, unroll=self.method.unroll)

    def blocks(self, body: Callable, carry: Any, xs: Any, size: int) -> tuple[Any, Any]:
        """`lax.scan` against the loop's direction over blocks of steps; what is left over comes first."""
        time = jax.tree.leaves(xs)[0].shape[0]
        if size >= time:
            return body(carry, xs)
        rest = time % size
        whole = slice(rest, None) if self.reverse else slice(0, time - rest)
        parts = []
        if rest:
            left = slice(0, rest) if self.reverse else slice(time - rest, None)
            carry, part = body(carry, jax.tree.map(lambda x: x[left], xs))
            parts.append(part)
        split = jax.tree.map(lambda x: x[whole].reshape(-1, size, *x.shape[1:]), xs)
        carry, blocks = lax.scan(body, carry, split, reverse=not self.reverse)
        parts.append(jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), blocks))
        return carry, jax.tree.map(lambda *p: jnp.concatenate(p), *(parts if self.reverse else parts[::-1]))

    def after(self, before: Array, final: Array) -> Array:
        """The state after every step, from the one before every step."""
        pair = (final[None], before[:-1]) if self.reverse else (before[1:], final[None])
        return jnp.concatenate(pair)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recur(loop: _Loop, once: Arrays, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """The final state, and over time those of its leaves that are read."""
    hoist = HOIST

    def advance(before: Arrays, inputs: Arrays) -> tuple[Arrays, Arrays]:
        crossing = inputs if hoist else loop.split.bulk(once, inputs)[0]
        after, _ = loop.split.loop(once, crossing, before)
        return after, [after[i] for i in loop.seen]

    if hoist:
        inputs = jax.vmap(loop.split.bulk, (None, 0))(once, inputs)[0]
    return loop.scan(advance, state, inputs)


def _recur_forward(loop: _Loop, once: Any, inputs: Any, state: Any) -> tuple[Any, Any]:
    wanted = [x.perturbed and inexact(x.value) for x in inputs]
    once, inputs, state = ([x.value for x in xs] for xs in (once, inputs, state))
    backward = loop.backward(tuple(i for i, want in enumerate(wanted) if want))
    known_once = backward.split.once(once)

    def advance(before: Arrays, inputs: Arrays) -> tuple[Arrays, tuple[Arrays, Arrays]]:
        after, stored = backward.step_forward(known_once, inputs, before)
        return after, (before, stored)

    final, (before, stored) = loop.scan(advance, state, inputs)
    residuals = once, inputs, final, before, stored, [() if want else None for want in wanted]
    return (final, [loop.after(before[i], final[i]) for i in loop.seen]), residuals


def _recur_backward(loop: _Loop, residuals: Any, cotangents: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    once, inputs, final, before, stored, wanted = residuals
    d_final, d_seen = cotangents
    wanted = tuple(i for i, want in enumerate(wanted) if want is not None)
    backward = loop.backward(wanted)
    smooth = backward.smooth
    seen = [(i, d) for i, d in zip(loop.seen, d_seen, strict=True) if not _is_zero(d)]
    places, d_seen = [smooth.index(i) for i, _ in seen], [d for _, d in seen]
    known_once = backward.split.once(once)

    def block(carry: Any, steps: Any) -> tuple[Any, Arrays]:
        """Backwards through some steps: everything but the cotangent of the state for all of them at once."""
        d_state, d_once, following = carry
        inputs, before, stored, d_seen = steps
        after = [loop.after(b, f) for b, f in zip(before, following, strict=True)]

        def bulk(before: Arrays, inputs: Arrays, after: Arrays, stored: Arrays) -> tuple[Arrays, Arrays]:
            return backward.split.bulk(known_once, [*before, *inputs], backward.known(after, stored))

        def retreat(d_state: Arrays, step: tuple[Arrays, Arrays]) -> tuple[Arrays, Arrays]:
            passed, d_seen = step
            d_state = replaced(d_state, places, [d_state[i] + d for i, d in zip(places, d_seen, strict=True)])
            return backward.split.loop(known_once, passed, d_state)

        passed, early = jax.vmap(bulk)(before, inputs, after, stored)
        d_state, late = loop.scan(retreat, d_state, (passed, d_seen), backwards=True)
        d_used, d_inputs = backward.gradients(once, backward.split.emitted(known_once, early, late))
        d_once = [a if b is None else a + b for a, b in zip(d_once, d_used, strict=True)]
        first = jax.tree.map(lambda b: b[-1 if loop.reverse else 0], before)
        return (d_state, d_once, first), d_inputs

    d_state = [jnp.zeros_like(final[i]) if _is_zero(d_final[i]) else d_final[i] for i in smooth]
    d_once = [jnp.zeros_like(value) if inexact(value) else None for value in once]
    steps = inputs, before, stored, d_seen
    (d_state, d_once, _), d_inputs = loop.blocks(block, (d_state, d_once, final), steps, _block_size(len(inputs[0])))
    nothing = [None] * len(inputs)
    return d_once, replaced(nothing, wanted, d_inputs), replaced([None] * len(final), smooth, d_state)


_recur.defvjp(_recur_forward, _recur_backward, symbolic_zeros=True)


def _block_size(time: int) -> int:
    """How many steps a block of the backward pass has: about BLOCK, without a rest if that is possible."""
    near = [size for size in range(BLOCK // 2, 2 * BLOCK + 1) if time % size == 0]
    return min(near, key=lambda size: abs(math.log(size / BLOCK)), default=BLOCK)


def _is_zero(cotangent: Any) -> bool:
    return isinstance(cotangent, jax.custom_derivatives.SymbolicZero)


def _one(leaves: Arrays) -> list[jax.ShapeDtypeStruct]:
    """The shapes of one time step, or of one example."""
    return [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in leaves]
