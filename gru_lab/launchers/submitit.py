"""Submitit: one job per task of a SLURM array, or the same in processes of this machine."""

import contextlib
import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gru_lab.config import Job
from gru_lab.errors import UserError
from gru_lab.launchers.launcher import Action, Failure, Launcher, Outcome, Task, register

# Settings of every cluster, under one name; then those that an executor is made with.
SHARED = ("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name")
SHARED += ("stderr_to_stdout",)
FIRST = ("max_num_timeout",)
LOOKS = 15.0  # seconds between two questions to the queue
GRACE = 60.0  # seconds for which a file may take to arrive from another machine


class Work:
    """The work of one job: submitit calls it, and puts it back into the queue when the scheduler ends it early."""

    def __call__(self, task: Task) -> tuple[str, str | None]:
        """See `Task.run`."""
        return task.run(alone=True)

    def checkpoint(self, task: Task) -> Any:
        """The same again: the run goes on from its own checkpoints."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, task)


@register("submitit_local")
@dataclass(frozen=True, kw_only=True)
class Local(Launcher):
    """Runs every job in a process of its own on this machine, all at once."""

    cluster: ClassVar[str] = "local"

    def run(self, jobs: Sequence[Job], action: Action) -> Iterator[Outcome]:
        """See `Launcher.run`."""
        tasks = [Task.of(place, job, action) for place, job in enumerate(jobs)]
        submitted = dict(enumerate(self.executor().map_array(Work(), tasks)))
        folder = Path(self.settings["submitit_folder"]).parent
        numbers = ", ".join(sorted({each.job_id.partition("_")[0] for each in submitted.values()}))
        print(f"submitted {len(jobs)} jobs as {numbers}; their output is in {folder}", flush=True)
        gone: dict[int, float] = {}  # since when the queue has not known a job
        looked = time.monotonic()
        while submitted:
            now = time.monotonic()
            for place, each in list(submitted.items()):
                if self.arrived(each) or now - gone.get(place, now) > GRACE:
                    submitted.pop(place)
                    yield self.outcome(place, each)
            if now - looked > LOOKS and (queue := self.queue()) is not None:
                looked = now
                gone = {n: gone.get(n, now) for n, each in submitted.items() if each.job_id not in queue}
            time.sleep(0.5)

    def executor(self) -> Any:
        """The executor of submitit, with the settings as Hydra's plugin for it has them."""
        import submitit

        def named(settings: Iterable[str]) -> dict[str, Any]:
            return {
                name if name in SHARED else f"{self.cluster}_{name}": self.settings[name]
                for name in settings
                if name in self.settings
            }

        folder = Path(self.settings["submitit_folder"]).absolute()
        executor = submitit.AutoExecutor(folder, cluster=self.cluster, **named(FIRST))
        executor.update_parameters(**named({*self.settings} - {*FIRST, "submitit_folder"}))
        return executor

    def arrived(self, submitted: Any) -> bool:
        """True once a job has ended."""
        return submitted.task(0).done()  # the tasks of one job are hosts that train together; the first one answers

    def queue(self) -> set[str] | None:
        """The jobs that the scheduler knows; None if there is none to ask: submitit watches local processes."""
        return None

    def outcome(self, place: int, submitted: Any) -> Outcome:
        """The outcome of a job that has ended."""
        if not submitted.paths.result_pickle.exists():
            log = submitted.paths.stderr
            return Outcome(place, error=Failure(f"its process was killed or could not start; its output is in {log}"))
        try:
            said, error = submitted.task(0).result()
        except Exception as problem:  # of submitit, as when a job timed out too often
            last = [line for line in str(problem).splitlines() if line.strip()][-1:]
            return Outcome(place, error=Failure(" ".join([type(problem).__name__ + ":", *last])))
        return Outcome(place, error=None if error is None else Failure(error), said=said)


@register("submitit_slurm")
@dataclass(frozen=True, kw_only=True)
class Slurm(Local):
    """Runs every job as one task of a SLURM array. A job that is preempted or requeued goes on from its checkpoints.

    The command waits for the jobs; where it is stopped, they go on, and `scripts/sweep status` tells how far they are.
    """

    cluster: ClassVar[str] = "slurm"

    def executor(self) -> Any:
        """See `Local.executor`."""
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise UserError(
                "hydra/launcher is 'submitit_slurm', and this machine has no sbatch: call it where SLURM's commands "
                "are, or take submitit_local or joblib"
            )
        return super().executor()

    def arrived(self, submitted: Any) -> bool:
        """See `Local.arrived`; submitit would ask `sacct`, which is not there on every cluster."""
        result = submitted.paths.result_pickle
        with contextlib.suppress(OSError):  # so that a shared file system looks again
            os.chmod(result.parent, result.parent.stat().st_mode)
        return result.exists()

    def queue(self) -> set[str] | None:
        """See `Local.queue`."""
        line = ["squeue", "--noheader", "--array", "--format=%i", f"--user={getpass.getuser()}"]
        answer = subprocess.run(line, capture_output=True, text=True, check=False)
        return set(answer.stdout.split()) if answer.returncode == 0 else None
