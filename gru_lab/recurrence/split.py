"""The split: which part of a function can run once, which for all time steps at once, and which only step by step.

A function of one time step is traced to a jaxpr and every equation is coloured by what it depends on:

    ONCE    only on what is the same at every step (the parameters)
    BULK    on what is known for all steps beforehand (the inputs), but not on the loop
    LOOP    on what the step before it computed (the state)

The same colouring serves both directions: forward the loop carries the state; backward it carries the state's
cotangent, and all that was computed forward is known beforehand.
"""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn, Literal, Var

from gru_lab.recurrence.equations import Atom, Colour, Taps, colours, evaluate, live, lowered, trace, value_of

CHEAP = frozenset(  # primitives that are rather run again than their results written and read
    (
        *("add", "add_any", "sub", "mul", "neg", "integer_pow", "square", "sign", "abs", "max", "min", "select_n"),
        *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "convert_element_type", "stop_gradient"),
        *("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy"),
    )
)


class Split:
    """A function `f(once, bulk, loop) -> outputs` of three lists of arrays, taken apart by colour.

        once = split.once(once)                            what is the same at every step
        crossing, early = split.bulk(once, bulk)           of one step: map it over time
        carry, late = split.loop(once, crossing, loop)     of one step: scan it
        outputs = split.emitted(once, early, late)         over time

    The first `carried` outputs are what the loop hands to its next step, the last `exposed` ones are only named, for
    `compute`. Those between are `emitted`: they need not be made inside the loop, so it writes the few `late` values
    from which, with the `early` ones of colour BULK, `emitted` makes all of them for all steps at once.

    `fused` says whether products of one operand with several weights become one.

    Raises:
        CannotSplit: if the function has side effects.
    """

    def __init__(
        self,
        function: Callable,
        once: Sequence[Any],
        bulk: Sequence[Any],
        loop: Sequence[Any],
        carried: int,
        fused: bool = True,
        exposed: int = 0,
    ) -> None:
        n, m = len(once), len(once) + len(bulk)
        closed = lowered(trace(function, list(once), list(bulk), list(loop)), n, m, fused)
        jaxpr = closed.jaxpr
        self.equations = live(jaxpr.eqns, jaxpr.outvars)
        self.constants, self._constant_values = jaxpr.constvars, closed.consts
        self.once_in, self.bulk_in, self.loop_in = jaxpr.invars[:n], jaxpr.invars[n:m], jaxpr.invars[m:]
        self._colour = colours(jaxpr, n, m)
        end = len(jaxpr.outvars) - exposed
        self.carry, self.outputs, self.exposed = (
            list(jaxpr.outvars[i:j]) for i, j in ((0, carried), (carried, end), (end, None))
        )
        steps = self.part(Colour.LOOP)
        self.core = live(steps, self.carry)
        self._rest = [eqn for eqn in steps if eqn not in self.core]
        inside = {*self.loop_in, *(var for eqn in self.core for var in eqn.outvars)}
        after_loop = [*self.outputs, *(a for eqn in self._rest for a in eqn.invars)]
        late = [var for var in self._among(after_loop, Colour.LOOP) if var in inside]
        self._late, self.slices = _without_slices(self.core, late)
        self.early = self._among(after_loop, Colour.BULK)
        in_loop = [*self.carry, *(a for eqn in self.core for a in eqn.invars)]
        self.crossing, self._sunk = self.frontier(self._among(in_loop, Colour.BULK), (), self._repeats)
        later = [a for eqn in self.equations if self.colour(*eqn.outvars) > Colour.ONCE for a in eqn.invars]
        self.once_out = self._among([*later, *jaxpr.outvars], Colour.ONCE)

    def colour(self, *atoms: Atom) -> Colour:
        """The colour of what is computed from these."""
        return max((self._colour[a] for a in atoms if isinstance(a, Var)), default=Colour.ONCE)

    def part(self, colour: Colour) -> list[JaxprEqn]:
        """The equations of one colour."""
        return [eqn for eqn in self.equations if self.colour(*eqn.outvars) == colour]

    def _among(self, atoms: Sequence[Atom], colour: Colour) -> list[Var]:
        return list(dict.fromkeys(a for a in atoms if isinstance(a, Var) and self._colour[a] == colour))

    def frontier(
        self, wanted: Iterable[Var], free: Container[Var], again: Callable[[JaxprEqn, bool], bool]
    ) -> tuple[list[Var], list[JaxprEqn]]:
        """The fewest bytes of BULK values from which the wanted ones can be computed again, and how.

        Values that are `free` cost nothing. Equations may be run again where `again(equation, from_free)` allows it
        and where that does not need more bytes than it saves.
        """
        needed = dict.fromkeys(var for var in wanted if var not in free)
        repeated = []
        for eqn in reversed(self.part(Colour.BULK)):
            gained = [var for var in eqn.outvars if var in needed]
            operands = [a for a in self._among(eqn.invars, Colour.BULK) if a not in needed and a not in free]
            grows = sum(map(_bytes, operands)) > sum(map(_bytes, gained))
            if gained and not grows and again(eqn, not operands):
                repeated.append(eqn)
                for var in gained:
                    del needed[var]
                needed |= dict.fromkeys(operands)
        return list(needed), repeated[::-1]

    def _repeats(self, eqn: JaxprEqn, _: bool) -> bool:
        """Whether the loop should rather run an equation of the bulk again than read its result."""
        weighs = self._among(eqn.invars, Colour.ONCE)  # stays in the bulk, where a weight's gradient is one sum
        return eqn.primitive.name in CHEAP and not weighs

    def once(self, once: Sequence[Any]) -> list[Any]:
        """What the bulk and the loop read of colour ONCE."""
        env = dict(zip([*self.constants, *self.once_in], [*self._constant_values, *once], strict=True))
        evaluate(self.part(Colour.ONCE), env)
        return [env[var] for var in self.once_out]

    def compute(
        self,
        wanted: Sequence[Atom],
        once: Sequence[Any],
        bulk: Sequence[Any],
        known: Mapping[Var, Any] | None = None,
    ) -> list[Any]:
        """These values of colour BULK (or ONCE); what is known beside the inputs is not computed again."""
        env = dict(zip([*self.once_out, *self.bulk_in], [*once, *bulk], strict=True)) | dict(known or {})
        evaluate(live(self.part(Colour.BULK), wanted, env), env)
        return [value_of(env, atom) for atom in wanted]

    def bulk(
        self, once: Sequence[Any], bulk: Sequence[Any], known: Mapping[Var, Any] | None = None
    ) -> tuple[list[Any], list[Any]]:
        """What the loop reads of one step's inputs, and the early outputs."""
        values = self.compute([*self.crossing, *self.early], once, bulk, known)
        return values[: len(self.crossing)], values[len(self.crossing) :]

    def loop(
        self, once: Sequence[Any], crossing: Sequence[Any], loop: Sequence[Any], taps: Taps | None = None
    ) -> tuple[list[Any], list[Any]]:
        """What the loop hands to its next step, and the late outputs."""
        variables = [*self.once_out, *self.crossing, *self.loop_in]
        env = dict(zip(variables, [*once, *crossing, *loop], strict=True))
        evaluate([*self._sunk, *self.core], env, taps)
        carry = [jnp.broadcast_to(value_of(env, atom), atom.aval.shape) for atom in self.carry]
        return carry, [env[var] for var in self._late]

    def whole(
        self, once: Sequence[Any], bulk: Sequence[Any], loop: Sequence[Any], taps: Taps | None = None
    ) -> list[Any]:
        """What the loop hands to its next step, computed in one go, nothing split."""
        env = dict(zip([*self.once_out, *self.bulk_in, *self.loop_in], [*once, *bulk, *loop], strict=True))
        evaluate([*self.part(Colour.BULK), *self.part(Colour.LOOP)], env, taps)
        return [jnp.broadcast_to(value_of(env, atom), atom.aval.shape) for atom in self.carry]

    def emitted(self, once: Sequence[Any], early: Sequence[Any], late: Sequence[Any]) -> dict[Atom, Any]:
        """The emitted outputs over time, by variable, from the early and late values over time."""
        names = [*self.early, *self._late]

        def one(values: list[Any]) -> list[Any]:
            env = dict(zip([*self.once_out, *names], [*once, *values], strict=True))
            for part, (whole, axis, start) in self.slices.items():
                env[part] = jax.lax.slice_in_dim(env[whole], start, start + part.aval.shape[axis], axis=axis)
            evaluate(self._rest, env)
            return [jnp.asarray(value_of(env, atom), atom.aval.dtype) for atom in self.outputs]

        over_time = dict(zip(self.outputs, jax.vmap(one)([*early, *late]), strict=True))
        return over_time | dict(zip(names, [*early, *late], strict=True))


def _bytes(var: Var) -> int:
    return var.aval.size * getattr(var.aval.dtype, "itemsize", 8)


def _without_slices(equations: list[JaxprEqn], late: list[Var]) -> tuple[list[Var], dict[Var, tuple[Var, int, int]]]:
    """Late outputs that are part of another late output, a concatenation, need not be written twice."""
    slices: dict[Var, tuple[Var, int, int]] = {}
    for eqn in equations:
        if eqn.primitive.name == "concatenate" and eqn.outvars[0] in late:
            axis, start = eqn.params["dimension"], 0
            for part in eqn.invars:
                if isinstance(part, Var) and part in late:
                    slices.setdefault(part, (eqn.outvars[0], axis, start))
                start += part.aval.shape[axis]
    return [var for var in late if var not in slices], slices


def visible(read: Callable[[Any], Any], state: Any) -> tuple[list[int], Callable[[Sequence[Any]], Any]]:
    """The leaves of one example's state that `read` looks at, and `read` as a function of those alone."""
    leaves, tree = jax.tree.flatten(state)
    closed, shape = jax.make_jaxpr(lambda leaves: read(jax.tree.unflatten(tree, leaves)), return_shape=True)(leaves)
    jaxpr, out_tree = closed.jaxpr, jax.tree.structure(shape)
    used = {a for eqn in live(jaxpr.eqns, jaxpr.outvars) for a in eqn.invars if isinstance(a, Var)} | {
        a for a in jaxpr.outvars if not isinstance(a, Literal)
    }
    seen = [i for i, var in enumerate(jaxpr.invars) if var in used] or [0]

    def look(leaves: Sequence[Any]) -> Any:
        env = dict(zip([*jaxpr.constvars, *(jaxpr.invars[i] for i in seen)], [*closed.consts, *leaves], strict=True))
        evaluate(live(jaxpr.eqns, jaxpr.outvars), env)
        return jax.tree.unflatten(out_tree, [value_of(env, atom) for atom in jaxpr.outvars])

    return seen, look
