"""The basic launcher: one job after the other, in the process of the command."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gru_lab.config import Job
from gru_lab.launchers.launcher import Action, Launcher, Outcome, in_turn, register


@register("basic")
@dataclass(frozen=True, kw_only=True)
class Basic(Launcher):
    """Runs jobs in this process. Several such processes, on one machine or on many, may share a sweep."""

    def run(self, jobs: Sequence[Job], action: Action) -> Iterator[Outcome]:
        """See `Launcher.run`."""
        return in_turn(jobs, action)
