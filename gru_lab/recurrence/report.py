"""The split of a cell in words and numbers."""

# JAX's public types of jaxprs do not say that an abstract value has a shape, nor which atoms are variables:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

import math
from typing import Any

import jax
from jax.extend.core import JaxprEqn, Literal, Var

from gru_lab.cells import Cell
from gru_lab.recurrence.backward import Backward
from gru_lab.recurrence.equations import CannotSplit, Colour
from gru_lab.recurrence.split import Split
from gru_lab.typing import Params

TITLES = {
    Colour.ONCE: "once (parameters only)",
    Colour.BULK: "for all time steps at once (inputs)",
    Colour.LOOP: "in the loop (state)",
}


def report(cell: Cell, params: Params, inputs: int, batch: int) -> str:
    """Which equations of a cell run when, what is stored for the backward pass, and what a step costs."""
    state = jax.eval_shape(lambda p: cell.initial_state(p), params)
    leaves, tree = jax.tree.flatten(state)
    weights, weights_tree = jax.tree.flatten(params)
    x = jax.ShapeDtypeStruct((batch, inputs), weights[0].dtype)
    batched = [jax.ShapeDtypeStruct((batch, *leaf.shape), leaf.dtype) for leaf in leaves]

    def step(weights: list, xs: list, leaves: list) -> list:
        trees = jax.tree.unflatten(weights_tree, weights), jax.tree.unflatten(tree, leaves), xs[0]
        return jax.tree.leaves(jax.vmap(cell.step, (None, 0, 0))(*trees))

    try:
        split = Split(step, weights, [x], batched, len(batched))
    except CannotSplit as why:
        return f"{cell} runs as plain lax.scan: {why}"
    backward = Backward(split, (), True, "gates")
    paths = [jax.tree_util.keystr(path, simple=True) for path, _ in jax.tree.leaves_with_path(params)]
    names: dict[Any, str] = dict(zip(split.once_in, paths, strict=True)) | {split.bulk_in[0]: "x"}
    names |= {var: f"state{k or ''}" for k, var in enumerate(split.loop_in)}
    lines = [f"{cell}, {inputs} inputs, batch {batch}"]
    for colour, title in TITLES.items():
        lines += ["", title, *(f"    {_written(eqn, names)}" for eqn in split.part(colour))]
    loop, back = split.part(Colour.LOOP), backward.split.core
    ends = ", ".join(_name(atom, names) for atom in split.carry)
    per_step = sum(_bytes(var) for var in backward.stored)
    lines += [
        f"    new state: {ends}",
        "",
        f"products in the loop: {_products(loop)} forward, {_products(back)} backward",
        f"stored for the backward pass, beside the states: {len(backward.stored)} arrays, {_size(per_step)} a step "
        f"(store='states': none)",
    ]
    for title, eqns in (("forward", [*split.part(Colour.BULK), *loop]), ("backward, in the loop", back)):
        flops, moved = sum(map(_flops, eqns)), sum(_bytes(v) for eqn in eqns for v in eqn.outvars)
        lines.append(f"{title}: {flops / 1e6:.3g} million operations and {_size(moved)} of results a step")
    return "\n".join(lines)


def _name(atom: Any, names: dict[Any, str]) -> str:
    if isinstance(atom, Literal):
        return str(atom.val)
    return names.setdefault(atom, f"v{sum(name.startswith('v') for name in names.values())}")


def _written(eqn: JaxprEqn, names: dict[Any, str]) -> str:
    shapes = " ".join(f"{var.aval.dtype}{list(var.aval.shape)}" for var in eqn.outvars)
    left = ", ".join(_name(var, names) for var in eqn.outvars)
    return f"{left} = {eqn.primitive.name} {' '.join(_name(atom, names) for atom in eqn.invars)}".ljust(60) + shapes


def _products(equations: list[JaxprEqn]) -> int:
    return sum(eqn.primitive.name == "dot_general" for eqn in equations)


def _flops(eqn: JaxprEqn) -> int:
    """Two for every multiply-add of a product, one for every element of anything else."""
    size = sum(math.prod(var.aval.shape) for var in eqn.outvars)
    if eqn.primitive.name != "dot_general":
        return size
    (contracted, _), _ = eqn.params["dimension_numbers"]
    return 2 * size * math.prod(eqn.invars[0].aval.shape[i] for i in contracted)


def _bytes(var: Var) -> int:
    return var.aval.size * getattr(var.aval.dtype, "itemsize", 8)


def _size(count: int) -> str:
    return f"{count / 1024:.1f} kB"
