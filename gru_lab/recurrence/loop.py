"""The loop of a split step and its derivative rule: what the forward pass stores, and the backward pass in blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from gru_lab.jaxprs import Program, inexact, needed, variables
from gru_lab.recurrence.backward import Backward, replaced
from gru_lab.recurrence.blocks import Parts, cut, join, scan_blocks
from gru_lab.recurrence.layout import Layout, fits
from gru_lab.recurrence.split import Arrays, Split
from gru_lab.typing import Array


@dataclass(frozen=True, eq=False)
class Loop:
    """All that is fixed before the loop runs.

    Attributes:
        layouts: those to choose from, which differ in what they store alone.
        memory: the bytes that may be stored.
        split: the split step.
        seen: the leaves of the state that are read.
        reverse: the direction.
    """

    layouts: tuple[Layout, ...]
    memory: int
    split: Split
    seen: tuple[int, ...]
    reverse: bool
    _backward: dict[Any, Backward] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """The layout; before it is `settled`, that of the forward loop where nothing is stored."""
        return self.layouts[0]

    def backward(self, wanted: tuple[int, ...]) -> Backward:
        """The step backwards, with the gradients of those inputs."""
        key = (self.layout, wanted)
        if key not in self._backward:
            self._backward[key] = Backward(self.split, wanted, self.layout)
        return self._backward[key]

    def settled(self, wanted: tuple[int, ...], time: int) -> "Loop":
        """The loop with the first layout whose stores fit, for the gradients of those inputs over so many steps."""
        for n, layout in enumerate(self.layouts[:-1]):
            loop = replace(self, layouts=self.layouts[n:])
            steps, back = min(time, layout.block) if layout.remat else time, loop.backward(wanted)
            residuals = steps * back.residual_bytes
            if fits(steps * back.state_bytes + residuals, residuals, steps * back.spared, self.memory):
                return loop
        return replace(self, layouts=self.layouts[-1:])

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

    def before(self, start: Array, after: Array) -> Array:
        """The state before every step, from the one before the first step and those after every step."""
        pair = (after[1:], start[None]) if self.reverse else (start[None], after[:-1])
        return jnp.concatenate(pair)

    def starts(self, start: Arrays, parts: Parts) -> Parts:
        """The state before each block, and before the rest, from the states after every step, cut."""
        blocks, rest = parts
        if blocks is None:
            return None, start
        last = [leaf[:, 0 if self.reverse else -1] for leaf in blocks]
        pairs = [(self.before(s, leaf), leaf[0 if self.reverse else -1]) for s, leaf in zip(start, last, strict=True)]
        return [before for before, _ in pairs], None if rest is None else [end for _, end in pairs]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def recur(loop: Loop, once: Arrays, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """The final state, and over time those of its leaves that are read."""
    return _settled(loop.forward(once, inputs, state))


def _recur_forward(loop: Loop, once: Any, inputs: Any, state: Any) -> tuple[Any, Any]:
    wanted = [x.perturbed and inexact(x.value) for x in inputs]
    once, inputs, state = ([x.value for x in xs] for xs in (once, inputs, state))
    shape = [() if want else None for want in wanted]  # the structure tells the backward pass what is wanted
    loop = loop.settled(tuple(i for i, want in enumerate(wanted) if want), inputs[0].shape[0])
    if not loop.layout.remat:
        backward = loop.backward(tuple(i for i, want in enumerate(wanted) if want))
        final, (after, stored) = _forward_keeping(loop, backward, once, inputs, state)
        return _settled((final, [after[i] for i in loop.seen])), (once, inputs, state, (after, stored), shape)

    def block(state: Arrays, inputs: Arrays) -> tuple[Arrays, tuple[Arrays, Arrays]]:
        after, seen = loop.forward(once, inputs, state)
        return after, (state, seen)

    parts = cut(inputs, loop.layout.block, loop.reverse)
    final, outs = scan_blocks(block, state, parts, reverse=loop.reverse, rest_first=False)
    starts, seen = ([None if part is None else part[k] for part in outs] for k in (0, 1))
    return _settled((final, join(seen, loop.reverse))), (once, inputs, state, starts, shape)


def _forward_keeping(
    loop: Loop, backward: Backward, once: Arrays, inputs: Arrays, state: Arrays
) -> tuple[Arrays, tuple[Arrays, Arrays]]:
    """The final state, and over time the state after each step and the residuals.

    States are stored as a step makes them, not as it finds them: what a step both stores and overwrites is copied.
    """
    invariants = backward.split.run_once(once)

    def advance(before: Arrays, inputs: tuple[Arrays, Arrays]) -> tuple[Arrays, tuple[Arrays, Arrays]]:
        after, stored = backward.forward(invariants, before, *inputs)
        return after, (after, stored)

    (hoisted,) = jax.vmap(backward.hoist, (None, 0))(invariants, inputs)
    return loop.scan(advance, state, (inputs, hoisted), inputs)


def _recur_backward(loop: Loop, residuals: Any, cotangents: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    once, inputs, start, memory, shape = residuals
    d_final, d_seen = cotangents
    wanted = tuple(i for i, want in enumerate(shape) if want is not None)
    loop = loop.settled(wanted, inputs[0].shape[0])
    backward = loop.backward(wanted)
    smooth = backward.smooth
    pairs = zip(loop.seen, d_seen, strict=True)
    seen = [(i, d) for i, d in pairs if i in smooth and not isinstance(d, SymbolicZero)]
    places, d_seen = [smooth.index(i) for i, _ in seen], [d for _, d in seen]
    invariants, defer = backward.split.run_once(once), loop.layout.defer

    def block(carry: Any, steps: Any) -> tuple[Any, Arrays]:
        """Backwards through some steps: everything but the cotangent of the state for all of them at once."""
        d_state, d_once = carry
        inputs, d_seen, start, memory = steps
        if loop.layout.remat:
            _, memory = _forward_keeping(loop, backward, once, inputs, start)
        after, stored = memory
        before = [loop.before(s, a) for s, a in zip(start, after, strict=True)]

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
        return (d_state, d_once), d_inputs

    d_state = [jnp.zeros_like(start[i]) if isinstance(d_final[i], SymbolicZero) else d_final[i] for i in smooth]
    d_once = [jnp.zeros_like(value) if inexact(value) else None for value in once]
    size = loop.layout.block
    inputs_parts, d_seen_parts = (cut(x, size, loop.reverse, like=inputs) for x in (inputs, d_seen))
    memory_parts = (None, None) if loop.layout.remat else cut(memory, size, loop.reverse, like=inputs)
    starts = memory if loop.layout.remat else loop.starts(start, [None if p is None else p[0] for p in memory_parts])
    parts = [None if p[0] is None else p for p in zip(inputs_parts, d_seen_parts, starts, memory_parts, strict=True)]
    carry, outs = scan_blocks(block, (d_state, d_once), parts, reverse=not loop.reverse, rest_first=True)
    d_state, d_once = carry
    d_inputs = replaced([None] * len(inputs), wanted, join(outs, loop.reverse))
    return d_once, d_inputs, replaced([None] * len(start), smooth, d_state)


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
