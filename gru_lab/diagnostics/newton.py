"""Newton's method over time: how many iterations the states of all steps at once need, and of how many sequences."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell
from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, register
from gru_lab.recurrence import Masks, Parallel
from gru_lab.recurrence.checks import check_lengths, check_params
from gru_lab.recurrence.parallel import Solution, solve
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Int, Params


def newton(
    cell: Cell,
    params: Params,
    xs: Float[Array, "B T I"],
    lengths: Int[Array, " B"] | None = None,
    method: Parallel = Parallel(),  # noqa: B008 (frozen)
) -> Solution:
    """The states over time by Newton's method, with its iterations per sequence and what did not converge.

    See `gru_lab.recurrence.Parallel`. An iteration is one parallel scan over all steps: so many of them as there are
    steps is no gain, and a chaotic cell needs that many.

    Raises:
        UserError: if parameters are not finite, or a length does not fit.

    >>> from gru_lab import cells
    >>> cell = cells.GRU(hidden=4)
    >>> params, xs = cell.init(jax.random.key(0), inputs=3), jax.random.normal(jax.random.key(1), (2, 50, 3))
    >>> solution = newton(cell, params, xs)
    >>> solution.iterations.shape, bool(solution.converged.all())
    ((2,), True)
    """
    batch, time = xs.shape[:2]
    check_params(params)
    check_lengths(lengths, batch, time)
    xs_TBI, masks = jnp.swapaxes(xs, 0, 1), Masks()
    if lengths is not None:
        counts_TB = jnp.arange(time)[:, None] < lengths
        xs_TBI, masks = jnp.where(counts_TB[..., None], xs_TBI, 0), Masks(counts_TB)
    first = jax.tree.map(jnp.asarray, cell.initial_state(params))
    state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), first)
    return solve(method, cell.step, params, state, xs_TBI, masks)


@register("newton")
@dataclass(frozen=True, kw_only=True)
class Newton(Diagnostic):
    """`iterations` of Newton's method over time, their mean and `most_iterations`, and the share that `fell_back`.

    Attributes:
        max_iterations: after which a sequence is finished step by step, and counts as fallen back.
    """

    usual_sequences: ClassVar[int] = 8

    max_iterations: Size = 64

    def measure(self, layer: Layer) -> dict[str, Array]:
        """See `Diagnostic.measure`."""
        cell, params, xs, lengths, _ = layer
        return summary(newton(cell, params, xs, lengths, Parallel(max_iterations=self.max_iterations)))


def summary(solution: Solution) -> dict[str, Array]:
    """The course of a solution in three numbers."""
    iterations = solution.iterations.astype(float)
    return {
        "iterations": iterations.mean(),
        "most_iterations": iterations.max(),
        "fell_back": jnp.mean(~solution.converged, dtype=float),
    }
