"""The command line of the experiments: the help, the exit status, and what is printed of a run.

A mistake gets one sentence and exit status 2; the same sentences are met in plain Python, because they come from the
dataclasses.
"""

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gru_lab import composition
from gru_lab.arguments import UNREADABLE
from gru_lab.compile_cache import keep_compiled
from gru_lab.config import Job, check_known
from gru_lab.errors import UserError
from gru_lab.exits import Stopped
from gru_lab.hosts import following, hosts_at_hand, join, several
from gru_lab.launchers import launch
from gru_lab.launchers.launcher import one_device_a_core as one_device_a_core
from gru_lab.manual import asked, help_text
from gru_lab.schema import Schema, build

if TYPE_CHECKING:
    from gru_lab.training import Run

S = TypeVar("S", bound=Schema)


def main(name: str, action: Callable[[Job], Any], doc: str, argv: Sequence[str] | None = None) -> int:
    """Run `action` for every job that the command line asks for; returns the exit status.

    Args:
        name: the top configuration, `configs/<name>.yaml`.
        action: what to do with one job.
        doc: the first lines of `--help`.
        argv: the arguments; those of the process if None.
    """
    return program(lambda arguments: composition.run(name, action, arguments), doc, argv)


def program(run: Callable[[list[str]], None], doc: str, argv: Sequence[str] | None = None) -> int:
    """`run(arguments)`, or the help if they ask for it; returns the exit status. For `doc` and `argv` see `main`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if asked(arguments):
        print(help_text(doc))
        return 0

    def together() -> None:
        join(hosts_at_hand())
        run(arguments)

    return guarded(together)


def guarded(command: Callable[[], None]) -> int:
    """Run a command; a mistake of the user's becomes one sentence and status 2, a signal its usual status."""
    try:
        sys.path.append(_working_folder())  # so that cell=my_module:MyCell finds a file of the folder one works in
        command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        name, status = (error.name, error.status) if isinstance(error, Stopped) else ("SIGINT", 130)
        how = "interrupted" if name == "SIGINT" else f"ended by {name}"
        print(f"{how}: the same command goes on from here", file=sys.stderr)
        return status
    return 0


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        raise UserError("the working folder is not there any more: change to one that is") from None


def train(job: Job) -> "Run":
    """Run one job, say in one line per setting what came out, and return it."""
    from gru_lab.training import run
    from gru_lab.training.callbacks.progress import Progress

    keep_compiled()
    shown = () if any(isinstance(each, Progress) for each in job.callbacks) else (Progress(label=job.place),)
    result = run(job.experiment, job.folder, (*job.callbacks, *shown), force=job.force, wait=several())
    if following():
        return result
    names = {member.name for member in result.trained}
    for group in result.groups:
        first = group.shared
        values = group.values("test" if first.member.role == "report" else "validation")
        reached = f"{first.metric} {sum(values) / len(values):.4g}" if values else "diverged"
        if skipped := sum(record.skipped or 0 for record in group.members):
            reached += f", {skipped:,} updates skipped"
        axes = ", ".join(
            f"{path} {group.hyper[path]:g}{', an end of its axis' if path in result.selection.edge else ''}"
            for path in (*job.experiment.population.axes, *result.selection.hyper)
        )
        kept = [record for record in group.members if record.member.name not in names]
        dates = sorted({str(record.timing.get("finished"))[:10] for record in kept})
        said = f", {len(kept)} kept, trained on {' and '.join(dates)}" if kept else ""
        print(
            f"{job.place}{first.network} on {first.task}{f' ({axes})' if axes else ''}: "
            f"{group.solved} of {len(group.members)} solved, {reached}, "
            f"{first.parameters:,} parameters{said}; {result.folder}"
        )
    return result


def train_all(jobs: Sequence[Job], part: str = "") -> "list[Run]":
    """Launch `train` for every job, wherever they run, and return their runs; for `part` see `launch`.

    Raises:
        UserError: for the jobs that failed.
    """
    from gru_lab.training import run

    results = launch(jobs, train, part)
    return [
        run(job.experiment, job.folder, job.callbacks) if result is None else result
        for job, result in zip(jobs, results, strict=True)
    ]


def own_options(schema: type[S], arguments: Sequence[str]) -> tuple[S, list[str]]:
    """A program's own settings, `name=value` for every field of a dataclass, and the arguments that are left."""
    import yaml

    names = [field.name for field in dataclasses.fields(schema)]  # pyright: ignore[reportArgumentType]
    fields, rest = {}, []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name in names:
            try:
                fields[name] = yaml.safe_load(value)
            except yaml.YAMLError:
                raise UserError(UNREADABLE.format(argument)) from None
        else:
            if equals:
                check_known(name.lstrip("+~"), names)
            rest.append(argument)
    return build(schema, fields), rest
