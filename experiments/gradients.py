"""How far back does each cell's gradient reach, what do its gates do about it, and what does remembering cost?

`python experiments/gradients.py -m cell=rnn,lstm,gru`, or `--help`.
"""

import shlex
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gru_lab.commandline import compose, one_device_a_core, own_options, program, train
from gru_lab.config import Job
from gru_lab.schema import Schema, UserError

DOC = """Ask cells about their gradients, before and after training: one figure a question, all numbers, one page.

The runs are those of experiments/train.py: finished ones are read, missing ones are trained first.

Settings of this program, beside those below

  questions=[gradient_flow,gates]   which questions are asked (all)
  fresh=true                        nothing is trained: cells as they are initialised
  animate=true                      also a film (GIF) of the gradient's norm over lags while the cells learn
  out=figures/mine                  the folder of the page, the figures and numbers.csv (gradients)"""


@dataclass(frozen=True)
class Study(Schema):
    """What this program does beside training; see `DOC`."""

    questions: tuple[str, ...] = ()
    fresh: bool = False
    animate: bool = False
    out: str = "gradients"

    def check(self) -> None:
        """A film shows training."""
        if self.animate and self.fresh:
            self.refuse("animate", "a film shows training, and fresh is true: take one of both")


def run(arguments: list[str]) -> None:
    """Train what is missing, ask, and write the page."""
    one_device_a_core()
    study, rest = own_options(Study, arguments)
    started = time.perf_counter()

    from gru_lab import diagnostics
    from gru_lab.reports import questions
    from gru_lab.reports.report import save
    from gru_lab.training.diagnose import Asked

    asked = {}
    for name in study.questions or questions.names():
        question = questions.create(name)
        asked[name] = Asked(diagnostics.create(question.diagnostic, **question.fields), question.sequences)
    live = ["diagnostics=[gradient_flow]"] if study.animate else []
    jobs = labelled(compose("train", [*rest, *live])[1])

    for job in jobs.values() if study.animate else ():
        if (job.folder / job.experiment.name / "record.json").exists():
            curves(job)

    found: dict[str, dict[str, Any]] = {}
    records = {}
    for n, ((task, cell), job) in enumerate(jobs.items(), start=1):
        if not study.fresh:
            print(f"[{n}/{len(jobs)}] ", end="", flush=True)
            records[task, cell] = train(job)
        found.setdefault(task, {})[cell] = ask(job, asked, study.fresh)
    files = pages(jobs, records, found, quoted("gradients.py", arguments))
    if study.animate:
        files |= films(jobs, records)
    paths = save(files, Path(study.out))
    print(f"\n{len(paths)} files in {time.perf_counter() - started:.0f} s: {paths[0].parent}/README.md")


def quoted(program: str, arguments: list[str]) -> str:
    """The command line, as it can be typed again."""
    return shlex.join(["python", f"experiments/{program}", *arguments])


def labelled(jobs: list[Job]) -> dict[tuple[str, str], Job]:
    """Every job under the labels of its task and its cell: the option chosen, and what else differs."""
    labels: dict[tuple[str, str], Job] = {}
    for task, cell, job in zip(_labels(jobs, "task", "cell"), _labels(jobs, "cell", "task"), jobs, strict=True):
        if (task, cell) in labels:
            raise UserError(f"two runs are {cell} on {task}: sweep over cells and tasks, not over their training")
        labels[task, cell] = job
    return labels


def _labels(jobs: list[Job], group: str, beside: str) -> list[str]:
    """`lstm_chrono`, with the fields in which jobs differ that chose the same option of both groups."""
    from gru_lab.reports.labels import chosen, differing, flat, label

    choices = [(job.choices.get(group, ""), job.choices.get(beside, "")) for job in jobs]
    fields = [flat(job.experiment.config[group]) for job in jobs]
    alike = {own: [f for f, other in zip(fields, choices, strict=True) if own == other] for own in choices}
    return [
        label(own[0].rpartition(":")[2], chosen(field, differing(alike[own])))
        for own, field in zip(choices, fields, strict=True)
    ]


def ask(job: Job, asked: dict[str, Any], fresh: bool) -> dict[str, Any]:
    """The answers of one run."""
    from gru_lab.reports.questions import Answer
    from gru_lab.training.diagnose import diagnose

    config = job.experiment.config["cell"]
    settings = {name: value for name, value in config.items() if name != "name"}
    measured = diagnose(job.experiment, None if fresh else job.folder, asked)
    return {name: Answer(config["name"], settings, one) for name, one in measured.items()}


def pages(jobs: dict, records: dict, found: dict, command: str) -> dict[str, bytes]:
    """The study's files, with a first paragraph that says what was run."""
    import numpy as np

    from gru_lab.reports.questions.question import told
    from gru_lab.reports.study import study

    lines = ["```", command, "```", ""]
    seeds = sorted({job.experiment.population.seeds for job in jobs.values()})
    lines += [
        f"{len(jobs)} runs, {' or '.join(map(str, seeds))} seeds each. Lines are medians over seeds and bands their "
        "range; numbers are medians with 95% bootstrap intervals. After training: the parameters with the best "
        "validation result of every seed.",
        "",
        "| task | cell | other than default | hidden | parameters | solved | updates to solve | test |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for (task, cell), job in jobs.items():
        row = [task, cell, settings(job.experiment.cell), str(job.experiment.cell.hidden)]
        if (record := records.get((task, cell))) is None:
            row += ["", "", "", ""]
        else:
            solved = np.array([m.solved_at for m in record.members if m.solved_at is not None], float)
            row += [f"{record.parameters:,}", f"{record.solved} of {len(record.members)}", told(solved, ",.0f")]
            row += [f"{told(np.array(record.values()), '.3g')} {record.metric}"]
        lines.append("| " + " | ".join(row) + " |")
    tasks = " and ".join(dict.fromkeys(task for task, _ in jobs))
    title = f"Gradients and memory of {len({cell for _, cell in jobs})} cells on {tasks}"
    return study(title, "\n".join(lines), found)


def settings(cell: Any) -> str:
    """The settings of a cell that are not its class's defaults, beside its size."""
    own = {one.name: (getattr(cell, one.name), one.default) for one in fields(cell) if one.name != "hidden"}
    return ", ".join(f"{name}={value}" for name, (value, default) in own.items() if value != default)


def curves(job: Job) -> Any:
    """The updates and the gradient's norms that a run logged while it trained; see `measured`."""
    from gru_lab.runs.folder import measured, read_metrics

    path = job.folder / job.experiment.name / "metrics.jsonl"
    try:
        return measured(read_metrics(path)[0], "gradient_flow", "norm")
    except UserError:
        raise UserError(
            f"{path} holds no gradient curves, because this run was trained without animate=true: "
            "choose another sweep=, or delete its folder"
        ) from None


def films(jobs: dict, records: dict) -> dict[str, bytes]:
    """One film a task, from the curves that the runs logged."""
    import numpy as np

    from gru_lab.reports.film import Reel, film
    from gru_lab.reports.style import palette

    files = {}
    colours = palette(record.cell for record in records.values())
    for task in dict.fromkeys(task for task, _ in jobs):
        reels = {}
        for (own, cell), job in jobs.items():
            if own == task:
                record = records[own, cell]
                updates, norms = curves(job)
                times = [np.inf if m.solved_at is None else m.solved_at for m in record.members]
                median = float(np.median(times))
                reels[cell] = Reel(record.cell, updates, norms, int(median) if np.isfinite(median) else None)
        files[f"film_{task}.gif"] = film(task, reels, colours)
    return files


if __name__ == "__main__":
    sys.exit(program(run, DOC))
