"""The contract of a launcher, and the jobs that it sends to other processes."""

import contextlib
import dataclasses
import io
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from gru_lab import outside
from gru_lab.config import Job
from gru_lab.data import cores
from gru_lab.errors import UserError, in_one_line
from gru_lab.hosts import hosts_at_hand, join, several
from gru_lab.runs.claim import Busy
from gru_lab.runs.files import DiskFull
from gru_lab.runs.identity import fingerprint
from gru_lab.schema import Registry, Schema
from gru_lab.training.run import begun_parts

POLL = 0.5  # seconds between two looks at runs that others work on
Action = Callable[[Job], Any]


class Outcome(NamedTuple):
    """The end of one job: what its action returned, where it ran in this process, and its error, if there was one.

    `said` is what the job printed in another process, `mistake` whether the error is the user's to mend.
    """

    place: int
    result: Any = None
    error: BaseException | None = None
    said: str = ""


class Failure(Exception):
    """An error in another process, in one line; its traceback was kept there."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Task:
    """One job for another process: plain bytes, which do not rest on anything but files.

    Classes from outside are found again by their files, which must still be what they were.
    """

    place: int
    files: dict[str, str]
    content: bytes

    @classmethod
    def of(cls, place: int, job: Job, action: Action) -> "Task":
        """Pack a job.

        Raises:
            UserError: if something in it only exists in this process.
        """
        import cloudpickle

        try:
            card = job.experiment.card
            return cls(place, outside.loaded(), cloudpickle.dumps((job, card, action, os.getcwd())))
        except Exception as error:
            raise UserError(f"{job.title} cannot be sent to another process: {in_one_line(error)}") from None

    def run(self, alone: bool = False) -> tuple[str, str | None]:
        """Run the job in this process: what it printed, and its error in one line.

        A process that runs it `alone` has all cores for it, and a log of its own.
        """
        import cloudpickle

        for module, file in self.files.items():
            outside.find_in(module, Path(file))
        said = io.StringIO()
        try:
            job, card, action, folder = cloudpickle.loads(self.content)
            os.chdir(folder)
            if alone:
                one_device_a_core()
                join(hosts_at_hand())
                one_device_a_part([job])
            with contextlib.redirect_stdout(said):
                for outcome in in_turn([_unchanged(job, card)], action):
                    if outcome.error is not None:
                        raise outcome.error
        except Exception as error:
            if not isinstance(error, UserError):
                traceback.print_exc()
            return said.getvalue(), in_one_line(error)
        finally:
            print(said.getvalue() if alone else "", end="", flush=True)
        return said.getvalue(), None


def _unchanged(job: Job, card: Mapping[str, Any]) -> Job:
    """The job as it is here; `UserError` if its source, its data or JAX's numerics are not what they were."""
    if "once" in card:  # nothing can be known of it
        return job
    now = dataclasses.replace(job.experiment)
    if now.card != card:
        changed = [name for name, value in now.card.items() if value != card.get(name)]
        raise UserError(
            f"{job.title} was {fingerprint(card)} and would now be {now.identity}, because its {' and '.join(changed)} "
            "changed since the sweep began: give the command again"
        )
    return dataclasses.replace(job, experiment=now)


def one_device_a_core() -> None:
    """Let JAX see every core as a device, so that members train side by side; call it before any array is made."""
    import jax

    jax.config.update("jax_num_cpu_devices", cores())


def one_device_a_part(jobs: Sequence[Job]) -> None:
    """Let a CPU have as many devices as a batch was cut into on a machine with more cores, for the same bits."""
    import jax

    parts = max((begun_parts(job.folder / job.experiment.name) for job in jobs), default=1)
    if parts > cores() and not jax.distributed.is_initialized():
        with contextlib.suppress(RuntimeError):  # arrays were made: parts take turns
            jax.config.update("jax_num_cpu_devices", parts)


def in_turn(jobs: Sequence[Job], action: Action) -> Iterator[Outcome]:
    """Run jobs in this process, one after the other, whatever becomes of the others.

    A job whose run another process works on is passed over, and come back to until it has been seen to be done.

    Raises:
        DiskFull: no other job would fare better.
    """
    waiting, named = dict(enumerate(jobs)), set[Path]()
    while waiting:
        busy = dict[int, Busy]()
        for place, job in waiting.items():
            try:
                yield Outcome(place, action(job))
            except Busy as error:
                busy[place] = error
            except DiskFull:
                raise
            except Exception as error:
                if several():  # the others are not where this host is
                    raise
                yield Outcome(place, error=error)
        if len(busy) == len(waiting):
            for error in busy.values():
                if error.folder not in named:
                    named.add(error.folder)
                    print(f"{error.folder.name}: waiting for {error.owner}", flush=True)
            time.sleep(POLL)
        waiting = {place: waiting[place] for place in busy}


@dataclass(frozen=True, kw_only=True)
class Launcher(Schema):
    """Runs the jobs of a command somewhere. `settings` are those of `hydra.launcher`, as plain values."""

    group: ClassVar[str] = "launcher"

    settings: dict[str, Any] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job], action: Action) -> Iterator[Outcome]:
        """Run an action for every job, and give its outcome as each ends."""
        raise NotImplementedError


_registry = Registry("launcher", Launcher, "gru_lab.launchers")
register, names, get, create, name_of = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
)
