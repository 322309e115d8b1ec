"""`launch`: all jobs of a command, through the launcher that was chosen."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gru_lab.config import Job
from gru_lab.errors import UserError, in_one_line
from gru_lab.exits import called
from gru_lab.hosts import following
from gru_lab.launchers.launcher import Action, Outcome, create, one_device_a_part
from gru_lab.runs.sweep import Plan, Planned, keep_plan


def launch(jobs: Sequence[Job], action: Action, part: str = "") -> list[Any]:
    """Run an action for every job; what each returned, None where it ran in another process.

    The plan of the sweep is kept first, so that `scripts/sweep status` knows what is to do. A job that fails keeps no
    other one from running; the error of a command with one job in this process is raised as it is. A command that
    launches several times names each `part`.

    Raises:
        UserError: the errors of all jobs that failed, at the end, by the names of their runs.
        DiskFull: at once.
    """
    launcher = create(str(jobs[0].launcher.get("name", "basic")), settings=jobs[0].launcher.get("settings", {}))
    keep_plans(jobs, part)
    one_device_a_part(jobs)
    results: list[Any] = [None] * len(jobs)
    failed: list[Outcome] = []
    for outcome in launcher.run(jobs, action):
        print(outcome.said, end="", flush=True)
        results[outcome.place] = outcome.result
        if outcome.error is not None:
            if len(jobs) == 1 and outcome.error.__traceback__ is not None:
                raise outcome.error
            failed.append(outcome)
            job = jobs[outcome.place]
            print(f"{job.place}{job.title} failed: {in_one_line(outcome.error)}", file=sys.stderr, flush=True)
    if failed:
        names = {outcome.place: jobs[outcome.place].experiment.name for outcome in failed}
        lines = [f"\n  {names[outcome.place]}: {in_one_line(outcome.error)}" for outcome in failed if outcome.error]
        raise UserError(
            f"{len(failed)} of {len(jobs)} runs failed; what has finished is kept, and the same command tries them "
            f"again:{''.join(lines)}"
        )
    return results


def keep_plans(jobs: Sequence[Job], part: str = "") -> None:
    """Write down, in each sweep's folder, what the command is going to do there."""
    script, *arguments = sys.argv
    said = called(f"python {script}" if script.endswith(".py") else "")  # "" within a program of the user's own
    command = said and shlex.join([*said.split(), *arguments])
    for folder in () if following() else dict.fromkeys(job.folder for job in jobs):
        planned: dict[str, Planned] = {}
        for job in jobs:
            if job.folder == folder:
                experiment, known = job.experiment, planned.get(job.experiment.name)
                trials = experiment.protocol.opening(experiment)
                members = [member.name for member in trials or experiment.members()]
                planned[experiment.name] = Planned(
                    title=job.title,
                    members=tuple(dict.fromkeys([*(known.members if known else ()), *members])),
                    updates=experiment.training.updates,
                    trials=experiment.protocol.budget,
                    reported=experiment.population.seeds if trials else 0,
                )
        for sentence in keep_plan(folder, Plan(command, str(Path.cwd()), planned, part)):
            print(sentence)


__all__ = ["keep_plans", "launch"]
