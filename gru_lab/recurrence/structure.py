"""The structure of a step as a function of its state, read from its jaxpr: coupled or unit by unit, affine or not."""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Var

from gru_lab.jaxprs import callee, needed, trace
from gru_lab.recurrence.method import Step, of_one
from gru_lab.typing import Params, State

_ELEMENTWISE = (
    "add sub mul div neg max min pow integer_pow square sqrt rsqrt cbrt exp exp2 expm1 log log1p tanh logistic sin cos "
    "tan atan atan2 sinh cosh asin acos asinh acosh atanh erf erfc erf_inv abs sign floor ceil round rem select_n "
    "clamp eq ne lt le gt ge and or not xor is_finite real imag complex conj convert_element_type copy "
    "reduce_precision"
)
_LINEAR_MAPS = (
    "neg convert_element_type copy reshape broadcast_in_dim squeeze expand_dims transpose slice rev concatenate "
    "reduce_sum cumsum real imag complex conj split pad add sub add_any"
)
_UNIT_BY_UNIT, _LINEAR = frozenset(_ELEMENTWISE.split()), frozenset(_LINEAR_MAPS.split())


class Degree(IntEnum):
    """The dependence of a value on the state."""

    CONSTANT = 0
    AFFINE = 1
    OTHER = 2


class Structure(NamedTuple):
    """The structure of a step as a function of its state.

    Attributes:
        unit_by_unit: all leaves of the state have one shape, and unit i of the new state depends on unit i alone: the
            Jacobian is diagonal, or block-diagonal with a row per leaf.
        affine: new state = A(x) state + b(x).
        passive: per leaf, true where the new state does not depend on the leaf: it is written and never read.
    """

    unit_by_unit: bool
    affine: bool
    passive: tuple[bool, ...]


def structure(step: Step, params: Params, state: State, x: Any) -> Structure:
    """The structure of a step of one example, for shapes or arrays; parameters may be `PerSequence`.

    >>> from gru_lab import cells
    >>> import jax.numpy as jnp
    >>> def of(cell):
    ...     params = cell.init(jax.random.key(0), inputs=3)
    ...     return structure(cell.step, params, cell.initial_state(params), jnp.ones(3))
    >>> of(cells.MinGRU(hidden=4))
    Structure(unit_by_unit=True, affine=True, passive=(False,))
    >>> of(cells.GRU(hidden=4))
    Structure(unit_by_unit=False, affine=False, passive=(False,))
    """
    leaves, tree = jax.tree.flatten(state)

    def of_leaves(leaves: list[Any], params: Params, x: Any) -> list[Any]:
        return jax.tree.leaves(step(params, jax.tree.unflatten(tree, leaves), x))

    jaxpr = trace(of_leaves, leaves, of_one(params), x).jaxpr
    n = len(leaves)
    read = {atom for eqn in needed(jaxpr.eqns, jaxpr.outvars) for atom in eqn.invars if isinstance(atom, Var)}
    passive = tuple(var not in read and var not in jaxpr.outvars for var in jaxpr.invars[:n])
    live = [var for var, no in zip(jaxpr.invars[:n], passive, strict=True) if not no]
    outs = [atom for atom, no in zip(jaxpr.outvars, passive, strict=True) if not no]
    shapes = {var.aval.shape for var in live}
    coupled = len(shapes) != 1 or _propagate(jaxpr, dict.fromkeys(live, False), _couples, outs)
    degree = _propagate(jaxpr, dict.fromkeys(live, Degree.AFFINE), _degree, outs)
    return Structure(not coupled, degree <= Degree.AFFINE, passive)


def _propagate(jaxpr: Jaxpr, known: dict[Var, Any], rule: Callable, outs: list[Any]) -> Any:
    """The largest value that a rule gives to the outputs; what is not in `known` does not depend on the state."""
    known = dict(known)
    for eqn in jaxpr.eqns:
        given = [known.get(atom) if isinstance(atom, Var) else None for atom in eqn.invars]
        if all(value is None for value in given):
            continue
        known.update(zip(eqn.outvars, rule(eqn, given), strict=True))
    return max((known[atom] for atom in outs if isinstance(atom, Var) and known.get(atom) is not None), default=0)


def _inside(eqn: JaxprEqn, given: list[Any], rule: Callable) -> list[Any] | None:
    """The values of the results of a call, from its body; None for other equations."""
    called = callee(eqn)
    if called is None:
        return None
    known = {var: value for var, value in zip(called.jaxpr.invars, given, strict=True) if value is not None}
    return [_propagate(called.jaxpr, known, rule, [out]) for out in called.jaxpr.outvars]


def _couples(eqn: JaxprEqn, given: list[Any]) -> list[bool]:
    """True for a result in which different units of the state meet, or units stand elsewhere than before."""
    if (inside := _inside(eqn, given, _couples)) is not None:
        return [bool(value) for value in inside]
    mixed = any(given)
    shapes = {atom.aval.shape for atom, value in zip(eqn.invars, given, strict=True) if value is not None}
    same = shapes == {eqn.outvars[0].aval.shape} and eqn.primitive.name in _UNIT_BY_UNIT
    return [mixed or not same] * len(eqn.outvars)


def _degree(eqn: JaxprEqn, given: list[Any]) -> list[Degree]:
    """The degree of the results of an equation in the state."""
    if (inside := _inside(eqn, given, _degree)) is not None:
        return [Degree(value) for value in inside]
    name, degree = eqn.primitive.name, max(value for value in given if value is not None)
    dependent = [value is not None for value in given]
    if name in _LINEAR:
        allowed = True
    elif name in ("mul", "dot_general"):
        allowed = sum(dependent) == 1
    elif name == "div":
        allowed = not dependent[1]
    elif name == "select_n":
        allowed = not dependent[0]
    else:
        allowed = False
    return [degree if allowed else Degree.OTHER] * len(eqn.outvars)
