"""The passes over the jaxpr of a step: colouring, fusing and transposing products, rematerialisation."""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Callable, Container, Iterable, Sequence
from enum import IntEnum
from typing import Any

import jax
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from gru_lab.jaxprs import Atom, Environment, nbytes, needed, results, value_of
from gru_lab.recurrence.layout import Layout

CHEAP = frozenset(  # primitives that are recomputed rather than their results written and read
    (
        *("add", "add_any", "sub", "mul", "neg", "integer_pow", "square", "sign", "abs", "max", "min", "select_n"),
        *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "convert_element_type", "stop_gradient"),
        *("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy"),
    )
)


class Colour(IntEnum):
    """The moment at which a value can be known, by what it depends on."""

    ONCE = 0  # only on what is the same at every step (the parameters): it is loop-invariant
    BULK = 1  # on what is known for all steps beforehand (the inputs), but not on the loop
    LOOP = 2  # on what the step before it computed (the state)


class CannotSplit(Exception):
    """Raised where a step cannot be split; its text is the reason, as the end of a sentence."""


def colours(jaxpr: Jaxpr, n: int, m: int) -> dict[Var, Colour]:
    """The colour of every variable, if the first n inputs are ONCE, the next up to m BULK and the rest LOOP."""
    colour = dict.fromkeys([*jaxpr.constvars, *jaxpr.invars[:n]], Colour.ONCE)
    colour |= dict.fromkeys(jaxpr.invars[n:m], Colour.BULK) | dict.fromkeys(jaxpr.invars[m:], Colour.LOOP)
    for eqn in jaxpr.eqns:
        colour |= dict.fromkeys(eqn.outvars, latest(colour, eqn.invars))
    return colour


def latest(colour: dict[Var, Colour], atoms: Iterable[Atom]) -> Colour:
    """The colour of what is computed from these."""
    return max((colour[atom] for atom in atoms if isinstance(atom, Var)), default=Colour.ONCE)


def among(colour: dict[Var, Colour], atoms: Iterable[Atom], wanted: Colour) -> list[Var]:
    """The variables of one colour, each once."""
    return list(dict.fromkeys(a for a in atoms if isinstance(a, Var) and colour[a] == wanted))


def optimised(closed: ClosedJaxpr, n: int, m: int, layout: Layout) -> ClosedJaxpr:
    """The same function after dead-code elimination and the passes that the layout asks for.

    `common`: equal equations on equal operands are computed once (common subexpressions). `transpose`: a product with
    a transposed weight takes the transpose, which is of colour ONCE, instead. `fuse`: products `a A, a B, ...` of one
    operand with several weights are one product `a [A B ...]`, split afterwards.
    """
    jaxpr = closed.jaxpr
    colour = colours(jaxpr, n, m)
    equations = sorted(
        needed(jaxpr.eqns, jaxpr.outvars), key=lambda eqn: colour[eqn.outvars[0]]
    )  # stable: the order stays a valid one
    groups: dict[Any, list[JaxprEqn]] = {}
    for eqn in equations:
        key = _product_key(eqn, colour)
        if key is not None:
            groups.setdefault(key if layout.fuse else (key, id(eqn)), []).append(eqn)
    leaders = {id(group[0]): group for group in groups.values()}
    followers = {id(eqn) for group in groups.values() for eqn in group[1:]}

    def rewritten(*values: Any) -> list[Any]:
        env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *values], strict=True))
        computed: dict[Any, Any] = {}  # with the operands, so that their ids stay theirs
        for eqn in equations:
            if id(eqn) in leaders:
                _product(leaders[id(eqn)], env, layout.transpose)
            elif id(eqn) not in followers:
                operands = [value_of(env, atom) for atom in eqn.invars]
                expression = (eqn.primitive, str(eqn.params), *map(id, operands))
                if expression not in computed or not layout.common:
                    computed[expression] = operands, results(eqn, operands)
                env.update(zip(eqn.outvars, computed[expression][1], strict=True))
        return [value_of(env, atom) for atom in jaxpr.outvars]

    return jax.make_jaxpr(rewritten)(*closed.in_avals)


def _product_key(eqn: JaxprEqn, colour: dict[Var, Colour]) -> Any:
    """The properties that products must share to be fused; None unless a matrix is multiplied with a weight matrix."""
    if eqn.primitive.name != "dot_general":
        return None
    left, right = eqn.invars
    if isinstance(left, Literal) or isinstance(right, Literal) or left.aval.ndim != 2 or right.aval.ndim != 2:
        return None
    ((of_left, of_right), batch) = eqn.params["dimension_numbers"]
    if colour[left] == Colour.ONCE or colour[right] != Colour.ONCE or any(batch) or tuple(of_left) != (1,):
        return None
    if left.aval.shape[1] == 1:  # an outer product: compilers make it part of the element-wise work around it
        return None
    options = tuple(str(eqn.params.get(name)) for name in ("precision", "preferred_element_type"))
    return left, right.aval.dtype, tuple(of_right) if len(of_right) == 1 else id(eqn), options


def _product(group: list[JaxprEqn], env: Environment, transpose: bool) -> None:
    """One product for a group of them."""
    weights = [env[eqn.invars[1]] for eqn in group]
    ((_, (summed,)), _) = group[0].params["dimension_numbers"]
    if summed == 1 and transpose:
        weights, summed = [lax.transpose(weight, (1, 0)) for weight in weights], 0
    whole = weights[0] if len(group) == 1 else lax.concatenate(weights, 1 - summed)
    out = lax.dot_general(
        env[group[0].invars[0]],
        whole,
        (((1,), (summed,)), ((), ())),
        precision=group[0].params["precision"],
        preferred_element_type=group[0].params["preferred_element_type"],
    )
    parts = [out] if len(group) == 1 else lax.split(out, [weight.shape[1 - summed] for weight in weights], axis=1)
    env.update(zip((eqn.outvars[0] for eqn in group), parts, strict=True))


def rematerialised(
    colour: dict[Var, Colour],
    equations: Sequence[JaxprEqn],
    wanted: Iterable[Var],
    free: Container[Var],
    again: Callable[[JaxprEqn, bool], bool],
) -> tuple[list[Var], list[JaxprEqn]]:
    """The fewest bytes of values from which the wanted ones can be rematerialised, and the equations for it.

    Args:
        colour: the colour of every variable.
        equations: those of colour BULK.
        wanted: the values that must be known.
        free: values that cost nothing.
        again: `again(equation, from_free)` says whether an equation may be recomputed, given whether it needs free
            values only; it is where that does not need more bytes than it saves.
    """
    kept = dict.fromkeys(var for var in wanted if var not in free)
    repeated = []
    for eqn in reversed(equations):
        gained = [var for var in eqn.outvars if var in kept]
        operands = [a for a in among(colour, eqn.invars, Colour.BULK) if a not in kept and a not in free]
        grows = sum(map(nbytes, operands)) > sum(map(nbytes, gained))
        if gained and not grows and again(eqn, not operands):
            repeated.append(eqn)
            for var in gained:
                del kept[var]
            kept |= dict.fromkeys(operands)
    return list(kept), repeated[::-1]
