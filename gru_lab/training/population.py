"""Populations: the members of a run as one compiled program, placed as suits the machine."""

import math
from collections.abc import Callable
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


def place(
    population: Population, function: Callable[[Member, Any], Any], idle: Callable[[Member], Member]
) -> tuple[Callable[[Member], Member], Callable[[Member, Any], Any]]:
    """A function of one member as a compiled function of all of them, and how to lay members out for it.

    Returns `lay_out(members)`, and `run(members, data)` whose results have a leading member axis too. Where members
    do not divide evenly among devices, copies of the last one that `idle` has put to sleep fill up the rest:
    `results[:seeds]` are the real ones.
    """
    placement, devices = population.placement, jax.devices()
    if placement == "auto":
        placement = "devices" if devices[0].platform == "cpu" else "vmap"
    if placement == "vmap":
        return lambda members: members, jax.jit(jax.vmap(function, (0, None)))

    def one_by_one(members: Member, data: Any) -> Any:
        return lax.map(lambda member: function(member, data), members)

    used = devices[: population.seeds] if placement == "devices" else devices[:1]
    if len(used) == 1:
        return lambda members: members, jax.jit(one_by_one)
    mesh = Mesh(np.array(used), ("members",))
    spread = jax.shard_map(
        one_by_one, mesh=mesh, in_specs=(P("members"), P()), out_specs=P("members"), check_vma=False
    )
    padding = math.ceil(population.seeds / len(used)) * len(used) - population.seeds

    def lay_out(members: Member) -> Member:
        sleeper = stack([idle(jax.tree.map(lambda leaf: leaf[-1], members))] * padding) if padding else None
        padded = jax.tree.map(lambda *parts: jnp.concatenate(parts), members, *([sleeper] if padding else []))
        return jax.device_put(padded, NamedSharding(mesh, P("members")))

    return lay_out, jax.jit(spread)
