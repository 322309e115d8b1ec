"""The loop of a split step and its derivative rule: what the forward pass stores, and the backward pass in blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from gru_lab.jaxprs import Program, inexact, needed, variables
from gru_lab.recurrence.backward import Backward, replaced
from gru_lab.recurrence.blocks import cut, join, scan_blocks
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.split import Arrays, Split
from gru_lab.typing import Array


@dataclass(frozen=True, eq=False)
class Loop:
    """All that is fixed before the loop runs: layout, split step, the state leaves that are read, and the direction."""

    layout: Layout
    split: Split
    seen: tuple[int, ...]
    reverse: bool
    _backward: dict[tuple[int, ...], Backward] = field(default_factory=dict)

    def backward(self, wanted: tuple[int, ...]) -> Backward:
        """The step backwards, with the gradients of those inputs."""
        if wanted not in self._backward:
            self._backward[wanted] = Backward(self.split, wanted, self.layout)
        return self._backward[wanted]

    def scan(self, body: Callable, carry: Any, xs: Any, like: Arrays, backwards: bool = False) -> tuple[Any, Any]:
        """`lax.scan` over as many steps as `like` has, in the loop's direction or against it."""
        reverse, time = self.reverse != backwards, like[0].shape[0]
        return lax.scan(body, carry, xs, length=time, reverse=reverse, unroll=self.layout.unroll)

    def forward(self, once: Arrays, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
        """The final state, and over time those of its leaves that are read."""

        def advance(before: Arrays, crossing: Arrays) -> tuple[Arrays, Arrays]:
            crossing = crossing if self.layout.hoist else self.split.bulk(once, crossing)[0]
            after, _ = self.split.loop(once, crossing, before)
            return after, [after[i] for i in self.seen]

        return self.scan(advance, state, self.hoisted(once, inputs) if self.layout.hoist else inputs, inputs)

    def hoisted(self, once: Arrays, inputs: Arrays) -> Arrays:
        """The values that the loop reads of the inputs, for all steps at once."""
        return jax.vmap(self.split.bulk, (None, 0))(once, inputs)[0]

    def after(self, before: Array, final: Array) -> Array:
        """The state after every step, from the one before every step."""
        pair = (final[None], before[:-1]) if self.reverse else (before[1:], final[None])
        return jnp.concatenate(pair)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def recur(loop: Loop, once: Arrays, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """The final state, and over time those of its leaves that are read."""
    return _settled(loop.forward(once, inputs, state))


def _recur_forward(loop: Loop, once: Any, inputs: Any, state: Any) -> tuple[Any, Any]:
    wanted = [x.perturbed and inexact(x.value) for x in inputs]
    once, inputs, state = ([x.value for x in xs] for xs in (once, inputs, state))
    shape = [() if want else None for want in wanted]  # the structure tells the backward pass what is wanted
    if not loop.layout.remat:
        backward = loop.backward(tuple(i for i, want in enumerate(wanted) if want))
        final, (before, stored) = _forward_keeping(loop, backward, once, inputs, state)
        seen = [loop.after(before[i], final[i]) for i in loop.seen]
        return _settled((final, seen)), (once, inputs, final, (before, stored), shape)

    def block(state: Arrays, inputs: Arrays) -> tuple[Arrays, tuple[Arrays, Arrays]]:
        after, seen = loop.forward(once, inputs, state)
        return after, (state, seen)

    parts = cut(inputs, loop.layout.block, loop.reverse)
    final, outs = scan_blocks(block, state, parts, reverse=loop.reverse, rest_first=False)
    starts, seen = ([None if part is None else part[k] for part in outs] for k in (0, 1))
    return _settled((final, join(seen, loop.reverse))), (once, inputs, final, starts, shape)


def _forward_keeping(
    loop: Loop, backward: Backward, once: Arrays, inputs: Arrays, state: Arrays
) -> tuple[Arrays, tuple[Arrays, Arrays]]:
    """The final state, and over time the state before each step and the residuals."""
    invariants = backward.split.run_once(once)

    def advance(before: Arrays, inputs: tuple[Arrays, Arrays]) -> tuple[Arrays, tuple[Arrays, Arrays]]:
        after, stored = backward.forward(invariants, before, *inputs)
        return after, (before, stored)

    (hoisted,) = jax.vmap(backward.hoist, (None, 0))(invariants, inputs)
    return loop.scan(advance, state, (inputs, hoisted), inputs)


def _recur_backward(loop: Loop, residuals: Any, cotangents: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    once, inputs, final, memory, shape = residuals
    d_final, d_seen = cotangents
    wanted = tuple(i for i, want in enumerate(shape) if want is not None)
    backward = loop.backward(wanted)
    smooth = backward.smooth
    pairs = zip(loop.seen, d_seen, strict=True)
    seen = [(i, d) for i, d in pairs if i in smooth and not isinstance(d, SymbolicZero)]
    places, d_seen = [smooth.index(i) for i, _ in seen], [d for _, d in seen]
    invariants, defer = backward.split.run_once(once), loop.layout.defer

    def block(carry: Any, steps: Any) -> tuple[Any, Arrays]:
        """Backwards through some steps: everything but the cotangent of the state for all of them at once."""
        d_state, d_once, final = carry
        inputs, d_seen, memory = steps
        if loop.layout.remat:
            final, memory = _forward_keeping(loop, backward, once, inputs, memory)
        before, stored = memory
        after = [loop.after(b, f) for b, f in zip(before, final, strict=True)]

        passed, early = jax.vmap(backward.bulk, (None, 0, 0, 0, 0))(invariants, before, inputs, after, stored)

        def gradients(d_once: Arrays, early: Arrays, late: Arrays, time: int) -> tuple[Arrays, Arrays]:
            d_used, d_inputs = backward.gradients(once, backward.split.over_time(invariants, early, late, time))
            return [a if b is None else a + b for a, b in zip(d_once, d_used, strict=True)], d_inputs

        def retreat(carry: tuple[Arrays, Arrays], step: tuple[Arrays, Arrays, Arrays]) -> tuple[Any, Arrays]:
            (d_state, d_once), (passed, d_seen, early) = carry, step
            d_state = replaced(d_state, places, [d_state[i] + d for i, d in zip(places, d_seen, strict=True)])
            d_state, late = backward.split.loop(invariants, passed, d_state)
            if defer:
                return (d_state, d_once), late
            early, late = jax.tree.map(lambda leaf: leaf[None], (early, late))  # as of a sequence of this step alone
            d_once, d_inputs = gradients(d_once, early, late, 1)
            return (d_state, d_once), [d[0] for d in d_inputs]

        start, steps = ((d_state, []), (passed, d_seen, [])) if defer else ((d_state, d_once), (passed, d_seen, early))
        (d_state, summed), emitted = loop.scan(retreat, start, steps, inputs, backwards=True)
        d_once, d_inputs = gradients(d_once, early, emitted, inputs[0].shape[0]) if defer else (summed, emitted)
        return (d_state, d_once, jax.tree.map(lambda b: b[-1 if loop.reverse else 0], before)), d_inputs

    d_state = [jnp.zeros_like(final[i]) if isinstance(d_final[i], SymbolicZero) else d_final[i] for i in smooth]
    d_once = [jnp.zeros_like(value) if inexact(value) else None for value in once]
    size = loop.layout.block
    inputs_parts, d_seen_parts = (cut(x, size, loop.reverse, like=inputs) for x in (inputs, d_seen))
    memory_parts = memory if loop.layout.remat else cut(memory, size, loop.reverse, like=inputs)
    parts = [None if p[0] is None else p for p in zip(inputs_parts, d_seen_parts, memory_parts, strict=True)]
    carry, outs = scan_blocks(block, (d_state, d_once, final), parts, reverse=not loop.reverse, rest_first=True)
    d_state, d_once, _ = carry
    d_inputs = replaced([None] * len(inputs), wanted, join(outs, loop.reverse))
    return d_once, d_inputs, replaced([None] * len(final), smooth, d_state)


recur.defvjp(_recur_forward, _recur_backward, symbolic_zeros=True)


def _settled(outputs: Any) -> Any:
    """The same arrays; under `vmap`, with the mapped axis in front.

    JAX believes that the mapped axis of an output stands where the primal function has it, also when the forward rule,
    which has it elsewhere, computed that output: then gradients of a `vmap` are wrong or fail. A reshape moves it to
    the front in both; compilers drop the rest of it.
    """
    return jax.tree.map(lambda x: lax.reshape(lax.reshape(x, (1, *x.shape)), x.shape), outputs)


def visible(read: Callable[[Any], Any], state: Any) -> tuple[list[int], Callable[[Sequence[Any]], Any]]:
    """The leaves of one example's state that `read` looks at, and `read` as a function of those alone."""
    closed, shape = jax.make_jaxpr(read, return_shape=True)(state)
    jaxpr = closed.jaxpr
    atoms = [*variables(needed(jaxpr.eqns, jaxpr.outvars)), *jaxpr.outvars]
    seen = [i for i, var in enumerate(jaxpr.invars) if any(atom is var for atom in atoms)] or [0]
    program = Program(jaxpr.eqns, [jaxpr.constvars, [jaxpr.invars[i] for i in seen]], [jaxpr.outvars])

    def look(leaves: Sequence[Any]) -> Any:
        return jax.tree.unflatten(jax.tree.structure(shape), program(closed.consts, leaves)[0])

    return seen, look
