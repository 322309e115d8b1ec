"""The contract of a method: how a step is repeated over time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.schema import Registry, Schema
from gru_lab.typing import Array, Params, State

Step = Callable[[Params, State, Any], State]
Read = Callable[[State], Any]


@dataclass(frozen=True, kw_only=True)
class Method(Schema):
    """A way to run a step over time. Methods differ in speed and memory, never in their numbers."""

    group: ClassVar[str] = "method"

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
        """The final state, leaves (batch, ...), and what `read` sees after every step, leaves (time, batch, ...).

        Args:
            step: one step of one example, `step(params, state, x) -> state`.
            read: a function of one example's state; it may return a pytree.
            params: the parameters of the step; whatever a gradient flows to must come in through the arguments.
            state: the state before the first step, leaves (batch, ...).
            xs: inputs, leaves (time, batch, ...); at masked steps they are finite, but mean nothing.
            mask: bool (time, batch): where false, the state stays as it is. None: every step counts.
            resets: bool (time, batch): where true, the state becomes `initial` before the step, also at a masked
                step; "before" in the direction of the loop. None: never.
            initial: the state that resets restore, of one example; needed with `resets` only.
            reverse: the last time step comes first; outputs stand where their inputs stand.

        A method that treats masked steps like others takes its step from `with_masks`, which folds them in.
        """
        raise NotImplementedError


def with_masks(
    step: Step, params: Params, xs: Any, mask: Array | None, resets: Array | None, initial: State | None
) -> tuple[Step, Params, Any]:
    """`(step, params, xs)` with masks and resets folded in: the masks become inputs, the initial state a parameter."""
    if mask is None and resets is None:
        return step, params, xs

    def folded(params: Params, state: State, x: Any) -> State:
        x, counts, renews = x
        if renews is not None:
            state = _where(renews, params["initial"], state)
        new = step(params["params"], state, x)
        return new if counts is None else _where(counts, new, state)

    return folded, {"params": params} | ({} if resets is None else {"initial": initial}), (xs, mask, resets)


def _where(condition: Array, new: State, old: State) -> State:
    return jax.tree.map(lambda n, o: jnp.where(condition, n, o), new, old)


_registry = Registry("method", Method, "gru_lab.recurrence")
register, names, get, create, name_of = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
)
