"""The contract of a method: how a step is repeated over time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gru_lab.schema import Registry, Schema
from gru_lab.typing import Array, Params, State

Step = Callable[[Params, State, Any], State]
Read = Callable[[State], Any]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PerSequence:
    """A parameter of a step that stays the same over time and differs between sequences.

    Its leaves are (batch, ...) outside and (...) in the step of one example: what a decoder attends to, for example.

    >>> batched = PerSequence(jnp.ones((8, 20, 4)))
    >>> in_axes({"W": jnp.ones((4, 4)), "memory": batched})
    {'W': None, 'memory': 0}
    """

    value: Any


def in_axes(params: Params) -> Any:
    """The axes of the batch in the parameters of a step, as `jax.vmap` takes them."""
    return jax.tree.map(lambda leaf: 0 if _per_sequence(leaf) else None, params, is_leaf=_per_sequence)


def of_one(params: Params) -> Params:
    """The parameters as the step of one example sees them; shapes where they are `PerSequence`."""

    def without_batch(leaf: Any) -> Any:
        shape = lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype)  # noqa: E731
        return jax.tree.map(shape, leaf) if _per_sequence(leaf) else leaf

    return jax.tree.map(without_batch, params, is_leaf=_per_sequence)


def _per_sequence(leaf: Any) -> bool:
    return isinstance(leaf, PerSequence)


class Masks(NamedTuple):
    """The steps that do not run as the step says; None for a kind that never occurs.

    Attributes:
        counts: bool (time, batch): where false, the state stays as it is.
        resets: bool (time, batch): where true, the state becomes `initial` before the step, also at one that does not
            count; "before" in the direction of the loop.
        initial: the state that resets restore, of one example.
    """

    counts: Array | None = None
    resets: Array | None = None
    initial: State | None = None

    def folded_into(self, step: Step, params: Params, xs: Any) -> tuple[Step, Params, Any]:
        """`(step, params, xs)` of a plain loop: the masks become inputs, the initial state a parameter."""
        if self.counts is None and self.resets is None:
            return step, params, xs

        def folded(params: Params, state: State, x: Any) -> State:
            x, counts, renews = x
            if renews is not None:
                state = _where(renews, params["initial"], state)
            new = step(params["params"], state, x)
            return new if counts is None else _where(counts, new, state)

        initial = {} if self.resets is None else {"initial": self.initial}
        return folded, {"params": params} | initial, (xs, self.counts, self.resets)


@dataclass(frozen=True, kw_only=True)
class Method(Schema):
    """A way to run a step over time. Methods differ in speed and memory, never in their numbers."""

    group: ClassVar[str] = "method"

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """The final state, leaves (batch, ...), and what `read` sees after every step, leaves (time, batch, ...).

        Args:
            step: one step of one example, `step(params, state, x) -> state`.
            read: a function of one example's state; it may return a pytree.
            params: the parameters of the step; whatever a gradient flows to must come in through the arguments.
            state: the state before the first step, leaves (batch, ...).
            xs: inputs, leaves (time, batch, ...); at steps that do not count they are finite, but mean nothing.
            masks: the steps that do not count, and the resets. A method that treats such steps like others takes its
                step from `masks.folded_into`.
            reverse: the last time step comes first; outputs stand where their inputs stand.
        """
        raise NotImplementedError


def _where(condition: Array, new: State, old: State) -> State:
    return jax.tree.map(lambda n, o: jnp.where(condition, n, o), new, old)


_registry = Registry("method", Method, "gru_lab.recurrence")
register, names, get, create = _registry.register, _registry.names, _registry.get, _registry.create
name_of = _registry.name_of
