"""Jaxprs as lists of equations: tracing, colouring, evaluating them, and writing their products in a faster order."""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Callable, Container, Iterable, Sequence
from enum import IntEnum
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

Environment = dict[Var, Any]
Atom = Var | Literal

_TRANSPARENT = ("jit", "pjit", "closed_call", "checkpoint", "remat")


class Colour(IntEnum):
    """When a value can be known: once, for all time steps at once, or step by step."""

    ONCE = 0
    BULK = 1
    LOOP = 2


class CannotSplit(Exception):
    """Why a step cannot be taken apart, as the end of a sentence."""


class Taps:
    """Zeros added to what some equations give: their cotangents are the cotangents of those results."""

    def __init__(self, equations: Sequence[JaxprEqn], zeros: Sequence[Sequence[Any]]) -> None:
        self._zeros = {id(eqn): zero for eqn, zero in zip(equations, zeros, strict=True)}
        self._values: dict[int, list[Any]] = {}

    def after(self, eqn: JaxprEqn, values: list[Any], outs: Sequence[Any]) -> Sequence[Any]:
        """The results of an equation plus its taps, if it has any; keeps the values of its operands."""
        if id(eqn) not in self._zeros:
            return outs
        self._values[id(eqn)] = values
        taps = iter(self._zeros[id(eqn)])
        return [out + next(taps) if inexact(out) else out for out in outs]

    def operands(self, eqn: JaxprEqn) -> list[Any]:
        """What a tapped equation was computed from."""
        return self._values[id(eqn)]


def inexact(value: Any) -> bool:
    """True for what a gradient can flow through."""
    return jnp.issubdtype(value.dtype, jnp.inexact)


def value_of(env: Environment, atom: Atom) -> Any:
    """The value of a variable or literal."""
    return atom.val if isinstance(atom, Literal) else env[atom]


def results(eqn: JaxprEqn, values: Sequence[Any]) -> Sequence[Any]:
    """What an equation gives for these values of its operands; one that merely calls others is opened."""
    if eqn.primitive.name in _TRANSPARENT:
        return _call(eqn.params["jaxpr"], values)
    outs = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return outs if eqn.primitive.multiple_results else [outs]


def evaluate(equations: Iterable[JaxprEqn], env: Environment, taps: Taps | None = None) -> None:
    """Run equations in order, reading from and writing to `env`."""
    for eqn in equations:
        values = [value_of(env, atom) for atom in eqn.invars]
        outs = results(eqn, values)
        env.update(zip(eqn.outvars, outs if taps is None else taps.after(eqn, values, outs), strict=True))


def _call(jaxpr: ClosedJaxpr | Jaxpr, values: Sequence[Any]) -> list[Any]:
    inner, consts = (jaxpr.jaxpr, jaxpr.consts) if isinstance(jaxpr, ClosedJaxpr) else (jaxpr, ())
    env = dict(zip([*inner.constvars, *inner.invars], [*consts, *values], strict=True))
    evaluate(inner.eqns, env)
    return [value_of(env, atom) for atom in inner.outvars]


def trace(function: Callable, *args: Any) -> ClosedJaxpr:
    """The jaxpr of a function, nested calls opened; `CannotSplit` if it has side effects."""
    closed = jax.make_jaxpr(function)(*args)
    if closed.effects:
        raise CannotSplit(f"it has side effects ({', '.join(sorted(map(str, closed.effects)))})")
    if any(eqn.primitive.name in _TRANSPARENT for eqn in closed.eqns):
        closed = jax.make_jaxpr(lambda *values: _call(closed, values))(*closed.in_avals)
    return closed


def live(equations: Sequence[JaxprEqn], wanted: Iterable[Atom], known: Container[Var] = ()) -> list[JaxprEqn]:
    """Those equations, in order, that the wanted values depend on, given that some values are known."""
    missing = {atom for atom in wanted if isinstance(atom, Var) and atom not in known}
    kept = []
    for eqn in reversed(equations):
        if missing.intersection(eqn.outvars):
            kept.append(eqn)
            missing |= {atom for atom in eqn.invars if isinstance(atom, Var) and atom not in known}
    return kept[::-1]


def colours(jaxpr: Jaxpr, n: int, m: int) -> dict[Var, Colour]:
    """The colour of every variable, if the first n inputs are ONCE, the next up to m BULK and the rest LOOP."""
    colour = dict.fromkeys([*jaxpr.constvars, *jaxpr.invars[:n]], Colour.ONCE)
    colour |= dict.fromkeys(jaxpr.invars[n:m], Colour.BULK) | dict.fromkeys(jaxpr.invars[m:], Colour.LOOP)
    for eqn in jaxpr.eqns:
        own = max((colour[a] for a in eqn.invars if isinstance(a, Var)), default=Colour.ONCE)
        colour |= dict.fromkeys(eqn.outvars, own)
    return colour


def lowered(closed: ClosedJaxpr, n: int, m: int, fused: bool) -> ClosedJaxpr:
    """The same function with its products written as hardware likes them.

    A product with a transposed weight takes the transpose, which is of colour ONCE, instead. If `fused`, products
    `a A, a B, ...` of one operand with several weights are one product `a [A B ...]`, split afterwards.
    """
    jaxpr = closed.jaxpr
    colour = colours(jaxpr, n, m)
    equations = sorted(
        live(jaxpr.eqns, jaxpr.outvars), key=lambda eqn: colour[eqn.outvars[0]]
    )  # stable: the order stays a valid one
    groups: dict[Any, list[JaxprEqn]] = {}
    for eqn in equations:
        key = _product_key(eqn, colour)
        if key is not None:
            groups.setdefault(key if fused else (key, id(eqn)), []).append(eqn)
    leaders = {id(group[0]): group for group in groups.values()}
    followers = {id(eqn) for group in groups.values() for eqn in group[1:]}

    def rewritten(*values: Any) -> list[Any]:
        env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *values], strict=True))
        known: dict[Any, Any] = {}  # equal equations run once; operands are kept, so that their ids stay theirs
        for eqn in equations:
            if id(eqn) in leaders:
                _product(leaders[id(eqn)], env)
            elif id(eqn) not in followers:
                operands = [value_of(env, atom) for atom in eqn.invars]
                twin = (eqn.primitive, str(eqn.params), *map(id, operands))
                if twin not in known:
                    known[twin] = operands, results(eqn, operands)
                env.update(zip(eqn.outvars, known[twin][1], strict=True))
        return [value_of(env, atom) for atom in jaxpr.outvars]

    return jax.make_jaxpr(rewritten)(*closed.in_avals)


def _product_key(eqn: JaxprEqn, colour: dict[Var, Colour]) -> Any:
    """What products must share to become one; None for what is no product of a matrix with a weight matrix."""
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


def _product(group: list[JaxprEqn], env: Environment) -> None:
    """One product for a group of them."""
    weights = [env[eqn.invars[1]] for eqn in group]
    ((_, (of_right,)), _) = group[0].params["dimension_numbers"]
    if of_right == 1:
        weights = [lax.transpose(weight, (1, 0)) for weight in weights]
    whole = weights[0] if len(group) == 1 else lax.concatenate(weights, 1)
    out = lax.dot_general(
        env[group[0].invars[0]],
        whole,
        (((1,), (0,)), ((), ())),
        precision=group[0].params["precision"],
        preferred_element_type=group[0].params["preferred_element_type"],
    )
    parts = [out] if len(group) == 1 else lax.split(out, [weight.shape[1] for weight in weights], axis=1)
    env.update(zip((eqn.outvars[0] for eqn in group), parts, strict=True))
