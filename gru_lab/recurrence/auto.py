"""The method that was fastest where it was measured, by backend, structure of the step, length, size and batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from gru_lab.recurrence.associative import Associative
from gru_lab.recurrence.measured import MEASURED, Measured
from gru_lab.recurrence.method import Masks, Method, Read, Step, of_one, register
from gru_lab.recurrence.parallel import Parallel
from gru_lab.recurrence.sequential import Sequential
from gru_lab.recurrence.structure import Structure, structure
from gru_lab.typing import Params, State

METHODS: dict[str, Method] = {"sequential": Sequential(), "parallel": Parallel(), "associative": Associative()}
FAR = math.log(16)  # beyond 16 times what was measured, nothing is known
WORTH = 0.8  # of the time of the loop, which another method may take at most: less of a gain may be noise


@register("auto")
@dataclass(frozen=True, kw_only=True)
class Auto(Method):
    """`sequential`, `parallel` or `associative`, whichever was fastest at the nearest shape that was measured.

    The measurements are kept in the package, for each backend where they were made; on another one, and for shapes far
    from all of them, it is `sequential`. Numbers differ by rounding alone, so that a result does not depend on it.
    `python experiments/methods.py` measures a machine.

    >>> from gru_lab import cells, unroll
    >>> import jax.numpy as jnp
    >>> cell = cells.MinGRU(hidden=4)
    >>> params, xs = cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 6, 3))
    >>> bool(jnp.allclose(unroll(cell, params, xs, method=Auto())[1], unroll(cell, params, xs)[1], atol=1e-6))
    True
    """

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        return METHODS[choice(step, params, state, xs)].run(step, read, params, state, xs, masks, reverse)


def choice(step: Step, params: Params, state: State, xs: Any, backend: str | None = None) -> str:
    """The name of the method for a problem of `Method.run`, on this backend or on another one."""
    time, batch = jax.tree.leaves(xs)[0].shape[:2]
    example = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), state)
    x = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype), xs)
    known = structure(step, of_one(params), example, x)
    numbers = sum(leaf.size for leaf in jax.tree.leaves(example))
    return nearest(MEASURED, backend or jax.default_backend(), kind(known), batch, time, numbers)


def kind(known: Structure) -> str:
    """The words of the table: `affine`, and whether a unit depends on itself alone (`units`) or on all (`matrix`).

    >>> kind(Structure(unit_by_unit=True, affine=True, passive=(False,)))
    'affine units'
    """
    return f"{'affine ' * known.affine}{'units' if known.unit_by_unit else 'matrix'}"


def nearest(table: Sequence[Measured], backend: str, structure: str, batch: int, time: int, numbers: int) -> str:
    """The fastest method at the measured shape that is nearest in the logarithms of batch, time and numbers.

    >>> nearest([Measured("cpu", "matrix", 1, 100, 8, "parallel", 0.5)], "cpu", "matrix", 1, 200, 8)
    'parallel'
    >>> nearest([Measured("cpu", "matrix", 1, 100, 8, "parallel", 0.5)], "gpu", "matrix", 1, 200, 8)
    'sequential'
    """
    here = [row for row in table if (row.backend, row.structure) == (backend, structure)]

    def far(row: Measured) -> float:
        pairs = ((row.batch, batch), (row.time, time), (row.numbers, numbers))
        return sum(abs(math.log(theirs / max(ours, 1))) for theirs, ours in pairs)

    distance = min(map(far, here), default=math.inf)
    ratios: dict[str, float] = {"sequential": WORTH}
    for row in (row for row in here if far(row) == distance <= FAR):
        ratios[row.method] = max(row.ratio, ratios.get(row.method, 0.0))  # of several cells the one that it suits least
    return min(ratios, key=ratios.__getitem__)
