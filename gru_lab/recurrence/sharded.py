"""Sequences over several devices: each device runs its share of the batch, and parameters are on all of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from gru_lab.typing import Params

Axes = str | tuple[str, ...]


def placed(xs: Any, mesh: Mesh | None) -> tuple[Any, Axes] | None:
    """The mesh over which the batch is split, and the axes of it; None where one device has it all.

    A mesh that is given is used whole. Without one it is that of inputs sharded along their first axis, as far as that
    is known: inside `jax.jit` of axes of type Explicit alone, for those of type Auto the compiler places the work.
    """
    if mesh is not None:
        return (mesh, mesh.axis_names) if mesh.size > 1 else None
    leaf = jax.tree.leaves(xs)[0]
    sharding = jax.typeof(leaf).sharding if isinstance(leaf, Tracer) else getattr(leaf, "sharding", None)
    spec = getattr(sharding, "spec", None)
    if not spec or spec[0] is None or sharding is None:
        return None
    return (sharding.mesh, spec[0]) if _parts(sharding.mesh, spec[0]) > 1 else None


def over_devices(run: Callable[..., Any], mesh: Any, axes: Axes, params: Params, rows: Any) -> Any:
    """`run(params, *rows)` with the rows' first axis split over the devices, and all results with them.

    A batch that the devices do not divide is filled up with copies of its last row, whose results are left out. The
    parameters' gradient is summed once, as one vector per dtype.
    """
    batch = jax.tree.leaves(rows)[0].shape[0]
    missing = -batch % _parts(mesh, axes)
    if missing:
        full = jnp.minimum(jnp.arange(batch + missing), batch - 1)
        rows = jax.tree.map(lambda leaf: leaf[full], rows)
    vectors, whole = _joined(params)
    if AxisType.Explicit in mesh.axis_types:  # there the place of an array is part of its type
        vectors, rows = (
            jax.tree.map(lambda leaf, spec=spec: jax.sharding.reshard(leaf, NamedSharding(mesh, spec)), tree)
            for tree, spec in ((vectors, P()), (rows, P(axes)))
        )
    out = jax.shard_map(
        lambda vectors, rows: run(whole(vectors), *rows),
        mesh=mesh,
        in_specs=(P(), P(axes)),
        out_specs=P(axes),
        check_vma=False,
    )(vectors, rows)
    return jax.tree.map(lambda leaf: leaf[:batch], out) if missing else out


def _joined(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of a tree as one vector per dtype, and the way back."""
    leaves, structure = jax.tree.flatten(tree)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    dtypes = list(dict.fromkeys(leaf.dtype for leaf in leaves))

    def whole(vectors: list[Any]) -> Any:
        ends, back = dict.fromkeys(dtypes, 0), []
        for leaf in leaves:
            start = ends[leaf.dtype]
            ends[leaf.dtype] = start + leaf.size
            vector = vectors[dtypes.index(leaf.dtype)]
            back.append(vector[start : start + leaf.size].reshape(leaf.shape))
        return jax.tree.unflatten(structure, back)

    return [jnp.concatenate([leaf.ravel() for leaf in leaves if leaf.dtype == dtype]) for dtype in dtypes], whole


def _parts(mesh: Any, axes: Axes) -> int:
    """The number of parts that these axes of a mesh make."""
    count = 1
    for axis in (axes,) if isinstance(axes, str) else axes:
        count *= mesh.shape[axis]
    return count
