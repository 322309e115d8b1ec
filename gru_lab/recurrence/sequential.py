"""One step after the other, fast: only what depends on the state stays in the loop, in both directions."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import jax

from gru_lab.recurrence.layout import MEMORY, Layout, candidates
from gru_lab.recurrence.loop import Loop, recur, visible
from gru_lab.recurrence.method import Masks, Method, Read, Step, register
from gru_lab.recurrence.passes import CannotSplit
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.split import split_step
from gru_lab.schema import NO_NUMBERS, Range, Size
from gru_lab.typing import Array, Params, State


@register("sequential")
@dataclass(frozen=True, kw_only=True)
class Sequential(Method):
    """`lax.scan` over the part of the step that needs the state; everything else for many time steps at once.

    Backward, the loop holds only the cotangent of the state. What the forward pass computed is stored, or recomputed
    for a block of steps at once, and every weight gradient is one product over time and batch.
    A step with side effects cannot be split: it runs as `Reference()`, with a warning that says why.

    Attributes:
        unroll: the number of steps per iteration of the compiled loop, as in `lax.scan`.
        store: what the forward pass keeps of every step for the backward pass: the gates, or only the states, from
            which the gates are recomputed: less memory, a little more time; `auto` keeps the gates where they fit in
            `memory` and are worth it (see `gru_lab.recurrence.layout`).
        remat_every: checkpointing: store the state of every k-th step alone, and run forward again from there in the
            backward pass: memory O(T/k + k) instead of O(T), for a third more time. It decides what is stored, so
            `store` must be `auto`.
        memory: the bytes that a loop may store with `store=auto`; where None, 256 MiB, and in training a share of the
            memory at hand, which is written down and used again when a member resumes.
        layout: `tuned` takes layouts that `python -m gru_lab.recurrence tune` measured on this machine, which training
            reads and writes down; elsewhere they come in through `gru_lab.recurrence.tuning.Tuned`.
    """

    unroll: Size = 1
    store: Literal["auto", "gates", "states"] = "auto"
    remat_every: Size | None = None
    memory: Annotated[int, Range(1)] | None = field(default=None, metadata=NO_NUMBERS)
    layout: Literal["auto", "tuned"] = field(default="auto", metadata=NO_NUMBERS)

    def check(self) -> None:
        """`store` must be `auto` where `remat_every` is set."""
        if self.remat_every is not None and self.store != "auto":
            self.refuse("store", f"it must be 'auto' with remat_every={self.remat_every}, which says what is kept")

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        if self.layout == "tuned":
            self.refuse("layout", "training alone reads what was measured; hand it in as Tuned(layouts=...) elsewhere")
        time, batch = jax.tree.leaves(xs)[0].shape[:2]
        layouts = candidates(self.store, time, batch, self.remat_every, self.unroll)
        return run(layouts, self.memory or MEMORY, step, read, params, state, xs, masks, reverse)


@dataclass(frozen=True, kw_only=True)
class LaidOut(Method):
    """`Sequential` with the layout chosen by the caller: for tests, and for measurements of layouts."""

    layout: Layout = Layout()

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        return run((self.layout,), MEMORY, step, read, params, state, xs, masks, reverse)


def run(
    layouts: Sequence[Layout],
    memory: int,
    step: Step,
    read: Read,
    params: Params,
    state: State,
    xs: Any,
    masks: Masks,
    reverse: bool,
) -> tuple[State, Any]:
    """`Method.run` with the first of some layouts whose stores fit in so many bytes."""
    plain = (step, read, params, state, xs, masks, reverse)
    step, params, xs = masks.folded_into(step, params, xs)
    try:
        halves = split_step(step, params, jax.tree.map(_element, xs), state, layouts[0])
    except CannotSplit as why:
        warnings.warn(f"this step runs as plain lax.scan: {why}", stacklevel=4)
        return Reference().run(*plain)

    seen, look = visible(read, jax.tree.map(_element, state))
    loop = Loop(tuple(layouts), memory, halves, tuple(seen), reverse)
    leaves, tree = jax.tree.flatten(state)
    once = halves.run_once(jax.tree.leaves(params))
    final, states = recur(loop, once, jax.tree.leaves(xs), leaves)  # pyright: ignore[reportGeneralTypeIssues]
    return jax.tree.unflatten(tree, final), jax.vmap(jax.vmap(look))(states)


def _element(leaf: Array) -> jax.ShapeDtypeStruct:
    """The shape of one time step, or of one example: without the first axis."""
    return jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
