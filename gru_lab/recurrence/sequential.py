"""One step after the other, fast: only what depends on the state stays in the loop, in both directions."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax

from gru_lab.recurrence.layout import Layout, choose
from gru_lab.recurrence.loop import Arrays, Loop, recur, visible
from gru_lab.recurrence.method import Method, Read, Step, register, with_masks
from gru_lab.recurrence.passes import CannotSplit
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.split import split
from gru_lab.schema import Size
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
            which the gates are recomputed: less memory, a little more time; `auto` keeps the gates of short
            sequences.
        remat_every: checkpointing: store the state of every k-th step alone, and run forward again from there in the
            backward pass: memory O(T/k + k) instead of O(T), for a third more time. It decides what is stored, so
            `store` must be `auto`.
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


@dataclass(frozen=True, kw_only=True)
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
            halves = split(flat_step, weights, _element(inputs), leaves, self.layout)
        except CannotSplit as why:
            warnings.warn(f"this step runs as plain lax.scan: {why}", stacklevel=3)
            return Reference().run(*plain, mask=mask, resets=resets, initial=initial, reverse=reverse)

        seen, look = visible(read, jax.tree.map(lambda leaf: _element([leaf])[0], state))
        loop = Loop(self.layout, halves, tuple(seen), reverse)
        final, states = recur(loop, halves.run_once(weights), inputs, leaves)  # pyright: ignore[reportGeneralTypeIssues]
        return jax.tree.unflatten(state_tree, final), jax.vmap(jax.vmap(look))(states)


def _element(leaves: Arrays) -> list[jax.ShapeDtypeStruct]:
    """The shapes of one time step, or of one example: without the first axis."""
    return [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in leaves]
