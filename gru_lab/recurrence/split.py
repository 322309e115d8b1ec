"""The split: which part of a function can run once, which for all time steps at once, and which only step by step.

A function of one time step is traced to a jaxpr and every equation is coloured by what it depends on:

    ONCE    only on what is the same at every step (the parameters): it is loop-invariant
    BULK    on what is known for all steps beforehand (the inputs), but not on the loop
    LOOP    on what the step before it computed (the state)

The same colouring serves both directions: forward the loop carries the state; backward it carries the state's
cotangent, and all that was computed forward is known beforehand.
"""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn, Var

from gru_lab.jaxprs import Atom, Program, Rule, needed
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.passes import CHEAP, Colour, among, colours, latest, optimised, rematerialised, traced


@dataclass(frozen=True, eq=False)
class Split:
    """A function `f(once, inputs, carry) -> outputs` of three lists of arrays as four programs, one per moment.

        once    parameters -> invariants                  at the beginning
        bulk    invariants, inputs -> crossing, early     of one step: map it over time
        loop    invariants, crossing, carry -> carry, late     of one step: scan it
        emit    invariants, early, late, parts -> outputs      of one step: map it over time

    What the loop does not hand to its next step need not be made inside it, so it writes the few `late` values from
    which, with the `early` ones of colour BULK, `emit` makes all outputs for all steps at once.

    Attributes:
        constants: values of the first inputs of `once`.
        inputs: the variables of the function's second list.
        state: those of its third list, the carry.
        carry: what the loop hands to its next step.
        crossing: what the loop reads of the inputs.
        early: what `emit` reads of the inputs.
        late: what `emit` reads of the loop.
        parts: by variable, the late values that are slices of another late value (value, axis, start).
        outputs: what the function gives beside the carry.
        exposed: values that are only named, for programs of the caller's.
        equations: all equations, in an order that runs.
        colours: the colour of every variable.
    """

    once: Program
    bulk: Program
    loop: Program
    emit: Program
    constants: tuple[Any, ...]
    inputs: tuple[Var, ...]
    state: tuple[Var, ...]
    carry: tuple[Atom, ...]
    crossing: tuple[Var, ...]
    early: tuple[Var, ...]
    late: tuple[Var, ...]
    parts: dict[Var, tuple[Var, int, int]]
    outputs: tuple[Atom, ...]
    exposed: tuple[Atom, ...]
    equations: tuple[JaxprEqn, ...]
    colours: dict[Var, Colour]

    @property
    def invariants(self) -> tuple[Any, ...]:
        """The values of colour ONCE that the other programs read."""
        return self.once.outputs

    @property
    def whole(self) -> Program:
        """Invariants, inputs and carry -> carry in one program, nothing split."""
        equations = [*self.of_colour(Colour.BULK), *self.of_colour(Colour.LOOP)]
        return Program.of(equations, [*self.once.outputs, *self.inputs, *self.state], self.carry)

    def colour(self, *atoms: Atom) -> Colour:
        """The colour of what is computed from these."""
        return latest(self.colours, atoms)

    def of_colour(self, colour: Colour) -> list[JaxprEqn]:
        """The equations of one colour."""
        return [eqn for eqn in self.equations if self.colour(*eqn.outvars) == colour]

    def run_once(self, parameters: Sequence[Any]) -> list[Any]:
        """The invariants."""
        return self.once(self.constants, parameters)

    def run_loop(
        self, invariants: Sequence[Any], crossing: Sequence[Any], carry: Sequence[Any], rule: Rule | None = None
    ) -> tuple[list[Any], list[Any]]:
        """The carry of the next step, and the late values."""
        values = self.loop(invariants, crossing, carry, rule=rule)
        return self.shaped(values[: len(self.carry)]), values[len(self.carry) :]

    def shaped(self, carry: Sequence[Any]) -> list[Any]:
        """The values of the carry in its shapes, where some may be literals."""
        return [jnp.broadcast_to(value, atom.aval.shape) for value, atom in zip(carry, self.carry, strict=True)]

    def over_time(
        self, invariants: Sequence[Any], early: Sequence[Any], late: Sequence[Any], time: int
    ) -> dict[Atom, Any]:
        """The outputs, and what they are made of, over so many steps, by variable."""
        values: dict[Atom, Any] = dict(zip([*self.early, *self.late], [*early, *late], strict=True))
        for part, (whole, axis, start) in self.parts.items():
            end = start + part.aval.shape[axis]
            values[part] = jax.lax.slice_in_dim(values[whole], start, end, axis=axis + 1)

        def emitted(*values: Any) -> list[Any]:
            outs = zip(self.emit(invariants, values), self.outputs, strict=True)
            return [jnp.asarray(out, atom.aval.dtype) for out, atom in outs]

        read = [values[var] for var in (*self.early, *self.late, *self.parts)]
        return values | dict(zip(self.outputs, jax.vmap(emitted, axis_size=time)(*read), strict=True))


def split(
    function: Callable,
    once: Sequence[Any],
    inputs: Sequence[Any],
    carry: Sequence[Any],
    layout: Layout,
    exposed: int = 0,
) -> Split:
    """The split of a function of three lists of arrays, given by their shapes.

    Args:
        function: its first outputs are the carry of the next step, as many as the last list has.
        once: what is the same at every step.
        inputs: what is known for all steps beforehand.
        carry: what the loop hands from step to step.
        layout: the passes.
        exposed: how many of the last outputs are only named.

    Raises:
        CannotSplit: if the function has side effects.
    """
    n, m = len(once), len(once) + len(inputs)
    closed = optimised(traced(function, list(once), list(inputs), list(carry)), n, m, layout)
    jaxpr = closed.jaxpr
    colour = colours(jaxpr, n, m)
    equations = needed(jaxpr.eqns, jaxpr.outvars)
    ahead, steps = ([e for e in equations if latest(colour, e.outvars) == c] for c in (Colour.BULK, Colour.LOOP))
    parameters, inputs_in, carry_in = jaxpr.invars[:n], jaxpr.invars[n:m], jaxpr.invars[m:]
    end = len(jaxpr.outvars) - exposed
    carry_out, emitted = jaxpr.outvars[: len(carry)], jaxpr.outvars[len(carry) : end]

    core = needed(steps, carry_out)
    rest = [eqn for eqn in steps if eqn not in core]
    inside = {*carry_in, *(var for eqn in core for var in eqn.outvars)}
    after_loop = [*emitted, *(atom for eqn in rest for atom in eqn.invars)]
    late, parts = _without_slices(core, [var for var in among(colour, after_loop, Colour.LOOP) if var in inside])
    early = among(colour, after_loop, Colour.BULK)
    in_loop = [*carry_out, *(atom for eqn in core for atom in eqn.invars)]

    def cheap(eqn: JaxprEqn, _: bool) -> bool:  # what sees a weight stays ahead, where its gradient is one sum
        return eqn.primitive.name in CHEAP and not among(colour, eqn.invars, Colour.ONCE)

    crossing, again = rematerialised(colour, ahead, among(colour, in_loop, Colour.BULK), (), cheap)
    later = [atom for eqn in (*ahead, *steps) for atom in eqn.invars]
    invariants = among(colour, [*later, *jaxpr.outvars], Colour.ONCE)
    return Split(
        once=Program.of(equations, [*jaxpr.constvars, *parameters], invariants),
        bulk=Program.of(ahead, [*invariants, *inputs_in], [*crossing, *early]),
        loop=Program((*invariants, *crossing, *carry_in), (*again, *core), (*carry_out, *late)),
        emit=Program((*invariants, *early, *late, *parts), tuple(rest), tuple(emitted)),
        constants=tuple(closed.consts),
        inputs=tuple(inputs_in),
        state=tuple(carry_in),
        carry=tuple(carry_out),
        crossing=tuple(crossing),
        early=tuple(early),
        late=tuple(late),
        parts=parts,
        outputs=tuple(emitted),
        exposed=tuple(jaxpr.outvars[end:]),
        equations=tuple(equations),
        colours=colour,
    )


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
