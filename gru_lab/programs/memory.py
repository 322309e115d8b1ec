"""Find the longest task that each network still learns, and how much of its input it holds: figures and a page."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gru_lab.exits import called
from gru_lab.programs import composed
from gru_lab.schema import Schema, Size, UserError

if TYPE_CHECKING:
    from gru_lab.config import Job

DOC = """Climb a ladder of ever longer tasks: a network's memory horizon is the longest that half of the seeds solve.

A network stops climbing at the first length that it does not solve. Beside it its linear memory capacity, at
initialisation and trained on the shortest task. Runs are those of experiments/train.py: finished ones are read.

Settings of this program, beside those below

  lengths=[10,20,40]     the rungs, as task.length (those of each task's ladder, such as 10, 20, 40, ..., 320)
  climb=true             do not stop at the first length that is not solved
  html=true              the page also as one file, index.html
  style=slides           figures for slides, or wide ones: both columns of a paper (paper: one column)
  out=figures/mine       the folder of the page, the figures and the numbers (memory)"""


@dataclass(frozen=True)
class Ladder(Schema):
    """The settings of this program beside those of training; see `DOC`."""

    lengths: tuple[Size, ...] | None = None
    climb: bool = False
    html: bool = False
    style: Literal["paper", "wide", "slides"] = "paper"
    out: str = "memory"

    def check(self) -> None:
        """A ladder goes up."""
        if self.lengths is not None and (not self.lengths or list(self.lengths) != sorted(set(self.lengths))):
            self.refuse("lengths", "it must name lengths from the shortest to the longest, as in [10,20,40]")


def run(arguments: list[str]) -> None:
    """Train what is missing, ask, and write the page."""
    from gru_lab.commandline import own_options, train_all
    from gru_lab.composition import compose_at

    options, rest = own_options(Ladder, arguments)
    started = time.perf_counter()
    if any(argument.partition("=")[0] == "task.length" for argument in rest):
        raise UserError("task.length is what this program climbs: write lengths=[10,20,40] instead")
    ladders = compose_at("train", rest, "task.length", options.lengths or ladder)

    from gru_lab import launch
    from gru_lab.reports import pages, save
    from gru_lab.reports.ladder import solved
    from gru_lab.reports.style import using
    from gru_lab.runs import Found
    from gru_lab.training import Run

    asked = launch.asked(["memory_capacity"])
    climbed: list[list[Run]] = [[] for _ in ladders]
    climbing = [*range(len(ladders))]
    for rung in range(max(map(len, ladders))):
        climbing = [n for n in climbing if rung < len(ladders[n])]
        if not climbing:
            break
        jobs = [ladders[n][rung] for n in climbing]
        part = f"length {', '.join(sorted({str(length(job)) for job in jobs}, key=int))}: "
        runs = train_all([replace(job, place=f"length {length(job)}: ") for job in jobs], part)
        for n, run in zip(climbing, runs, strict=True):
            climbed[n].append(run)
        climbing = [n for n in climbing if options.climb or any(map(solved, climbed[n][-1].groups))]
    entries = [
        entry for jobs, runs in zip(ladders, climbed, strict=True) for entry in launch.entries(jobs[0], runs[0], asked)
    ]
    groups = [group for runs in climbed for run in runs for group in run.groups]
    command = shlex.join([*called("python experiments/memory.py").split(), *arguments])
    material = pages.Material(Found(tuple(groups)), pages.placed(entries), command)
    with using(options.style):
        page = pages.create("memory").make(material)
    paths = save(page.files(formats=("markdown", "html") if options.html else ("markdown",)), Path(options.out))
    print(f"\n{len(paths)} files in {time.perf_counter() - started:.0f} s: {paths[0].parent}/README.md")


def ladder(job: "Job") -> tuple[int, ...]:
    """The ladder of a job's task."""
    if lengths := job.experiment.task.ladder:
        return lengths
    from gru_lab.tasks import name_of

    raise UserError(f"task {name_of(job.experiment.task)!r} has no length, so that it makes no ladder")


def length(job: "Job") -> int:
    """The length of a job's task."""
    return job.experiment.config["task"]["length"]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    return composed(run, DOC, argv)
