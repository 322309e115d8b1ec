"""How long does each cell remember: the longest task that it still learns, and how much of its input it holds?

`python experiments/memory.py -m experiment=compare/copy cell=rnn,lstm,gru`, or `--help`.
"""

import csv
import io
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gradients import ask, labelled, quoted

from gru_lab.commandline import compose, one_device_a_core, own_options, program, train
from gru_lab.config import Job
from gru_lab.schema import Schema, Size, UserError

DOC = """Climb a ladder of ever longer tasks: a cell's memory horizon is the longest that half of the seeds solve.

A cell stops climbing at the first length that it does not solve. Beside it the linear memory capacity of the cell, at
initialisation and trained on the shortest task. Runs are those of experiments/train.py: finished ones are read.

Settings of this program, beside those below

  lengths=[10,20,40]     the rungs, as task.length (10, 20, 40, ..., 320)
  climb=true             do not stop at the first length that is not solved
  out=figures/mine       the folder of the page, the figures and the numbers (memory)"""


@dataclass(frozen=True)
class Ladder(Schema):
    """What this program does beside training; see `DOC`."""

    lengths: tuple[Size, ...] = (10, 20, 40, 80, 160, 320)
    climb: bool = False
    out: str = "memory"

    def check(self) -> None:
        """A ladder goes up."""
        if not self.lengths or list(self.lengths) != sorted(set(self.lengths)):
            self.refuse("lengths", "it must name lengths from the shortest to the longest, as in [10,20,40]")


def run(arguments: list[str]) -> None:
    """Train what is missing, ask, and write the page."""
    one_device_a_core()
    options, rest = own_options(Ladder, arguments)
    started = time.perf_counter()
    if any(argument.partition("=")[0] == "task.length" for argument in rest):
        raise UserError("task.length is what this program climbs: write lengths=[10,20,40] instead")
    rungs = {n: labelled(compose("train", [*rest, f"task.length={n}"])[1]) for n in options.lengths}

    from gru_lab import diagnostics
    from gru_lab.reports import questions
    from gru_lab.reports.ladder import horizon, ladder, solved
    from gru_lab.reports.questions import Answer
    from gru_lab.reports.report import save
    from gru_lab.reports.study import study
    from gru_lab.reports.style import palette
    from gru_lab.runs import Record
    from gru_lab.training.diagnose import Asked

    question = questions.create("memory_capacity")
    asked = {"memory_capacity": Asked(diagnostics.create(question.diagnostic, **question.fields), question.sequences)}
    climbed: dict[str, dict[str, dict[int, Record]]] = {}
    answers: dict[str, dict[str, dict[str, Answer]]] = {}
    for task, cell in rungs[options.lengths[0]]:
        own = climbed.setdefault(task, {}).setdefault(cell, {})
        for n in options.lengths:
            job: Job = rungs[n][task, cell]
            print(f"length {n}: ", end="", flush=True)
            own[n] = train(job)
            if n == options.lengths[0]:
                answers.setdefault(task, {})[cell] = ask(job, asked, fresh=False)
            if not options.climb and not solved(own[n]):
                break

    colours = palette(record.cell for cells in climbed.values() for own in cells.values() for record in own.values())
    files, table = {}, [["task", "cell", "length", "member", "solved_at", "metric", "test"]]
    lines = ["```", quoted("memory.py", arguments), "```", "", "| task | cell | parameters | memory horizon | rungs |"]
    lines += ["|---|---|---:|---:|---|"]
    for task, cells in climbed.items():
        drawn = ladder(task, cells, colours)
        files |= {f"ladder_{task}.{suffix}": data for suffix, data in drawn.items()}
        for cell, own in cells.items():
            told = ", ".join(f"{n}: {record.solved} of {len(record.members)}" for n, record in own.items())
            far = horizon(own)
            last = (
                f"at least {far}" if far == options.lengths[-1] else str(far) if far else f"under {options.lengths[0]}"
            )
            lines.append(f"| {task} | {cell} | {next(iter(own.values())).parameters:,} | {last} | {told} |")
            for n, record in own.items():
                for member in record.members:
                    value = member.metrics.get("test", {}).get(record.metric)
                    row = [task, cell, n, member.seed, member.solved_at, record.metric, value]
                    table.append(["" if item is None else str(item) for item in row])
    lines += ["", *(f"![What is still reached as {task} grows longer](ladder_{task}.png)" for task in climbed), ""]
    lines += [
        "The memory horizon is the longest task, in steps as its setting `length` counts them, that at least half of "
        "the seeds solve with the given updates; rungs tell how many did. Below, the capacities are those at "
        f"length {options.lengths[0]}.",
    ]
    files |= study("Memory of recurrent cells", "\n".join(lines), answers)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    paths = save(files | {"ladder.csv": text.getvalue().encode()}, Path(options.out))
    print(f"\n{len(paths)} files in {time.perf_counter() - started:.0f} s: {paths[0].parent}/README.md")


if __name__ == "__main__":
    sys.exit(program(run, DOC))
