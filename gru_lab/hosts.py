"""Several hosts as one machine: processes that train one run together, over `jax.distributed`.

The first process keeps the run: it claims, reads and writes its folder. The others compute the same steps in a folder
of their own, which is thrown away.
"""

import os
import pickle
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gru_lab.data import cores
from gru_lab.errors import UserError

T = TypeVar("T")
VARIABLE = "GRU_LAB_HOSTS"
PATIENCE = 60.0  # seconds for which the first host, or one of the others, is waited for
LEAVE = 30  # seconds for which a host that ends waits for the others


@dataclass(frozen=True)
class Hosts:
    """The place of this process among those that train together: `number` of them, of which it has an `index`.

    `coordinator` is the `address:port` at which the first process listens.
    """

    coordinator: str
    number: int
    index: int


def hosts_at_hand(environment: Mapping[str, str] = os.environ) -> Hosts | None:
    """The hosts that the environment names; None where this process works alone.

    By hand `GRU_LAB_HOSTS=address:port,number,index`, else the tasks of a step of SLURM's with more than one.

    >>> hosts_at_hand({"GRU_LAB_HOSTS": "10.0.0.1:1234,2,1"})
    Hosts(coordinator='10.0.0.1:1234', number=2, index=1)

    Raises:
        UserError: if the variable is not of this form.
    """
    if given := environment.get(VARIABLE):
        try:
            coordinator, number, index = given.split(",")
            hosts = Hosts(coordinator, int(number), int(index))
            address, _, port = coordinator.rpartition(":")
            if not (address and 0 < int(port) < 2**16 and 0 <= hosts.index < hosts.number):
                raise ValueError
        except ValueError:
            form = "address:port,number,index with an index from 0 to number - 1, as in 10.0.0.1:1234,2,0"
            raise UserError(f"{VARIABLE} is {given!r}: it must be {form}") from None
        return hosts if hosts.number > 1 else None
    names = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID")
    if not all(name in environment for name in names) or int(environment["SLURM_NTASKS"]) < 2:
        return None
    port = 61440 + int(environment["SLURM_JOB_ID"]) % 4096
    first = _first_host(environment["SLURM_STEP_NODELIST"])
    return Hosts(f"{first}:{port}", int(environment["SLURM_NTASKS"]), int(environment["SLURM_PROCID"]))


def _first_host(nodes: str) -> str:
    """The first host of a list of SLURM's.

    >>> _first_host("node[003,007-015],other2"), _first_host("a1,a2")
    ('node003', 'a1')
    """
    head, bracket, rest = nodes.partition("[")
    if not bracket or "," in head:
        return head.partition(",")[0]
    return head + rest.replace("]", ",").replace("-", ",").partition(",")[0]


def join(hosts: Hosts | None, patience: float = PATIENCE) -> None:
    """Let JAX see the devices of all hosts; call it before any array is made. Nothing happens where there is one host.

    Raises:
        UserError: if the first host cannot be reached, or not all of the others come, in so many seconds.
    """
    import jax

    if hosts is None or jax.distributed.is_initialized():
        return
    if hosts.index:
        _reach(hosts, patience)
    jax.config.update("jax_num_cpu_devices", cores())
    try:
        jax.distributed.initialize(
            hosts.coordinator,
            hosts.number,
            hosts.index,
            initialization_timeout=max(1, int(patience)),
            shutdown_timeout_seconds=LEAVE,
        )
    except Exception as error:
        raise UserError(
            f"{hosts.number} hosts were to meet at {hosts.coordinator}, and not all of them came within {patience:.0f} "
            f"seconds ({type(error).__name__}): start all of them, with the same number and an index each"
        ) from None


def _reach(hosts: Hosts, patience: float) -> None:
    """Wait until the first host listens: JAX itself would end this process without a word that helps."""
    address, _, port = hosts.coordinator.rpartition(":")
    deadline = time.monotonic() + patience
    while True:
        try:
            socket.create_connection((address.strip("[]"), int(port)), timeout=2).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                why = error.strerror or type(error).__name__
                raise UserError(
                    f"the first host cannot be reached at {hosts.coordinator} ({why}): start it with index 0, and give "
                    "all hosts its address"
                ) from None
            time.sleep(0.2)


def several() -> bool:
    """True where more than one host trains."""
    import jax

    return jax.process_count() > 1


def following() -> bool:
    """True in a process that computes along with the first one, and keeps nothing."""
    import jax

    return several() and jax.process_index() > 0


class Ended(UserError):
    """The first process could not go on: its error, or that it has gone."""


def agreed(decide: Callable[[], T]) -> T:
    """The value that the first process decides on, in all of them; its error ends all. Values go as plain bytes.

    >>> agreed(lambda: 3)
    3
    """
    if not several():
        return decide()
    from jax.experimental.multihost_utils import broadcast_one_to_all

    error, content = None, b""
    if not following():
        try:
            content = pickle.dumps((True, decide()))
        except BaseException as problem:
            error, content = problem, pickle.dumps((False, str(problem)))
    size = int(broadcast_one_to_all(np.int32(len(content))))
    data = np.frombuffer(content.ljust(size, b"\0"), np.uint8) if not following() else np.zeros(size, np.uint8)
    fine, value = pickle.loads(np.asarray(broadcast_one_to_all(data), np.uint8).tobytes())
    if error is not None:
        raise error
    if not fine:
        raise Ended(f"the first host could not go on: {value}")
    return value


__all__ = ["Ended", "Hosts", "agreed", "following", "hosts_at_hand", "join", "several"]
