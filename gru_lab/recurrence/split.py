"""The split: which part of a function can run once, which for all time steps at once, and which only step by step.

A function of one time step is traced to a jaxpr, and every equation is coloured by what it depends on. The same
colouring serves both directions: forward the loop carries the state; backward it carries the state's cotangent, and all
that was computed forward is known beforehand.
"""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import jax
from jax import lax
from jax.extend.core import JaxprEqn, Var

from gru_lab.jaxprs import Atom, Program, needed, trace, variables
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.method import in_axes
from gru_lab.recurrence.passes import CHEAP, CannotSplit, Colour, among, colours, latest, optimised, rematerialised

Arrays = Sequence[Any]  # JAX arrays, tracers or NumPy constants


@dataclass(frozen=True, eq=False)
class Split:
    """A function `f(parameters, inputs, state) -> carry, outputs` of lists of arrays as four programs, one per moment.

        once    constants, parameters -> invariants            at the beginning
        bulk    invariants, inputs -> crossing, early          of one step: map it over time
        loop    invariants, crossing, state -> carry, late     of one step: scan it
        emit    invariants, early, late, parts -> outputs      of one step: map it over time

    What the loop does not hand to its next step need not be made inside it, so it writes the few `late` values from
    which, with the `early` ones of colour BULK, `emit` makes all outputs for all steps at once.

    Attributes:
        once, bulk, loop, emit: the programs.
        constants: values of the first inputs of `once`.
        parts: by variable, the late values that are slices of another late value (value, axis, start).
        exposed: values that are only named, for programs of the caller's.
        equations: all equations, in an order that runs.
        colours: the colour of every variable.
    """

    once: Program
    bulk: Program
    loop: Program
    emit: Program
    constants: Arrays
    parts: dict[Var, tuple[Var, int, int]]
    exposed: Sequence[Var]
    equations: Sequence[JaxprEqn]
    colours: dict[Var, Colour]

    @property
    def invariants(self) -> Sequence[Var]:
        """The values of colour ONCE that the other programs read."""
        return self.once.outputs[0]

    def colour(self, *atoms: Atom) -> Colour:
        """The colour of what is computed from these."""
        return latest(self.colours, atoms)

    def of_colour(self, colour: Colour) -> list[JaxprEqn]:
        """The equations of one colour."""
        return [eqn for eqn in self.equations if self.colour(*eqn.outvars) == colour]

    def run_once(self, parameters: Arrays) -> list[Any]:
        """The invariants."""
        return self.once(self.constants, parameters)[0]

    def over_time(self, invariants: Arrays, early: Arrays, late: Arrays, time: int) -> dict[Atom, Any]:
        """The outputs, and what they are made of, over so many steps, by variable."""
        _, *names, parts = self.emit.inputs
        values: dict[Atom, Any] = dict(zip(chain(*names), [*early, *late], strict=True))
        for part in parts:
            whole, axis, start = self.parts[part]
            values[part] = lax.slice_in_dim(values[whole], start, start + part.aval.shape[axis], axis=axis + 1)
        read = [[values[var] for var in group] for group in (*names, parts)]
        outs = jax.vmap(lambda read: self.emit(invariants, *read)[0], axis_size=time)(read)
        return values | dict(zip(self.emit.outputs[0], outs, strict=True))


def split(function: Callable, once: Any, inputs: Any, carry: Any, layout: Layout, exposed: int = 0) -> Split:
    """The split of a function of three pytrees of arrays, given by their shapes.

    Args:
        function: its first outputs are the carry of the next step, as many as the last pytree has leaves.
        once: what is the same at every step.
        inputs: what is known for all steps beforehand.
        carry: what the loop hands from step to step.
        layout: the passes.
        exposed: how many of the last outputs are only named.

    Raises:
        CannotSplit: if the function has side effects.
    """
    n = len(jax.tree.leaves(once))
    m = n + len(jax.tree.leaves(inputs))
    closed = trace(function, once, inputs, carry)
    if closed.effects:
        raise CannotSplit(f"it has side effects ({', '.join(sorted(map(str, closed.effects)))})")
    closed = optimised(closed, n, m, layout)
    jaxpr = closed.jaxpr
    colour = colours(jaxpr, n, m)
    equations = needed(jaxpr.eqns, jaxpr.outvars)
    ahead, steps = ([e for e in equations if latest(colour, e.outvars) == c] for c in (Colour.BULK, Colour.LOOP))
    parameters, inputs_in, carry_in = jaxpr.invars[:n], jaxpr.invars[n:m], jaxpr.invars[m:]
    end = len(jaxpr.outvars) - exposed
    carry_out, emitted = jaxpr.outvars[: len(carry_in)], jaxpr.outvars[len(carry_in) : end]

    core = needed(steps, carry_out)
    rest = [eqn for eqn in steps if eqn not in core]
    inside = {*carry_in, *(var for eqn in core for var in eqn.outvars)}
    after_loop = [*emitted, *variables(rest)]
    late, parts = _without_slices(core, [var for var in among(colour, after_loop, Colour.LOOP) if var in inside])
    early = among(colour, after_loop, Colour.BULK)

    def cheap(eqn: JaxprEqn, _: bool) -> bool:  # what sees a weight stays ahead, where its gradient is one sum
        return eqn.primitive.name in CHEAP and not among(colour, eqn.invars, Colour.ONCE)

    reads = among(colour, [*carry_out, *variables(core)], Colour.BULK)
    crossing, again = rematerialised(colour, ahead, reads, (), cheap)
    invariants = among(colour, [*variables([*ahead, *steps]), *jaxpr.outvars], Colour.ONCE)
    return Split(
        once=Program(equations, [jaxpr.constvars, parameters], [invariants]),
        bulk=Program(ahead, [invariants, inputs_in], [crossing, early]),
        loop=Program([*again, *core], [invariants, crossing, carry_in], [carry_out, late]),
        emit=Program(rest, [invariants, early, late, list(parts)], [emitted]),
        constants=closed.consts,
        parts=parts,
        exposed=jaxpr.outvars[end:],
        equations=equations,
        colours=colour,
    )


def split_step(step: Callable, params: Any, x: Any, state: Any, layout: Layout) -> Split:
    """The split of one example's `step(params, state, x)`, mapped over the batch that `x` and `state` have."""
    batched = jax.vmap(step, (in_axes(params), 0, 0))
    return split(lambda params, x, state: batched(params, state, x), params, x, state, layout)


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
