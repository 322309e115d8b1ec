"""All that a step computes on its way, over time: gates, candidates and states, for inspection."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from gru_lab.cells import Cell
from gru_lab.typing import Array, Params, State


def gates(cell: Cell, params: Params, states: State, xs: Any) -> dict[str, Array]:
    """What the local variables of `cell.step` hold at every step: `{"r": (batch, time, hidden), ...}`.

    A step written as in the paper names its gates by its own local variables, so there is nothing to declare.
    `states` are those before each step; both arguments have leaves (batch, time, ...). A variable that is assigned
    twice is shown with its last value. What the step was given (parameters, state, input) is left out.
    """

    def one(state: State, x: Any) -> dict[str, Array]:
        with _locals_of_steps() as found:
            cell.step(params, state, x)
        given = {id(leaf) for leaf in jax.tree.leaves((params, state, x))}
        return {name: value for name, value in found.items() if id(value) not in given}

    return jax.vmap(jax.vmap(one))(states, xs)


@contextmanager
def _locals_of_steps() -> Iterator[dict[str, Any]]:
    """Collects the arrays among the local variables of every method `step` of a cell when it returns."""
    found: dict[str, Any] = {}
    outer = sys.getprofile()

    def watch(frame: Any, event: str, _: Any) -> None:
        if event == "return" and frame.f_code.co_name == "step" and isinstance(frame.f_locals.get("self"), Cell):
            local = {k: v for k, v in frame.f_locals.items() if isinstance(v, jax.Array) and k not in ("x", "state")}
            found.update(local)

    sys.setprofile(watch)
    try:
        yield found
    finally:
        sys.setprofile(outer)
