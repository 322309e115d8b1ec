"""Joblib: jobs side by side in processes of this machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gru_lab.config import Job
from gru_lab.launchers.launcher import Action, Failure, Launcher, Outcome, Task, register

ROUNDS = 3  # in which all jobs that are left run side by side


@register("joblib")
@dataclass(frozen=True, kw_only=True)
class Joblib(Launcher):
    """Runs `hydra.launcher.n_jobs` jobs at once (-1: one per core).

    A worker that is killed ends all others of its pool, whose jobs then go on from their checkpoints in a new pool.
    What is left after some pools runs one job at a time, so that a job that kills its worker takes down no other.
    """

    def run(self, jobs: Sequence[Job], action: Action) -> Iterator[Outcome]:
        """See `Launcher.run`."""
        from concurrent.futures.process import BrokenProcessPool

        left = {place: Task.of(place, job, action) for place, job in enumerate(jobs)}
        for _ in range(ROUNDS):
            if not left:
                return
            try:
                for outcome in self._pool(list(left.values()), self.settings):
                    left.pop(outcome.place)
                    yield outcome
            except BrokenProcessPool:
                continue
        for place, task in left.items():
            try:
                yield from self._pool([task], self.settings | {"n_jobs": 2})  # one would be this process
            except BrokenProcessPool:
                yield Outcome(place, error=Failure("its process was killed; nothing of what it had saved is lost"))

    @staticmethod
    def _pool(tasks: Sequence[Task], settings: dict[str, Any]) -> Iterator[Outcome]:
        import joblib

        parallel = joblib.Parallel(**settings | {"return_as": "generator_unordered"})
        ended: Any = parallel(joblib.delayed(_run)(task) for task in tasks)
        for place, (said, error) in ended:
            yield Outcome(place, error=None if error is None else Failure(error), said=said)


def _run(task: Task) -> tuple[int, tuple[str, str | None]]:
    return task.place, task.run()
