"""The split of a cell in words and numbers."""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn

from gru_lab import cells
from gru_lab.cells import Cell
from gru_lab.jaxprs import Atom, every, nbytes, needed, operations, trace, value_of, variables
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.passes import CannotSplit, Colour
from gru_lab.recurrence.sequential import LaidOut
from gru_lab.recurrence.split import split_step
from gru_lab.recurrence.unroll import unroll
from gru_lab.typing import Array, Params

TITLES = {
    Colour.ONCE: "once (parameters only)",
    Colour.BULK: "for all time steps at once (inputs)",
    Colour.LOOP: "in the loop (state)",
}
WHOLE = 10**9  # one block
HOISTED = Layout(hoist=True, block=WHOLE)


def gradient(cell: Cell, params: Params, xs: Any, layout: Layout) -> tuple[Array, Any]:
    """A loss of all outputs, and its gradients with respect to parameters and inputs."""

    def loss(params: Params, xs: Array) -> Array:
        return jnp.sin(unroll(cell, params, xs, method=LaidOut(layout=layout))[1]).sum()

    return jax.value_and_grad(loss, (0, 1))(params, xs)


def counts(cell: Cell, inputs: int, batch: int, time: int, layout: Layout = HOISTED) -> dict[str, int]:
    """The work that the loops of a cell's outputs and gradients do at each step, and that done outside of them.

    Counted in the program that JAX traces, whatever made it: the split is not asked.

        forward, backward       of one step of that loop: `products`; `transposed`, products with a transposed matrix
                                and transpositions; `flops`
        stored, written         by one step of the loop forward, of the loop backward: `arrays`, `bytes`
        outside                 of both loops, for all steps: `products`, `transposed`, `flops`
    """
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs))
    xs = jax.ShapeDtypeStruct((batch, time, inputs), jnp.float32)
    closed = trace(lambda p, x: gradient(cell, p, x, layout), params, xs)
    equations = needed(closed.eqns, closed.jaxpr.outvars)
    read = set(variables(equations))
    loops = [eqn for eqn in equations if eqn.primitive.name == "scan" and eqn.params["length"] == time]
    counted: dict[str, int] = {}
    for name, written, loop in zip(("forward", "backward"), ("stored", "written"), loops, strict=True):
        counted |= {f"{name} {what}": n for what, n in _work(loop.params["jaxpr"].eqns).items()}
        arrays = [var for var in loop.outvars[loop.params["num_carry"] :] if var in read]
        counted |= {f"{written} arrays": len(arrays), f"{written} bytes": sum(map(nbytes, arrays)) // time}
    rest = [eqn for eqn in equations if eqn not in loops]
    return counted | {f"outside {what}": n for what, n in _work(rest).items()}


def pinned(name: str, layout: Layout = HOISTED) -> dict[str, int]:
    """The counts of a registered cell at the sizes at which the tests pin them: no two of them are equal."""
    return counts(cells.create(name, hidden=4), inputs=3, batch=5, time=7, layout=layout)


def _work(equations: Sequence[JaxprEqn]) -> dict[str, int]:
    inside = list(every(equations))
    return {
        "products": sum(eqn.primitive.name == "dot_general" for eqn in inside),
        "transposed": sum(map(_transposes, inside)),
        "flops": sum(map(operations, equations)),
    }


def _transposes(eqn: JaxprEqn) -> bool:
    """True if an equation reads a matrix against the order in which it lies in memory."""
    if eqn.primitive.name == "transpose":
        return True
    if eqn.primitive.name != "dot_general" or eqn.invars[1].aval.ndim < 2:
        return False
    (_, summed), (_, batch) = eqn.params["dimension_numbers"]
    return tuple(sorted(summed)) != tuple(range(len(batch), len(batch) + len(summed)))


def report(cell: Cell, params: Params, inputs: int, batch: int) -> str:
    """A text: the moment at which each equation of a cell runs, the residuals, and the cost of a step."""
    x = jax.ShapeDtypeStruct((batch, inputs), jax.tree.leaves(params)[0].dtype)
    state = jax.eval_shape(jax.vmap(cell.initial_state, None, axis_size=batch), params)
    try:
        halves = split_step(cell.step, params, x, state, HOISTED)
    except CannotSplit as why:
        return f"{cell} runs as plain lax.scan: {why}"
    paths = [jax.tree_util.keystr(path, simple=True) for path, _ in jax.tree.leaves_with_path(params)]
    (_, parameters), (_, (x,)), (_, _, leaves) = halves.once.inputs, halves.bulk.inputs, halves.loop.inputs
    numbers = itertools.count()
    names: dict[Any, str] = defaultdict(lambda: f"v{next(numbers)}")
    names |= dict(zip(parameters, paths, strict=True)) | {x: "x"}
    names |= {var: f"state{k or ''}" for k, var in enumerate(leaves)}
    lines = [f"{cell}, {inputs} inputs, batch {batch}"]
    for colour, title in TITLES.items():
        lines += ["", title, *(f"    {_written(eqn, names)}" for eqn in halves.of_colour(colour))]
    per = counts(cell, inputs, batch, 100)
    lines += [
        f"    new state: {', '.join(_names(halves.loop.outputs[0], names))}",
        "",
        f"products in the loop: {per['forward products']} forward, {per['backward products']} backward",
        f"operations in the loop: {per['forward flops'] / 1e6:.3g} million forward, "
        f"{per['backward flops'] / 1e6:.3g} million backward per step",
        f"stored for the backward pass: {per['stored arrays']} arrays, {per['stored bytes'] / 1024:.1f} kB per step "
        f"(store='states': {len(leaves)} arrays)",
    ]
    return "\n".join(lines)


def _names(atoms: Iterable[Atom], names: dict[Any, str]) -> list[str]:
    return [str(value_of(names, atom)) for atom in atoms]


def _written(eqn: JaxprEqn, names: dict[Any, str]) -> str:
    shapes = " ".join(f"{var.aval.dtype}{list(var.aval.shape)}" for var in eqn.outvars)
    left, right = ", ".join(_names(eqn.outvars, names)), " ".join(_names(eqn.invars, names))
    return f"{left} = {eqn.primitive.name} {right}".ljust(60) + shapes
