"""Jaxprs: tracing, inlining, evaluating, dead-code elimination, and what an equation costs.

The only interpreter and the only cost counter of jaxprs: the wrappers of cells, their budgets and the recurrence use
them.
"""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

Atom = Var | Literal
Environment = dict[Var, Any]
# The results of an equation for these operands, where they differ from those that JAX would give; None elsewhere.
Rule = Callable[[JaxprEqn, list[Any]], Sequence[Any] | None]


def inner(eqn: JaxprEqn) -> list[ClosedJaxpr]:
    """The jaxprs among the parameters of an equation: what it calls, its branches, its loop's body."""
    is_jaxpr = (Jaxpr, ClosedJaxpr)
    values = jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda value: isinstance(value, is_jaxpr))
    jaxprs = [value for value in values if isinstance(value, is_jaxpr)]
    return [value if isinstance(value, ClosedJaxpr) else ClosedJaxpr(value, ()) for value in jaxprs]


def callee(eqn: JaxprEqn) -> ClosedJaxpr | None:
    """The jaxpr that an equation calls once and as it is: of `jit`, `checkpoint`, `custom_jvp` and their like.

    Recognised by its types and not by its name, which changes between versions of JAX; None for loops and branches.
    """
    called = inner(eqn)
    if len(called) != 1 or eqn.primitive.name in ("scan", "while", "cond", "shard_map"):
        return None
    jaxpr = called[0].jaxpr
    same = [shape(a) for a in (*jaxpr.invars, *jaxpr.outvars)] == [shape(a) for a in (*eqn.invars, *eqn.outvars)]
    return called[0] if same else None


def shape(atom: Atom) -> tuple[Any, Any]:
    """Shape and dtype."""
    return atom.aval.shape, atom.aval.dtype


def has_rule(eqn: JaxprEqn) -> bool:
    """True for an equation with derivatives of its own, which inlining would lose."""
    return eqn.primitive.name.startswith("custom_")


def inlined(eqn: JaxprEqn) -> ClosedJaxpr | None:
    """The jaxpr to run in place of a call; None where there is none, and for calls with derivatives of their own."""
    return None if has_rule(eqn) else callee(eqn)


def contains(eqn: JaxprEqn, primitive: str) -> bool:
    """True if an equation, or any inside it, is of that primitive."""
    return eqn.primitive.name == primitive or any(contains(e, primitive) for c in inner(eqn) for e in c.eqns)


def value_of(env: Environment, atom: Atom) -> Any:
    """The value of a variable or literal."""
    return atom.val if isinstance(atom, Literal) else env[atom]


def bind(eqn: JaxprEqn, operands: Sequence[Any], **changed: Any) -> Sequence[Any]:
    """The results of an equation, under JAX's own rules, with some of its parameters changed."""
    outs = eqn.primitive.bind(*operands, **eqn.primitive.get_bind_params(eqn.params) | changed)
    return outs if eqn.primitive.multiple_results else [outs]


def results(eqn: JaxprEqn, operands: list[Any], rule: Rule | None = None) -> Sequence[Any]:
    """The results of an equation: by the rule if it has any, else inlined if it is a call, else as JAX gives them."""
    outs = None if rule is None else rule(eqn, operands)
    if outs is not None:
        return outs
    called = inlined(eqn)
    return bind(eqn, operands) if called is None else call(called, operands, rule)


def evaluate(equations: Iterable[JaxprEqn], env: Environment, rule: Rule | None = None) -> None:
    """Run equations in order, reading from and writing to `env`."""
    for eqn in equations:
        outs = results(eqn, [value_of(env, atom) for atom in eqn.invars], rule)
        env.update(zip(eqn.outvars, outs, strict=True))


def call(closed: ClosedJaxpr, values: Sequence[Any], rule: Rule | None = None) -> list[Any]:
    """The results of a jaxpr."""
    jaxpr = closed.jaxpr
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *values], strict=True))
    evaluate(jaxpr.eqns, env, rule)
    return [value_of(env, atom) for atom in jaxpr.outvars]


def trace(function: Callable, *args: Any) -> ClosedJaxpr:
    """The jaxpr of a function, its calls inlined.

    >>> closed = trace(jax.jit(lambda x: jnp.sin(x) + 1), 0.5)
    >>> [eqn.primitive.name for eqn in closed.eqns]
    ['sin', 'add']
    """
    closed = jax.make_jaxpr(function)(*args)
    if any(inlined(eqn) for eqn in closed.eqns):
        closed = jax.make_jaxpr(lambda *values: call(closed, values))(*closed.in_avals)
    return closed


def variables(equations: Iterable[JaxprEqn]) -> list[Var]:
    """The variables that equations read, as often as they do."""
    return [atom for eqn in equations for atom in eqn.invars if isinstance(atom, Var)]


def needed(equations: Sequence[JaxprEqn], wanted: Iterable[Atom], known: Container[Var] = ()) -> list[JaxprEqn]:
    """Dead-code elimination: those equations that the wanted values depend on, given that some values are known."""
    missing = {atom for atom in wanted if isinstance(atom, Var) and atom not in known}
    kept = []
    for eqn in reversed(equations):
        if missing.intersection(eqn.outvars):
            kept.append(eqn)
            missing |= {var for var in variables([eqn]) if var not in known}
    return kept[::-1]


class Program:
    """Straight-line code from lists of inputs to lists of outputs: picked equations of a jaxpr, without dead code."""

    def __init__(
        self, equations: Sequence[JaxprEqn], inputs: Sequence[Sequence[Var]], outputs: Sequence[Sequence[Atom]]
    ) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.equations = needed(equations, chain(*outputs), frozenset(chain(*inputs)))

    def __call__(self, *values: Sequence[Any], rule: Rule | None = None) -> list[list[Any]]:
        """The lists of outputs for these lists of inputs."""
        env: Environment = {}
        for names, given in zip(self.inputs, values, strict=True):
            env.update(zip(names, given, strict=True))
        evaluate(self.equations, env, rule)
        return [[value_of(env, atom) for atom in atoms] for atoms in self.outputs]


def nbytes(atom: Atom) -> int:
    """The bytes of a value; a random key counts as 8."""
    return atom.aval.size * getattr(atom.aval.dtype, "itemsize", 8)


_MOVES = (
    "reshape broadcast_in_dim squeeze expand_dims transpose slice dynamic_slice concatenate rev gather iota copy "
    "convert_element_type stop_gradient select_n eq ne lt le gt ge and or not xor real imag complex conj is_finite "
    "pad scatter clamp split device_put sign dynamic_update_slice"
)
_FREE = frozenset(_MOVES.split())


def varying(jaxpr: Jaxpr, constant: Sequence[bool]) -> list[tuple[JaxprEqn, list[bool]]]:
    """The equations that depend on more than the constant inputs, and which of their operands do not."""
    fixed = {var for var, same in zip(jaxpr.invars, constant, strict=True) if same} | set(jaxpr.constvars)
    kept = []
    for eqn in jaxpr.eqns:
        same = [isinstance(atom, Literal) or atom in fixed for atom in eqn.invars]
        if all(same):
            fixed |= set(eqn.outvars)
        else:
            kept.append((eqn, same))
    return kept


def flops(jaxpr: Jaxpr, constant: Sequence[bool]) -> int:
    """The floating-point operations of those equations that depend on more than the constant inputs."""
    return sum(operations(eqn, same) for eqn, same in varying(jaxpr, constant))


def operations(eqn: JaxprEqn, constant: Sequence[bool] | None = None) -> int:
    """The floating-point operations of one equation.

    A product of m x k by k x n is 2mkn; every element-wise operation is 1 per element, tanh and exp too (complex: sum
    2, product 6); a Fourier transform of n is 5 n log2 n; moving, comparing and choosing are 0. A loop counts as often
    as it runs, where its length is known, else once; of branches the dearest counts.

    >>> closed = trace(jnp.matmul, jnp.ones((2, 3)), jnp.ones((3, 4)))
    >>> sum(map(operations, closed.eqns))
    48
    """
    name, bodies = eqn.primitive.name, inner(eqn)
    if bodies:
        same = constant if constant is not None else [False] * len(eqn.invars)
        fitting = (same if len(c.jaxpr.invars) == len(same) else [False] * len(c.jaxpr.invars) for c in bodies)
        each = [flops(closed.jaxpr, inputs) for closed, inputs in zip(bodies, fitting, strict=True)]
        once = max(each) if name == "cond" else sum(each)
        return once * eqn.params.get("length", 1) if name == "scan" else once
    out, first = eqn.outvars[0].aval, eqn.invars[0].aval if eqn.invars else eqn.outvars[0].aval
    size, both = math.prod(out.shape), is_complex(out) or is_complex(first)
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


def traffic(eqn: JaxprEqn) -> int:
    """The bytes that one equation reads and writes where nothing is fused; a loop counts as often as it runs.

    >>> closed = trace(jnp.matmul, jnp.ones((2, 3)), jnp.ones((3, 4)))  # 6 + 12 numbers in, 8 out
    >>> sum(map(traffic, closed.eqns))
    104
    """
    if bodies := inner(eqn):
        once = sum(traffic(each) for closed in bodies for each in closed.eqns)
        return once * eqn.params.get("length", 1) if eqn.primitive.name == "scan" else once
    return sum(map(nbytes, (*eqn.invars, *eqn.outvars)))


def every(equations: Iterable[JaxprEqn]) -> Iterator[JaxprEqn]:
    """All equations, and those inside them."""
    for eqn in equations:
        yield eqn
        for closed in inner(eqn):
            yield from every(closed.eqns)


def is_complex(value: Any) -> bool:
    """True for complex numbers."""
    return bool(jnp.issubdtype(value.dtype, jnp.complexfloating))


def inexact(value: Any) -> bool:
    """True for what a gradient can flow through."""
    return jnp.issubdtype(value.dtype, jnp.inexact)
