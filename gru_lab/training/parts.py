"""Parts of a batch: each computed on its own device where a mesh has an axis for them, else one after the other.

The results of parts are added in their order, on every device alike.
"""

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.data import Batch, in_chunks, sequences
from gru_lab.typing import Array

AXIS = "batch"  # of the mesh


def cut(batch: Batch, parts: int, weights: Array, multiple: int = 1) -> Batch:
    """A batch in equal parts, leaves (parts, sequences, ...); repeats of weight 0 fill up what does not divide.

    `weights` are those of all answers, written out, as `whole_weights` gives them. A part has a `multiple` of so many
    sequences.

    >>> batch = Batch(jnp.zeros((5, 3, 1)), jnp.arange(5))
    >>> cut(batch, 4, jnp.ones(5)).weights.tolist()
    [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    """
    return in_chunks(batch, -(-sequences(batch) // (parts * multiple)) * multiple, weights, parts)


def over_parts(function: Callable[[Any], Any], parts: Any) -> Any:
    """The sum of `function` over parts, leaves (parts, ...), added in their order.

    Under `shard_map` over a mesh with the axis `batch` each of its devices computes its share of the parts, and one
    all-gather brings the results together; the number of parts must be a multiple of the devices on that axis.

    >>> float(over_parts(lambda part: jnp.sum(part**2), jnp.arange(6.0).reshape(3, 2)))
    55.0
    """
    mesh = jax.sharding.get_abstract_mesh()
    devices = mesh.shape[AXIS] if AXIS in mesh.manual_axes else 1
    if devices > 1:
        here = len(jax.tree.leaves(parts)[0]) // devices
        first = lax.axis_index(AXIS) * here
        parts = jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, first, here), parts)
    shapes = jax.eval_shape(function, jax.tree.map(lambda leaf: leaf[0], parts))
    results = lax.map(lambda part: _packed(function(part)), parts)
    if devices > 1:
        results = jax.tree.map(lambda rows: lax.all_gather(rows, AXIS, tiled=True), results)
    return _unpacked(jax.tree.map(lambda rows: reduce(jnp.add, [*rows]), results), shapes)


def _packed(tree: Any) -> dict[str, Array]:
    """The leaves of a pytree in one vector per dtype, so that one all-gather takes them all."""
    leaves = jax.tree.leaves(tree)
    kinds = dict.fromkeys(str(leaf.dtype) for leaf in leaves)
    return {kind: jnp.concatenate([leaf.ravel() for leaf in leaves if str(leaf.dtype) == kind]) for kind in kinds}


def _unpacked(packed: dict[str, Array], shapes: Any) -> Any:
    """The pytree of these shapes whose leaves were packed."""
    taken = dict.fromkeys(packed, 0)

    def leaf(shape: jax.ShapeDtypeStruct) -> Array:
        kind, size = str(shape.dtype), math.prod(shape.shape)
        taken[kind] += size
        return packed[kind][taken[kind] - size : taken[kind]].reshape(shape.shape)

    return jax.tree.map(leaf, shapes)
