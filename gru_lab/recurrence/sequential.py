"""One step after the other, fast: only what depends on the state stays in the loop, in both directions."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from gru_lab.recurrence.backward import Backward, replaced
from gru_lab.recurrence.blocks import cut, join, scan_blocks
from gru_lab.recurrence.equations import CannotSplit, inexact
from gru_lab.recurrence.layout import Layout, choose
from gru_lab.recurrence.method import Method, Read, Step, register, with_masks
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.split import Split, visible
from gru_lab.schema import Size
from gru_lab.typing import Array, Params, State

Arrays = list[Any]  # JAX arrays, tracers or NumPy constants


@register("sequential")
@dataclass(frozen=True)
class Sequential(Method):
    """`lax.scan` over the part of the step that needs the state; everything else for many time steps at once.

    Backward, the loop holds only the cotangent of the state. What the forward pass computed is stored or computed
    again for a block of steps at once, and every weight gradient is one product over time and batch.
    A step with side effects cannot be split: it runs as `Reference()`, with a warning that says why.

    Attributes:
        unroll: how many steps the compiled loop takes at a time (as in `lax.scan`).
        store: what the forward pass keeps of every step for the backward pass: the gates, or only the states, from
            which the gates are computed again: less memory, a little more time; `auto` keeps the gates of short
            sequences.
        remat_every: keep the state of every so many steps and nothing else, and run forward again from there in the
            backward pass: memory O(T/k + k) instead of O(T), for a third more time. It says what is kept, so it goes
            with `store="auto"` alone.
    """

    unroll: Size = 1
    store: Literal["auto", "gates", "states"] = "auto"
    remat_every: Size | None = None

    def check(self) -> None:
        """`store` must be `auto` where `remat_every` is set."""
        if self.remat_every is not None and self.store != "auto":
            self.refuse("store", f"it must be 'auto' with remat_every={self.remat_every}, which says what is kept")

    def run(
        self,
        step: Step,
        read: Read,
        params: Params,
        state: State,
        xs: Any,
        *,
        mask: Array | None = None,
        resets: Array | None = None,
        initial: State | None = None,
        reverse: bool = False,
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        time, batch = jax.tree.leaves(xs)[0].shape[:2]
        layout = replace(choose(self.store, time, batch, self.remat_every), unroll=self.unroll)
        masks = {"mask": mask, "resets": resets, "initial": initial, "reverse": reverse}
        return LaidOut(layout=layout).run(step, read, params, state, xs, **masks)


@dataclass(frozen=True)
class LaidOut(Method):
    """`Sequential` with the layout chosen by the caller: for tests, and for measurements of layouts."""

    layout: Layout = Layout()

    def run(
        self,
        step: Step,
        read: Read,
        params: Params,
        state: State,
        xs: Any,
        *,
        mask: Array | None = None,
        resets: Array | None = None,
        initial: State | None = None,
        reverse: bool = False,
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        plain = (step, read, params, state, xs)
        step, params, xs = with_masks(step, params, xs, mask, resets, initial)
        (weights, weights_tree), (leaves, state_tree) = jax.tree.flatten(params), jax.tree.flatten(state)
        inputs, inputs_tree = jax.tree.flatten(xs)

        def flat_step(weights: Arrays, inputs: Arrays, leaves: Arrays) -> Arrays:
            trees = zip((weights_tree, state_tree, inputs_tree), (weights, leaves, inputs), strict=True)
            return jax.tree.leaves(jax.vmap(step, (None, 0, 0))(*(jax.tree.unflatten(*pair) for pair in trees)))

        try:
            split = Split(flat_step, weights, _one(inputs), leaves, len(leaves), self.layout.fuse)
        except CannotSplit as why:
            warnings.warn(f"this step runs as plain lax.scan: {why}", stacklevel=3)
            return Reference().run(*plain, mask=mask, resets=resets, initial=initial, reverse=reverse)

        seen, look = visible(read, jax.tree.map(lambda leaf: _one([leaf])[0], state))
        loop = _Loop(self.layout, split, tuple(seen), reverse)
        final, states = _recur(loop, split.once(weights), inputs, leaves)  # pyright: ignore[reportGeneralTypeIssues]
        return jax.tree.unflatten(state_tree, final), jax.vmap(jax.vmap(look))(states)


@dataclass(frozen=True, eq=False)
class _Loop:
    """What is fixed before the loop runs: the layout, the split step, the state leaves that are read, the direction."""

    layout: Layout
    split: Split
    seen: tuple[int, ...]
    reverse: bool
    _backward: dict[tuple[int, ...], Backward] = field(default_factory=dict)

    def backward(self, wanted: tuple[int, ...]) -> Backward:
        """The step backwards, with the gradients of those inputs."""
        if wanted not in self._backward:
            self._backward[wanted] = Backward(self.split, wanted, self.layout.fuse, self.layout.store)
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
        """What the loop reads of the inputs, for all steps at once."""
        return jax.vmap(self.split.bulk, (None, 0))(once, inputs)[0]

    def after(self, before: Array, final: Array) -> Array:
        """The state after every step, from the one before every step."""
        pair = (final[None], before[:-1]) if self.reverse else (before[1:], final[None])
        return jnp.concatenate(pair)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recur(loop: _Loop, once: Arrays, inputs: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """The final state, and over time those of its leaves that are read."""
    return _settled(loop.forward(once, inputs, state))


def _recur_forward(loop: _Loop, once: Any, inputs: Any, state: Any) -> tuple[Any, Any]:
    wanted = [x.perturbed and inexact(x.value) for x in inputs]
    once, inputs, state = ([x.value for x in xs] for xs in (once, inputs, state))
    shape = [() if want else None for want in wanted]  # the structure tells the way back what is wanted
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
    loop: _Loop, backward: Backward, once: Arrays, inputs: Arrays, state: Arrays
) -> tuple[Arrays, tuple[Arrays, Arrays]]:
    """The final state, and over time the state before each step and the values stored for the way back."""
    known_once = backward.split.once(once)

    def advance(before: Arrays, inputs: tuple[Arrays, Arrays]) -> tuple[Arrays, tuple[Arrays, Arrays]]:
        after, stored = backward.step_forward(known_once, *inputs, before)
        return after, (before, stored)

    hoisted = jax.vmap(backward.hoist, (None, 0))(known_once, inputs) if loop.layout.hoist else []
    return loop.scan(advance, state, (inputs, hoisted), inputs)


def _recur_backward(loop: _Loop, residuals: Any, cotangents: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    once, inputs, final, memory, shape = residuals
    d_final, d_seen = cotangents
    wanted = tuple(i for i, want in enumerate(shape) if want is not None)
    backward = loop.backward(wanted)
    smooth = backward.smooth
    pairs = zip(loop.seen, d_seen, strict=True)
    seen = [(i, d) for i, d in pairs if i in smooth and not isinstance(d, SymbolicZero)]
    places, d_seen = [smooth.index(i) for i, _ in seen], [d for _, d in seen]
    known_once = backward.split.once(once)

    def block(carry: Any, steps: Any) -> tuple[Any, Arrays]:
        """Backwards through some steps: everything but the cotangent of the state for all of them at once."""
        d_state, d_once, final = carry
        inputs, d_seen, memory = steps
        if loop.layout.remat:
            final, memory = _forward_keeping(loop, backward, once, inputs, memory)
        before, stored = memory
        after = [loop.after(b, f) for b, f in zip(before, final, strict=True)]

        def bulk(before: Arrays, inputs: Arrays, after: Arrays, stored: Arrays) -> tuple[Arrays, Arrays]:
            return backward.split.bulk(known_once, [*before, *inputs], backward.known(after, stored))

        def retreat(d_state: Arrays, step: tuple[Arrays, Arrays]) -> tuple[Arrays, Arrays]:
            passed, d_seen = step
            d_state = replaced(d_state, places, [d_state[i] + d for i, d in zip(places, d_seen, strict=True)])
            return backward.split.loop(known_once, passed, d_state)

        passed, early = jax.vmap(bulk)(before, inputs, after, stored)
        d_state, late = loop.scan(retreat, d_state, (passed, d_seen), inputs, backwards=True)
        d_used, d_inputs = backward.gradients(once, backward.split.emitted(known_once, early, late))
        d_once = [a if b is None else a + b for a, b in zip(d_once, d_used, strict=True)]
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


_recur.defvjp(_recur_forward, _recur_backward, symbolic_zeros=True)


def _settled(outputs: Any) -> Any:
    """The same arrays; under `vmap`, with the mapped axis in front.

    JAX believes that the mapped axis of an output stands where the primal function has it, also when the forward rule,
    which has it elsewhere, computed that output: then gradients of a `vmap` are wrong or fail. A reshape moves it to
    the front in both; compilers drop the rest of it.
    """
    return jax.tree.map(lambda x: lax.reshape(lax.reshape(x, (1, *x.shape)), x.shape), outputs)


def _one(leaves: Arrays) -> list[jax.ShapeDtypeStruct]:
    """The shapes of one time step, or of one example."""
    return [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in leaves]
