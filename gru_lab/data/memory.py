"""Memory: the bytes at hand, the bytes per sequence, and the number of sequences in a chunk."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from gru_lab.data.batch import Batch

GROUP = Path("/sys/fs/cgroup")  # control groups of version 2


def chunk_size(sequences: int, bytes_each: int, budget: int) -> int:
    """The number of sequences per chunk with which a chunk takes at most `budget` bytes, or holds one sequence.

    All chunks are about equally full, so that little of the last one is padding.

    >>> chunk_size(sequences=1000, bytes_each=100, budget=60_000)
    500
    """
    most = max(1, min(sequences, budget // max(1, bytes_each)))
    chunks = -(-sequences // most)
    return -(-sequences // chunks)


def memory_at_hand(device: Any = None) -> int:
    """The bytes that are free on a device now: of an accelerator's memory, or of the machine's for a CPU.

    The devices of a CPU share what is free; the number differs from call to call, so choose once and keep the choice.
    """
    device = jax.local_devices()[0] if device is None else device
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    free = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"  # macOS knows the sum alone
    return int(min(os.sysconf(free) * os.sysconf("SC_PAGE_SIZE"), _left_to_container()))


def memory_in_all() -> int:
    """The bytes of memory that this process may have at most: those of the machine, or of its control group."""
    try:
        limit = (GROUP / "memory.max").read_text("utf-8").strip()
    except OSError:
        limit = "max"
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return whole if limit == "max" else min(whole, int(limit))


def cores() -> int:
    """The processor cores that this process may use."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1


def _left_to_container() -> float:
    """The bytes that a limit on the process's control group leaves; infinity without a limit."""
    try:
        limit, used = ((GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return math.inf
    return math.inf if limit == "max" else max(0, int(limit) - int(used))


def bytes_per_sequence(function: Callable[..., Any], batch: Batch, *others: Any) -> int:
    """An estimate of the bytes that a further sequence takes in `function(batch, *others)`; nothing is computed.

    The most bytes that intermediate arrays take at any time, in the order of the traced program, each from where it is
    computed to where it is last used. A compiler fuses, which takes less, and copies, which takes more: leave room.
    """

    def peak(n: int) -> int:
        first = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((n, *leaf.shape[1:]), leaf.dtype), batch)
        return _peak(jax.make_jaxpr(function)(first, *others).jaxpr)

    return max(1, peak(3) - peak(2))


def _peak(jaxpr: Jaxpr) -> int:
    """The most bytes that are alive at any time in a program, its arguments left out."""
    last_use: dict[Any, int] = {var: len(jaxpr.eqns) for var in jaxpr.outvars if not isinstance(var, Literal)}
    for n, eqn in reversed([*enumerate(jaxpr.eqns)]):
        if any(var in last_use for var in eqn.outvars):  # else it is dead code
            for var in eqn.invars:
                if not isinstance(var, Literal):
                    last_use.setdefault(var, n)
    ending: dict[int, list[Any]] = {}
    alive = most = 0
    for n, eqn in enumerate(jaxpr.eqns):
        needed = [var for var in eqn.outvars if var in last_use]
        for var in needed:
            alive += _size(var.aval)
            ending.setdefault(last_use[var], []).append(var)
        if needed:
            most = max(most, alive + max(map(_peak, _inner(eqn)), default=0))
        alive -= sum(_size(var.aval) for var in ending.pop(n, []))
    return most


def _inner(eqn: JaxprEqn) -> Iterator[Jaxpr]:
    """The programs that an equation calls."""
    for value in jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda v: isinstance(v, (Jaxpr, ClosedJaxpr))):
        if isinstance(value, (Jaxpr, ClosedJaxpr)):
            yield value.jaxpr if isinstance(value, ClosedJaxpr) else value


def _size(aval: Any) -> int:
    itemsize = getattr(aval.dtype, "itemsize", 8)  # a random key's dtype has none of NumPy's
    return math.prod(aval.shape) * itemsize
