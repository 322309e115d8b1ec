"""Shared by the experiments: questions asked of the networks of a job, trained or fresh, as entries of a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from gru_lab import diagnostics, tasks
from gru_lab.config import Job
from gru_lab.errors import UserError
from gru_lab.reports import questions
from gru_lab.reports.labels import Described, describe, flat, other_than_default
from gru_lab.reports.pages import Entry
from gru_lab.runs import Group
from gru_lab.training import Run
from gru_lab.training.measure import Asked, measure_members, run_folder


def asked(names: Sequence[str]) -> dict[str, Asked]:
    """The diagnostics of some questions, by the names of the questions."""
    by_question = {}
    for name in names:
        question = questions.create(name)
        by_question[name] = Asked(diagnostics.create(question.diagnostic, **question.fields), question.sequences)
    return by_question


def entries(job: Job, run: Run | None, asked: Mapping[str, Asked]) -> list[Entry]:
    """The answers of every group of members of a job; without a run, of its networks as they are initialised."""
    if run is None:
        experiment = job.experiment
        measured = measure_members(experiment, None, experiment.members(), asked)
        settings = flat(experiment.config) | {path: str(value) for path, value in experiment.hyper.items()}
        described = Described(tasks.name_of(experiment.task), experiment.network, experiment.name, settings)
        return [_entry(job, described, None, measured, experiment.hyper)]
    trained = []
    for group in run.groups:
        members = [record.member for record in group.members]
        measured = measure_members(job.experiment, run_folder(job.experiment, job.folder), members, asked)
        trained.append(_entry(job, describe(group), group, measured, group.hyper))
    return trained


def _entry(
    job: Job, described: Described, group: Group | None, measured: Mapping[str, Any], hyper: Mapping[str, float]
) -> Entry:
    experiment = job.experiment.at(hyper)
    inside = {path.removeprefix("cell."): value for path, value in hyper.items() if path.startswith("cell.")}
    settings = {**(experiment.config["cell"] if experiment.cell else {}), **inside}
    answers = {name: questions.Answer(experiment.network, settings, arrays) for name, arrays in measured.items()}
    return Entry(described, group, answers, other_than_default(experiment.cell) if experiment.cell else "")


def check_filmed(job: Job, name: str = "gradient_flow") -> None:
    """Raise `UserError` if a member of a job has finished without that diagnostic having been measured on the way."""
    run = run_folder(job.experiment, job.folder)
    seeds = {member.seed for member in job.experiment.members()}
    for member in run.members():
        folder = run.member(member)
        known, record = folder.measured(name), folder.record
        if record is None or record.member.role == "tune" or record.member.seed not in seeds:
            continue
        if known is None or "live" not in known.when:
            raise UserError(
                f"{folder.path} was trained without a film: choose another sweep=, or train it anew with force=true"
            )
