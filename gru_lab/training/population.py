"""Populations: the members of a run as one compiled program, placed as suits the machine."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from gru_lab.runs import Member
from gru_lab.training.train import MemberState, Program

Placement = Literal["vmap", "map", "devices"]
Members = Any  # a pytree whose leaves have a leading member axis


def begin(program: Program, members: Sequence[Member]) -> MemberState:
    """All members as they begin, by one compiled program; leaves have a leading member axis."""
    seeds, real = np.array([member.seed for member in members], np.uint32), jnp.result_type(float)
    with np.errstate(over="ignore"):  # a rate of 1e300 is an infinite one, and its members diverge
        hyper = {path: np.array([member.hyper[path] for member in members], real) for path in members[0].hyper}
    return jax.jit(
        lambda seeds, hyper: lax.map(lambda each: program.init(jax.random.key(each[0]), each[1]), (seeds, hyper))
    )(seeds, hyper)


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

    Where members do not divide evenly among devices, copies of the last one that `idle` has put to sleep fill up the
    rest: of the results, which have a leading member axis too, the first ones are the real ones.

    A function that calls LAPACK (to invert a matrix, say) runs on one device alone on a CPU: its kernels wait for
    threads of the one pool that all devices share, and where every thread of the pool waits, all wait for ever.
    """
    lay_out, run = _placed(placement, function, members, idle)
    lowered = jax.jit(run).lower(lay_out(members), data)
    if lay_out is not _together and "lapack" in lowered.as_text():
        lay_out, run = _placed("map", function, members, idle)
        lowered = jax.jit(run).lower(lay_out(members), data)
    return lay_out, lowered.compile()


def _together(members: Members) -> Members:
    """All members on the first device."""
    return jax.device_put(members, jax.devices()[0])


def _placed(
    placement: Placement, function: Callable[[Any, Any], Any], members: Members, idle: Callable[[Members], Members]
) -> tuple[Callable[[Members], Members], Callable[[Members, Any], Any]]:
    if placement == "vmap":
        return _together, jax.vmap(function, (0, None))

    def in_turn(members: Members, data: Any) -> Any:
        return lax.map(lambda member: function(member, data), members)

    count = len(jax.tree.leaves(members)[0])
    used = jax.devices()[:count] if placement == "devices" else jax.devices()[:1]
    if len(used) == 1:
        return _together, in_turn
    mesh = Mesh(np.array(used), ("members",))
    spread = jax.shard_map(in_turn, mesh=mesh, in_specs=(P("members"), P()), out_specs=P("members"), check_vma=False)
    padding = math.ceil(count / len(used)) * len(used) - count

    def lay_out(members: Members) -> Members:
        members = jax.tree.map(np.asarray, members)
        if padding:
            sleeping = idle(jax.tree.map(lambda leaf: leaf[-1], members))
            members = jax.tree.map(lambda leaf, last: np.stack([*leaf, *[last] * padding]), members, sleeping)
        return jax.device_put(members, NamedSharding(mesh, P("members")))

    return lay_out, spread
