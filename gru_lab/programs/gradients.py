"""Ask networks how far back their gradients reach, and what their gates do about it: figures, numbers and a page."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gru_lab.exits import called
from gru_lab.programs import composed
from gru_lab.schema import Schema

DOC = """Ask networks about their gradients, before and after training: a figure per question, all numbers, one page.

The runs are those of experiments/train.py: finished ones are read, missing ones are trained first.

Settings of this program, beside those below

  questions=[gradient_flow,gates]   which questions are asked (all)
  fresh=true                        nothing is trained: networks as they are initialised
  animate=true                      also a film of gradient and loss while the networks learn: GIF, MP4 and a player
  html=true                         the page also as one file, index.html
  style=slides                      figures for slides, or wide ones: both columns of a paper (paper: one column)
  out=figures/mine                  the folder of the page, the figures and numbers.csv (gradients)"""


@dataclass(frozen=True)
class Study(Schema):
    """The settings of this program beside those of training; see `DOC`."""

    questions: tuple[str, ...] = ()
    fresh: bool = False
    animate: bool = False
    html: bool = False
    style: Literal["paper", "wide", "slides"] = "paper"
    out: str = "gradients"

    def check(self) -> None:
        """A film shows training."""
        if self.animate and self.fresh:
            self.refuse("animate", "a film shows training, and fresh is true: take one of both")


def run(arguments: list[str]) -> None:
    """Train what is missing, ask, and write the page."""
    from gru_lab.commandline import own_options, train_all
    from gru_lab.composition import compose, numbered

    study, rest = own_options(Study, arguments)
    started = time.perf_counter()

    from gru_lab import launch
    from gru_lab.reports import pages, questions, save
    from gru_lab.reports.style import using

    asked = launch.asked(study.questions or questions.names())
    live = ["callbacks.diagnostics.names=[gradient_flow]"] if study.animate else []
    jobs = numbered(compose("train", [*rest, *live]))
    for job in jobs if study.animate else ():
        launch.check_filmed(job)

    trained = [None] * len(jobs) if study.fresh else train_all(jobs)
    entries = [entry for job, run in zip(jobs, trained, strict=True) for entry in launch.entries(job, run, asked)]
    command = shlex.join([*called("python experiments/gradients.py").split(), *arguments])
    page = pages.create("gradients", animate=study.animate)
    with using(study.style):
        document = page.make(pages.Material(subjects=pages.placed(entries), command=command))
    paths = save(document.files(formats=("markdown", "html") if study.html else ("markdown",)), Path(study.out))
    print(f"\n{len(paths)} files in {time.perf_counter() - started:.0f} s: {paths[0].parent}/README.md")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    return composed(run, DOC, argv)
