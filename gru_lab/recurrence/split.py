"""The split: which part of a function can run once, which for all time steps at once, and which only step by step.

A function of one time step is traced to a jaxpr and every equation is coloured by what it depends on:

    ONCE    only on what is the same at every step (the parameters)
    BULK    on what is known for all steps beforehand (the inputs), but not on the loop
    LOOP    on what the step before it computed (the state)

The same colouring serves both directions: forward the loop carries the state; backward it carries the state's
cotangent, and all that was computed forward is known beforehand.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from gru_lab.typing import Array

Environment = dict[Var, Any]
Atom = Var | Literal

_TRANSPARENT = ("jit", "pjit", "closed_call", "checkpoint", "remat")


class Colour(IntEnum):
    """When a value can be known."""

    ONCE = 0
    BULK = 1
    LOOP = 2


class CannotSplit(Exception):
    """Why a step cannot be taken apart, as the end of a sentence."""


def evaluate(equations: Iterable[JaxprEqn], env: Environment, taps: "Taps | None" = None) -> None:
    """Run equations in order, reading from and writing to `env`; equations that merely call others are opened."""
    for eqn in equations:
        values = [value_of(env, atom) for atom in eqn.invars]
        if eqn.primitive.name in _TRANSPARENT:
            outs = _call(eqn.params["jaxpr"], values)
        else:
            outs = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
            outs = outs if eqn.primitive.multiple_results else [outs]
        if taps is not None:
            outs = taps.after(eqn, values, outs)
        env.update(zip(eqn.outvars, outs, strict=True))


def value_of(env: Environment, atom: Atom) -> Any:
    """The value of a variable or literal."""
    return atom.val if isinstance(atom, Literal) else env[atom]


def _call(jaxpr: ClosedJaxpr | Jaxpr, values: Sequence[Any]) -> list[Any]:
    inner, consts = (jaxpr.jaxpr, jaxpr.consts) if isinstance(jaxpr, ClosedJaxpr) else (jaxpr, ())
    env = dict(zip([*inner.constvars, *inner.invars], [*consts, *values], strict=True))
    evaluate(inner.eqns, env)
    return [value_of(env, atom) for atom in inner.outvars]


def inexact(value: Any) -> bool:
    """True for what a gradient can flow through."""
    return jnp.issubdtype(value.dtype, jnp.inexact)


class Taps:
    """Zeros added to what some equations give: their cotangents are the cotangents of those results."""

    def __init__(self, equations: Sequence[JaxprEqn], zeros: Sequence[Sequence[Array]]) -> None:
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


class Split:
    """A function `f(once, bulk, loop) -> outputs` of three lists of arrays, taken apart by colour.

        once = split.once(once)                            what is the same at every step
        crossing, early = split.bulk(once, bulk)           of one step: map it over time
        carry, late = split.loop(once, crossing, loop)     of one step: scan it

    The first `carried` outputs are what the loop hands to its next step. The others are `emitted`; `early` and
    `late` hold the distinct ones of colour BULK and LOOP, and `emitted` puts them all together again.

    Raises:
        CannotSplit: if the function has side effects.
    """

    def __init__(
        self, function: Callable, once: Sequence[Any], bulk: Sequence[Any], loop: Sequence[Any], carried: int
    ) -> None:
        closed = jax.make_jaxpr(function)(list(once), list(bulk), list(loop))
        if closed.effects:
            raise CannotSplit(f"it has side effects ({', '.join(sorted(map(str, closed.effects)))})")
        closed = jax.make_jaxpr(lambda *values: _call(closed, values))(*closed.in_avals)  # opens nested calls
        jaxpr = closed.jaxpr
        self.equations = _live(jaxpr)
        self.constants, self._constant_values = jaxpr.constvars, closed.consts
        n, m = len(once), len(once) + len(bulk)
        self.once_in, self.bulk_in, self.loop_in = jaxpr.invars[:n], jaxpr.invars[n:m], jaxpr.invars[m:]
        self._colour: dict[Var, Colour] = dict.fromkeys([*self.once_in, *self.constants], Colour.ONCE)
        self._colour |= dict.fromkeys(self.bulk_in, Colour.BULK) | dict.fromkeys(self.loop_in, Colour.LOOP)
        for eqn in self.equations:
            self._colour |= dict.fromkeys(eqn.outvars, self.colour(*eqn.invars))

        self._carry, self._emitted = jaxpr.outvars[:carried], jaxpr.outvars[carried:]
        self._early, self._late = (self._among(self._emitted, c) for c in (Colour.BULK, Colour.LOOP))
        self.crossing = self._among([*self._read_after(Colour.BULK), *self._carry], Colour.BULK)
        self.once_out = self._among([*self._read_after(Colour.ONCE), *jaxpr.outvars], Colour.ONCE)

    def colour(self, *atoms: Atom) -> Colour:
        """The colour of what is computed from these."""
        return max((self._colour[a] for a in atoms if isinstance(a, Var)), default=Colour.ONCE)

    def part(self, colour: Colour) -> list[JaxprEqn]:
        """The equations of one colour."""
        return [eqn for eqn in self.equations if self.colour(*eqn.outvars) == colour]

    def _read_after(self, colour: Colour) -> list[Atom]:
        return [a for eqn in self.equations if self.colour(*eqn.outvars) > colour for a in eqn.invars]

    def _among(self, atoms: Sequence[Atom], colour: Colour) -> list[Var]:
        return list(dict.fromkeys(a for a in atoms if isinstance(a, Var) and self._colour[a] == colour))

    def once(self, once: Sequence[Array]) -> list[Array]:
        """What the bulk and the loop read of colour ONCE."""
        env = dict(zip([*self.constants, *self.once_in], [*self._constant_values, *once], strict=True))
        evaluate(self.part(Colour.ONCE), env)
        return [env[var] for var in self.once_out]

    def bulk(self, once: Sequence[Array], bulk: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        """What the loop reads of one step's inputs, and the early outputs."""
        env = dict(zip([*self.once_out, *self.bulk_in], [*once, *bulk], strict=True))
        evaluate(self.part(Colour.BULK), env)
        return [env[var] for var in self.crossing], [env[var] for var in self._early]

    def loop(
        self, once: Sequence[Array], crossing: Sequence[Array], loop: Sequence[Array], taps: Taps | None = None
    ) -> tuple[list[Array], list[Array]]:
        """What the loop hands to its next step, and the late outputs."""
        variables = [*self.once_out, *self.crossing, *self.loop_in]
        env = dict(zip(variables, [*once, *crossing, *loop], strict=True))
        evaluate(self.part(Colour.LOOP), env, taps)
        return [value_of(env, atom) for atom in self._carry], [env[var] for var in self._late]

    def emitted(self, once: Sequence[Array], early: Sequence[Array], late: Sequence[Array], time: int) -> list[Array]:
        """All emitted outputs over time, from the early and late ones over time."""
        env = dict(zip([*self._early, *self._late], [*early, *late], strict=True))
        steady = dict(zip(self.once_out, once, strict=True))

        def over_time(atom: Atom) -> Array:
            if self.colour(atom) == Colour.ONCE:
                value = jnp.asarray(value_of(steady, atom))
                return jnp.broadcast_to(value, (time, *value.shape))
            return env[atom]

        return [over_time(atom) for atom in self._emitted]


def _live(jaxpr: Jaxpr) -> list[JaxprEqn]:
    """The equations that some output depends on, in order."""
    wanted = {atom for atom in jaxpr.outvars if isinstance(atom, Var)}
    live = []
    for eqn in reversed(jaxpr.eqns):
        if wanted.intersection(eqn.outvars):
            live.append(eqn)
            wanted |= {atom for atom in eqn.invars if isinstance(atom, Var)}
    return live[::-1]


def visible(read: Callable[[Any], Array], state: Any) -> tuple[list[int], Callable[[Sequence[Array]], Array]]:
    """The leaves of one example's state that `read` looks at, and `read` as a function of those alone."""
    leaves, tree = jax.tree.flatten(state)
    closed = jax.make_jaxpr(lambda leaves: read(jax.tree.unflatten(tree, leaves)))(leaves)
    jaxpr = closed.jaxpr
    used = {a for eqn in _live(jaxpr) for a in eqn.invars if isinstance(a, Var)} | set(jaxpr.outvars)
    seen = [i for i, var in enumerate(jaxpr.invars) if var in used] or [0]

    def look(leaves: Sequence[Array]) -> Array:
        env = dict(zip([*jaxpr.constvars, *(jaxpr.invars[i] for i in seen)], [*closed.consts, *leaves], strict=True))
        evaluate(_live(jaxpr), env)
        return value_of(env, jaxpr.outvars[0])

    return seen, look
