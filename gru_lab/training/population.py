"""Populations: the members of a run as one compiled program, placed as suits the machine."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from gru_lab.training.experiment import Population

Member = Any


def stack(members: list[Member]) -> Member:
    """One pytree with a leading member axis out of many."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)


def seeds(population: Population) -> range:
    """The seeds of the members."""
    return range(population.first_seed, population.first_seed + population.seeds)


def begin(population: Population, init: Callable[[Any], Member]) -> Member:
    """All members as they begin."""
    return stack([init(jax.random.key(seed)) for seed in seeds(population)])


def together(members: Member) -> Member:
    """All members on the first device."""
    return jax.device_put(members, jax.devices()[0])


def compiled(
    population: Population,
    function: Callable[[Member, Any], Any],
    members: Member,
    data: Any,
    idle: Callable[[Member], Member] = lambda member: member,
) -> tuple[Callable[[Member], Member], Callable[[Member, Any], Any]]:
    """`place`, compiled for members (seeds, ...) and data like these: `run(lay_out(members), data)`.

    A function that calls LAPACK (to invert a matrix, say) runs on one device alone on a CPU: its kernels wait for
    threads of the one pool that all devices share, and where every thread of the pool waits, all wait for ever.
    """
    lay_out, run = place(population, function, idle)
    lowered = jax.jit(run).lower(lay_out(members), data)
    if lay_out is not together and "lapack" in lowered.as_text():
        lay_out, run = place(replace(population, placement="map"), function, idle)
        lowered = jax.jit(run).lower(lay_out(members), data)
    return lay_out, lowered.compile()


def place(
    population: Population, function: Callable[[Member, Any], Any], idle: Callable[[Member], Member]
) -> tuple[Callable[[Member], Member], Callable[[Member, Any], Any]]:
    """A function of one member as a function of all of them, to be compiled, and how to lay members out for it.

    Returns `lay_out(members)`, and `run(members, data)` whose results have a leading member axis too. Where members
    do not divide evenly among devices, copies of the last one that `idle` has put to sleep fill up the rest:
    `results[:seeds]` are the real ones.
    """
    placement, devices = population.placement, jax.devices()
    if placement == "auto":
        placement = "devices" if devices[0].platform == "cpu" else "vmap"
    if placement == "vmap":
        return together, jax.vmap(function, (0, None))

    def one_by_one(members: Member, data: Any) -> Any:
        return lax.map(lambda member: function(member, data), members)

    used = devices[: population.seeds] if placement == "devices" else devices[:1]
    if len(used) == 1:
        return together, one_by_one
    mesh = Mesh(np.array(used), ("members",))
    spread = jax.shard_map(one_by_one, mesh=mesh, in_specs=(P("members"), P()), out_specs=P("members"), check_vma=False)
    padding = math.ceil(population.seeds / len(used)) * len(used) - population.seeds

    def lay_out(members: Member) -> Member:
        sleeper = stack([idle(jax.tree.map(lambda leaf: leaf[-1], members))] * padding) if padding else None
        padded = jax.tree.map(lambda *parts: jnp.concatenate(parts), members, *([sleeper] if padding else []))
        return jax.device_put(padded, NamedSharding(mesh, P("members")))

    return lay_out, spread
