"""What a cell costs, counted from its own `init` and `step`, and the hidden size that meets a budget.

No formula is written by hand: parameters and state are counted from the shapes that `init` and `initial_state`
return, floating-point operations from the equations that `step` traces to.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.extend.core import Literal as Constant

from gru_lab.cells.cell import Cell
from gru_lab.schema import UserError

Measure = Literal["parameters", "state", "flops"]


@dataclass(frozen=True)
class Cost:
    """What one layer of a cell costs, without any readout.

    Attributes:
        inputs: the number of inputs counted for.
        hidden: the cell's `hidden`.
        matrices: parameters in arrays of two axes or more (input and recurrent weights).
        vectors: parameters in arrays of one axis or none (biases, peepholes, scalars).
        state: numbers carried from step to step; a complex one counts as two.
        outputs: numbers that the layer above sees.
        flops: floating-point operations of one step of one example. A product of m x k by k x n is 2mkn; every
            element-wise operation is 1 an element, tanh and exp too (complex: sum 2, product 6); a Fourier
            transform of n is 5 n log2 n; moving, comparing and choosing are 0. What depends on the parameters
            only is not counted: it runs once a sequence.
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
    """What one layer of the cell costs; nothing is computed, only traced."""
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
        state=sum(leaf.size * (1 + _is_complex(leaf)) for leaf in jax.tree.leaves(state)),
        outputs=jax.eval_shape(cell.read, state).size,
        flops=_flops(step.jaxpr, constant),
    )


def hidden_for(
    make: Callable[[int], Cell], inputs: int, budget: int, measure: Measure = "parameters", tolerance: float = 0.05
) -> int:
    """The hidden size whose cell comes nearest to a budget: `hidden_for(lambda n: GRU(n), 8, 20_000)`.

    Args:
        make: the cell of a hidden size.
        inputs: the number of inputs of the layer.
        budget: how many parameters, numbers of state or FLOPs a step the layer shall have.
        measure: which of them.
        tolerance: how far off, as a share of the budget, the nearest may be.

    Raises:
        UserError: if no hidden size is that near; the nearest below and above are named.
    """

    def measured(hidden: int) -> int:
        return getattr(cost(make(hidden), inputs), measure)

    return nearest_size(measured, budget, measure, tolerance)


def nearest_size(measured: Callable[[int], int], budget: int, what: str, tolerance: float = 0.05) -> int:
    """The whole number at which a growing count, of a whole model say, comes nearest to a budget; see `hidden_for`."""
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
            raise reasons.get(below) or UserError(f"{what} do not grow with hidden: no size meets {budget}")
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if at(middle) <= budget else (below, middle)
    found = [size for size in (below, above) if size and known.get(size) is not None]
    best = min(found, key=lambda size: abs(at(size) - budget))
    if abs(at(best) - budget) > tolerance * budget:
        near = " and ".join(f"hidden={size} has {at(size):,}" for size in found)
        raise UserError(f"no hidden size has {budget:,} {what} within {tolerance:.0%}: {near}")
    return best


def formula(measured: Callable[[int, int], float]) -> str | None:
    """A count as a polynomial in I and H, read off from its values: `3 H I + 3 H^2 + 4 H`; None if it is none.

    Args:
        measured: the count at (inputs, hidden).
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


_MOVES = (
    "reshape broadcast_in_dim squeeze expand_dims transpose slice dynamic_slice concatenate rev gather iota copy "
    "convert_element_type stop_gradient select_n eq ne lt le gt ge and or not xor real imag complex conj is_finite "
    "pad scatter clamp split device_put sign"
)
_FREE = frozenset(_MOVES.split())


def _flops(jaxpr: Jaxpr, constant: list[bool]) -> int:
    """The operations of those equations that depend on more than constants."""
    fixed = {var for var, same in zip(jaxpr.invars, constant, strict=True) if same} | set(jaxpr.constvars)
    total = 0
    for eqn in jaxpr.eqns:
        same = [isinstance(atom, Constant) or atom in fixed for atom in eqn.invars]
        if all(same):
            fixed |= set(eqn.outvars)
            continue
        inner = list(_inner(eqn))
        if inner:
            total += sum(
                _flops(one, same if len(one.invars) == len(same) else [False] * len(one.invars)) for one in inner
            )
        else:
            total += _operations(eqn)
    return total


def _inner(eqn: JaxprEqn) -> Iterator[Jaxpr]:
    for value in jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda v: isinstance(v, (Jaxpr, ClosedJaxpr))):
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value


def _operations(eqn: JaxprEqn) -> int:
    name = eqn.primitive.name
    out: Any = eqn.outvars[0].aval
    first: Any = eqn.invars[0].aval if eqn.invars else out
    size, both = math.prod(out.shape), _is_complex(out) or _is_complex(first)
    if name in _FREE:
        return 0
    if name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return 2 * size * math.prod(first.shape[axis] for axis in contracted) * (4 if both else 1)
    if name == "fft":
        length = math.prod(eqn.params["fft_lengths"])
        return round(5 * size * math.log2(max(length, 2)))
    if name == "triangular_solve":
        return first.shape[-1] * size * (4 if both else 1)
    if name.startswith("reduce_") or name.startswith("cum"):
        return math.prod(first.shape) * (1 + both)
    return size * ({"mul": 6, "div": 6}.get(name, 2) if both else 1)


def _is_complex(aval: Any) -> bool:
    return bool(jnp.issubdtype(aval.dtype, jnp.complexfloating))
