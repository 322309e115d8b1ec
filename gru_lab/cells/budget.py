"""The cost of a cell, counted from its own `init` and `step`, and the hidden size that meets a budget.

No formula is written by hand: parameters and state are counted from the shapes that `init` and `initial_state`
return, floating-point operations from the equations that `step` traces to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.cells.cell import Cell
from gru_lab.jaxprs import flops, is_complex
from gru_lab.schema import UserError

Measure = Literal["parameters", "state", "flops"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one layer of a cell, without any readout.

    Attributes:
        inputs: the number of inputs counted for.
        hidden: the cell's `hidden`.
        matrices: parameters in arrays of two axes or more (input and recurrent weights).
        vectors: parameters in arrays of one axis or none (biases, peepholes, scalars).
        state: numbers carried from step to step; a complex one counts as two.
        outputs: numbers that the layer above sees.
        flops: floating-point operations of one step of one example, as `gru_lab.jaxprs.operations` counts them.
            What depends on the parameters only is not counted: it runs once per sequence.
    """

    inputs: int
    hidden: int
    matrices: int
    vectors: int
    state: int
    outputs: int
    flops: int

    @property
    def parameters(self) -> int:
        """All parameters of the layer: matrices and vectors."""
        return self.matrices + self.vectors


def cost(cell: Cell, inputs: int) -> Cost:
    """The cost of one layer of the cell; nothing is computed, only traced.

    >>> from gru_lab.cells import GRU
    >>> cost(GRU(hidden=4), inputs=3).parameters  # three of each: W (3, 4), U (4, 4), b (4,); and b_hn (4,)
    100
    """
    params = jax.eval_shape(lambda key: cell.init(key, inputs), jax.random.key(0))
    state = jax.eval_shape(cell.initial_state, params)
    sizes = [(leaf.ndim, leaf.size) for leaf in jax.tree.leaves(params)]
    dtype = jnp.result_type(*jax.tree.leaves(params))
    step = jax.make_jaxpr(cell.step)(params, state, jax.ShapeDtypeStruct((inputs,), dtype))
    constant = [True] * len(jax.tree.leaves(params)) + [False] * (len(step.in_avals) - len(jax.tree.leaves(params)))
    return Cost(
        inputs=inputs,
        hidden=cell.hidden,
        matrices=sum(size for axes, size in sizes if axes > 1),
        vectors=sum(size for axes, size in sizes if axes <= 1),
        state=sum(leaf.size * (1 + is_complex(leaf)) for leaf in jax.tree.leaves(state)),
        outputs=jax.eval_shape(cell.read, state).size,
        flops=flops(step.jaxpr, constant),
    )


def hidden_for(
    make: Callable[[int], Cell], inputs: int, budget: int, measure: Measure = "parameters", tolerance: float = 0.05
) -> int:
    """The hidden size whose cell comes nearest to a budget.

    Args:
        make: the cell of a hidden size.
        inputs: the number of inputs of the layer.
        budget: the parameters, numbers of state or FLOPs per step that the layer must have.
        measure: which of them.
        tolerance: how far off, as a share of the budget, the nearest may be.

    Raises:
        UserError: if no hidden size is that near; the nearest below and above are named.

    >>> from gru_lab.cells import GRU
    >>> hidden_for(lambda n: GRU(hidden=n), inputs=8, budget=20_000)
    77
    """

    def measured(hidden: int) -> int:
        return getattr(cost(make(hidden), inputs), measure)

    return nearest_size(measured, budget, measure, tolerance)


def nearest_size(
    measured: Callable[[int], int], budget: int, what: str, tolerance: float = 0.05, size_name: str = "hidden"
) -> int:
    """The whole number at which a growing count, of a whole model say, comes nearest to a budget; see `hidden_for`.

    >>> nearest_size(lambda n: n**2 + n, budget=110, what="parameters")
    10
    """
    if budget < 1:
        raise UserError(f"a budget of {budget} {what} cannot be met: it must be at least 1")
    known: dict[int, int | None] = {}

    def at(size: int) -> int:
        """The count, or 0 where no cell of so small a size exists."""
        if size not in known:
            try:
                known[size] = measured(size)
            except UserError as error:
                known[size], reasons[size] = None, error
        return known[size] or 0

    reasons: dict[int, UserError] = {}
    below, above = 0, 1
    while at(above) <= budget:
        below, above = above, above * 2
        if above > 1 << 24:
            raise reasons.get(below) or UserError(f"{what} do not grow with {size_name}: no size meets {budget}")
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if at(middle) <= budget else (below, middle)
    near = [size for size in (below, above) if size and known.get(size) is not None]
    best = min(near, key=lambda size: abs(at(size) - budget))
    if abs(at(best) - budget) > tolerance * budget:
        sizes = " and ".join(f"{size_name}={size} has {at(size):,}" for size in near)
        no_size = "no hidden size" if size_name == "hidden" else f"no {size_name}"
        raise UserError(f"{no_size} has {budget:,} {what} within {tolerance:.0%}: {sizes}")
    return best


def formula(measured: Callable[[int, int], float]) -> str | None:
    """A count as a polynomial in I and H, fitted to its values: `3 H I + 3 H^2 + 4 H`; None if it is not one.

    Args:
        measured: the count at (inputs, hidden).

    >>> from gru_lab.cells import RNN
    >>> formula(lambda i, h: cost(RNN(hidden=h), i).parameters)
    'H^2 + H I + H'
    """
    terms = {"H^2": lambda i, h: h * h, "H I": lambda i, h: h * i, "H": lambda i, h: h, "I": lambda i, h: i}
    terms |= {"1": lambda i, h: 1}
    points = [(3, 48), (5, 48), (3, 96), (7, 64), (4, 80)]
    values = np.array([[term(i, h) for term in terms.values()] for i, h in points], float)
    solved = [Fraction(x).limit_denominator(12) for x in np.linalg.solve(values, [measured(*p) for p in points])]
    for i, h in [(6, 112), (9, 56)]:
        if sum(c * term(i, h) for c, term in zip(solved, terms.values(), strict=True)) != measured(i, h):
            return None
    text = ""
    for name, c in zip(terms, solved, strict=True):
        if c:
            factor = str(abs(c)) if name == "1" or abs(c) != 1 else ""
            text += f" {'-' if c < 0 else '+'} {factor} {'' if name == '1' else name}".rstrip().replace("  ", " ")
    return text.removeprefix(" + ").strip() or "0"
