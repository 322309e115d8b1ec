"""Populations: the members of a run as one compiled program, placed as suits the machine."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, Sharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P
from jax.stages import Lowered

from gru_lab.runs import Member
from gru_lab.training.train import MemberState, Program

Placement = Literal["vmap", "map", "devices"]
Members = Any  # a pytree whose leaves have a leading member axis


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


def compiled(
    placement: Placement,
    function: Callable[[Any, Any], Any],
    members: Members,
    data: Any,
    idle: Callable[[Members], Members] = lambda member: member,
) -> tuple[Callable[[Members], Members], Callable[[Members, Any], Any]]:
    """A function of one member as a compiled one of all: `(lay_out, run)`, to be used as `run(lay_out(members), data)`.

    See `lowered`.
    """
    lay_out, program = lowered(placement, function, members, data, idle)
    return lay_out, program.compile()


def lowered(
    placement: Placement,
    function: Callable[[Any, Any], Any],
    members: Members,
    data: Any,
    idle: Callable[[Members], Members] = lambda member: member,
) -> tuple[Callable[[Members], Members], Lowered]:
    """`compiled` before it is compiled; of members and data the shapes are enough.

    Where members do not divide evenly among devices, copies of the last one that `idle` has put to sleep fill up the
    rest: of the results, which have a leading member axis too, the first ones are the real ones.

    A function that calls LAPACK (to invert a matrix, say) runs on one device alone on a CPU: its kernels wait for
    threads of the one pool that all devices share, and where every thread of the pool waits, all wait for ever.
    """
    count = jax.tree.leaves(members)[0].shape[0]
    sharding, run = _placed(placement, function, count)
    program = _lower(run, members, data, sharding, count)
    if len(sharding.device_set) > 1 and "lapack" in program.as_text():
        sharding, run = _placed("map", function, count)
        program = _lower(run, members, data, sharding, count)
    padding = _padding(sharding, count)

    def lay_out(members: Members) -> Members:
        if padding:
            members = jax.tree.map(np.asarray, members)
            sleeping = idle(jax.tree.map(lambda leaf: leaf[-1], members))
            members = jax.tree.map(lambda leaf, last: np.stack([*leaf, *[last] * padding]), members, sleeping)
        return jax.device_put(members, sharding)

    return lay_out, program


def _lower(run: Callable[[Members, Any], Any], members: Members, data: Any, sharding: Sharding, count: int) -> Lowered:
    padded = count + _padding(sharding, count)
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((padded, *leaf.shape[1:]), leaf.dtype, sharding=sharding), members
    )
    return jax.jit(run).lower(shapes, data)


def _padding(sharding: Sharding, count: int) -> int:
    """The number of members that are missing for every device to have as many."""
    return -count % len(sharding.device_set)


def _placed(
    placement: Placement, function: Callable[[Any, Any], Any], count: int
) -> tuple[Sharding, Callable[[Members, Any], Any]]:
    """The place of so many members, and the function of all of them."""
    first = SingleDeviceSharding(jax.devices()[0])
    if placement == "vmap":
        return first, jax.vmap(function, (0, None))

    def in_turn(members: Members, data: Any) -> Any:
        return lax.map(lambda member: function(member, data), members)

    used = jax.devices()[:count] if placement == "devices" else jax.devices()[:1]
    if len(used) == 1:
        return first, in_turn
    mesh = Mesh(np.array(used), ("members",))
    spread = jax.shard_map(in_turn, mesh=mesh, in_specs=(P("members"), P()), out_specs=P("members"), check_vma=False)
    return NamedSharding(mesh, P("members")), spread
