"""Layouts measured on a machine: the candidates of a loop, their measurement on request, and a method that takes them.

Nothing here reads or writes a file: `gru_lab.runs.layouts` keeps what `python -m gru_lab.recurrence tune` measured.
"""

import hashlib
import statistics
import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell
from gru_lab.recurrence.layout import Layout, candidates
from gru_lab.recurrence.method import Masks, Method, Read, Step
from gru_lab.recurrence.sequential import LaidOut, Sequential
from gru_lab.recurrence.unroll import unroll
from gru_lab.typing import Params, State

Entry = tuple[str, tuple[tuple[str, Any], ...]]  # signature of a loop, fields of its layout: plain values, as in JSON


@dataclass(frozen=True, kw_only=True)
class Tuned(Method):
    """`Sequential` with layouts that were measured, where there is one for a loop; numbers differ by rounding alone.

    >>> from gru_lab import cells, unroll
    >>> cell = cells.RNN(hidden=4)
    >>> params, xs = cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 6, 3))
    >>> method = Tuned(layouts=(entry(cell, 2, 6, 3, Layout(fuse=False)),))
    >>> bool(jnp.allclose(unroll(cell, params, xs, method=method)[1], unroll(cell, params, xs)[1]))
    True
    """

    layouts: tuple[Any, ...]
    method: Sequential = Sequential()

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        fields = dict(self.layouts).get(signature(step, params, state, xs))
        method = self.method if fields is None else LaidOut(layout=Layout(**dict(fields)))
        return method.run(step, read, params, state, xs, masks, reverse)


def signature(step: Step, params: Params, state: State, xs: Any) -> str:
    """Sixteen letters for the equations of a step, its shapes and dtypes, and the numbers of sequences and steps."""

    def shape(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype)

    before = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), state)
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
    time, batch = jax.tree.leaves(xs)[0].shape[:2]
    text = f"{time} {batch} {jax.make_jaxpr(step)(like, before, jax.tree.map(shape, xs))}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def entry(cell: Cell, batch: int, time: int, inputs: int, layout: Layout) -> Entry:
    """A layout of a cell's loop over sequences (batch, time, inputs), as a table holds it."""
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs))
    state = jax.eval_shape(jax.vmap(cell.initial_state, None, axis_size=batch), params)
    xs = jax.ShapeDtypeStruct((time, batch, inputs), jnp.result_type(float))
    return signature(cell.step, params, state, xs), tuple(sorted(asdict(layout).items()))


def frozen(entries: Sequence[Any]) -> tuple[Entry, ...]:
    """Entries as they come from JSON, as tuples."""
    return tuple((name, tuple((field, value) for field, value in fields)) for name, fields in entries)


def layouts(time: int, batch: int) -> dict[str, Layout]:
    """The few layouts among which a tuner chooses, by a description; the first is that of `auto`."""
    first = candidates("auto", time, batch, None, 1)[0]
    known = {"auto": first}
    for store in ("gates", "states"):
        (layout,) = candidates(store, time, batch, None, 1)
        known |= {f"{store}, blocks of {n}": replace(layout, block=n) for n in {min(layout.block, time), 32, time}}
    for name in ("fuse", "transpose", "hoist"):
        changed = not getattr(first, name)
        known[f"{name}={str(changed).lower()}"] = replace(first, **{name: changed})
    unlike: dict[Layout, str] = {}
    for name, layout in known.items():
        unlike.setdefault(replace(layout, block=min(layout.block, time)), name)
    return {name: layout for layout, name in unlike.items()}


def measured(
    cell: Cell, batch: int, time: int, inputs: int, rounds: int = 7, least_s: float = 0.03
) -> Mapping[str, tuple[Layout, float]]:
    """The median seconds of forward and backward together in each layout, which take turns, by description."""
    params = cell.init(jax.random.key(0), inputs)
    xs = jax.random.normal(jax.random.key(1), (batch, time, inputs))
    known, seconds = layouts(time, batch), {}

    def program(layout: Layout) -> Any:
        def loss(params: Params, xs: Any) -> Any:
            return jnp.sin(unroll(cell, params, xs, method=LaidOut(layout=layout))[1]).sum()

        return jax.jit(jax.value_and_grad(loss)).lower(params, xs).compile()

    programs = {name: program(layout) for name, layout in known.items()}
    for run in programs.values():
        jax.block_until_ready(run(params, xs))
    for _ in range(rounds):
        for name, run in programs.items():
            calls, start = 0, clock.perf_counter()
            while (passed := clock.perf_counter() - start) < least_s or not calls:
                jax.block_until_ready(run(params, xs))
                calls += 1
            seconds.setdefault(name, []).append(passed / calls)
    return {name: (layout, statistics.median(seconds[name])) for name, layout in known.items()}
