"""Populations: the members of a run as one compiled program, laid over a mesh of devices, members x batch."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, Sharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P
from jax.stages import Lowered

from gru_lab.data import cores
from gru_lab.runs import Member
from gru_lab.training.parts import AXIS
from gru_lab.training.train import MemberState, Program

Placement = Literal["vmap", "map", "devices"]
Members = Any  # a pytree whose leaves have a leading member axis
MOST_PARTS = 16  # of a batch, on a CPU
ALONE = 0.4  # the share of an update that is not divided where its batch is, about, as measured on two cores


class Shape(NamedTuple):
    """The devices along the two axes of a mesh: members side by side, and parts of each one's batch."""

    members: int = 1
    batch: int = 1

    @property
    def devices(self) -> int:
        """The number of devices in use."""
        return self.members * self.batch


def begin(program: Program, members: Sequence[Member]) -> MemberState:
    """All members as they begin, by one compiled program; leaves have a leading member axis."""
    start, arguments = beginning(program, members)
    return start.compile()(*arguments)


def beginning(program: Program, members: Sequence[Member]) -> tuple[Lowered, tuple[Any, Any]]:
    """The program of `begin`, still to be compiled, and its arguments."""
    seeds, real = np.array([member.seed for member in members], np.uint32), jnp.result_type(float)
    with np.errstate(over="ignore"):  # a rate of 1e300 is an infinite one, and its members diverge
        hyper = {path: np.array([member.hyper[path] for member in members], real) for path in members[0].hyper}

    def all_of(seeds: Any, hyper: Any) -> MemberState:
        return lax.map(lambda each: program.init(jax.random.key(each[0]), each[1]), (seeds, hyper))

    return jax.jit(all_of).lower(seeds, hyper), (seeds, hyper)


def chosen(placement: str) -> Placement:
    """The placement that was asked for, or the one that `auto` means on this machine."""
    if placement == "auto":
        return "devices" if jax.devices()[0].platform == "cpu" else "vmap"
    return placement  # pyright: ignore[reportReturnType]


def fastest(members: int, devices: int, parts: Sequence[int], undivided: float = 0.0, multiple: int = 1) -> Shape:
    """The mesh over which some members train in the shortest time; of those that are alike the one of fewest devices.

    Args:
        members: how many members train.
        devices: how many devices are at hand.
        parts: the numbers of devices that a batch may be spread over.
        undivided: the share of an update that takes as long however many devices share its batch.
        multiple: the number of hosts, which take the same share each; one device where that cannot be.

    >>> fastest(members=10, devices=8, parts=[1, 2, 4, 8], undivided=0.4), fastest(1, 2, [1, 2], 0.4)
    (Shape(members=5, batch=1), Shape(members=1, batch=2))
    """

    def cost(shape: Shape) -> tuple[float, int]:
        rounds = -(-members // shape.members)
        return rounds * (undivided + (1 - undivided) / shape.batch), shape.devices

    shapes = [Shape(a, b) for b in parts for a in range(1, min(members, devices // b) + 1)]
    return min([shape for shape in shapes if shape.devices % multiple == 0] or [Shape()], key=cost)


def side_by_side() -> int:
    """The number of devices that compute at the same time: a CPU may have more of them than cores."""
    if jax.devices()[0].platform != "cpu" or jax.process_count() > 1:
        return len(jax.devices())
    return min(len(jax.devices()), cores())


def mesh_shape(placement: Placement, members: int, parts: int) -> Shape:
    """The mesh on which so many members train here, each one's batch in so many parts.

    On a CPU each part has a device even where there are fewer cores: the same program gives the same bits. Where there
    are fewer devices than parts, each takes several of them, which agrees to rounding. Of several hosts each has the
    same share of the mesh; where there is too little to share, each of them computes all of it.
    """
    if placement == "map":
        return Shape()
    divisors = [n for n in range(1, parts + 1) if parts % n == 0]
    if jax.devices()[0].platform == "cpu":
        divisors = [max(n for n in divisors if n <= len(jax.devices()))]
    hosts = jax.process_count()
    shape = fastest(members, max(side_by_side(), divisors[0]), divisors, multiple=hosts)
    if shape.devices % hosts:
        here = jax.local_device_count()
        shape = fastest(members, here, [n for n in divisors if n <= here] or [1])
    return shape


def _used(shape: Shape) -> list[Any]:
    """The devices of a mesh: of every host as many, or of this host alone, see `mesh_shape`."""
    hosts = jax.process_count()
    if shape.devices % hosts:
        return jax.local_devices()[: shape.devices]
    of_host = [jax.local_devices(process_index=n)[: shape.devices // hosts] for n in range(hosts)]
    return [device for devices in of_host for device in devices]


def compiled(
    placement: Placement,
    function: Callable[[Any, Any], Any],
    members: Members,
    data: Any,
    idle: Callable[[Members], Members] = lambda member: member,
    parts: int = 1,
) -> tuple[Callable[[Members], Members], Callable[[Members, Any], Any]]:
    """A function of one member as a compiled one of all: `(lay_out, run)`, to be used as `run(lay_out(members), data)`.

    See `lowered`.
    """
    lay_out, compile = lowered(placement, function, members, data, idle, parts)
    return lay_out, compile()


def lowered(
    placement: Placement,
    function: Callable[[Any, Any], Any],
    members: Members,
    data: Any,
    idle: Callable[[Members], Members] = lambda member: member,
    parts: int = 1,
) -> tuple[Callable[[Members], Members], Callable[[], Callable[[Members, Any], Any]]]:
    """`compiled` before it is compiled; of members and data the shapes are enough.

    Members lie along one axis of a mesh, and the `parts` into which the function cuts its batches along the other (see
    `over_parts`). Where members do not divide evenly among devices, copies of the last one that `idle` has put to sleep
    fill up the rest: of the results, which have a leading member axis too, the first ones are the real ones.

    A function that calls LAPACK (to invert a matrix, say) runs on one device alone on a CPU: its kernels wait for
    threads of the one pool that all devices share, and where every thread of the pool waits, all wait for ever.
    """
    count = jax.tree.leaves(members)[0].shape[0]
    shape = mesh_shape(placement, count, parts)
    sharding, run = _placed(placement, function, shape)
    program = _lower(run, members, data, sharding, count + -count % shape.members)
    if shape.devices > 1 and "lapack" in program.as_text():
        shape = Shape()
        sharding, run = _placed("map", function, shape)
        program = _lower(run, members, data, sharding, count)
    padding = -count % shape.members

    def lay_out(members: Members) -> Members:
        if padding:
            members = jax.tree.map(np.asarray, members)
            sleeping = idle(jax.tree.map(lambda leaf: leaf[-1], members))
            members = jax.tree.map(lambda leaf, last: np.stack([*leaf, *[last] * padding]), members, sleeping)
        return _put(members, sharding)

    def compile() -> Callable[[Members, Any], Any]:
        run = program.compile()
        if sharding.is_fully_addressable:
            return run
        everywhere = NamedSharding(sharding.mesh, P())  # pyright: ignore[reportAttributeAccessIssue]
        return lambda members, data: run(members, _put(data, everywhere))

    return lay_out, compile


def on_host(leaf: Any) -> np.ndarray:
    """An array on this host, be parts of it on others."""
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        from jax.experimental.multihost_utils import process_allgather

        leaf = process_allgather(leaf, tiled=True)
    return np.asarray(leaf)


def _put(tree: Any, sharding: Sharding) -> Any:
    """Arrays of this host on devices, of which other hosts may have some; these put the same arrays."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def put(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return leaf  # it has been laid out
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(put, tree)


def _lower(run: Callable[[Members, Any], Any], members: Members, data: Any, sharding: Sharding, padded: int) -> Lowered:
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((padded, *leaf.shape[1:]), leaf.dtype, sharding=sharding), members
    )
    if not sharding.is_fully_addressable:
        everywhere = NamedSharding(sharding.mesh, P())  # pyright: ignore[reportAttributeAccessIssue]
        data = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere), data)
    return jax.jit(run).lower(shapes, data)


def _placed(
    placement: Placement, function: Callable[[Any, Any], Any], shape: Shape
) -> tuple[Sharding, Callable[[Members, Any], Any]]:
    """The place of members on a mesh, and the function of all of them."""

    def together(members: Members, data: Any) -> Any:
        if placement == "vmap":
            return jax.vmap(function, (0, None))(members, data)
        return lax.map(lambda member: function(member, data), members)

    used = np.array(_used(shape))
    if shape.devices == 1:
        return SingleDeviceSharding(used[0]), together
    mesh = Mesh(used.reshape(shape), ("members", AXIS))
    spread = jax.shard_map(together, mesh=mesh, in_specs=(P("members"), P()), out_specs=P("members"), check_vma=False)
    return NamedSharding(mesh, P("members")), spread
