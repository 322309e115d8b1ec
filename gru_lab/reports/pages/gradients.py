"""Gradients and memory: questions asked of many networks, with a figure per question and task, and all numbers."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gru_lab.errors import UserError, listed
from gru_lab.reports import questions
from gru_lab.reports.document import Block, Code, Document, Figure, Heading, Table, Text
from gru_lab.reports.escape import plain
from gru_lab.reports.labels import by
from gru_lab.reports.measured import WHEN
from gru_lab.reports.pages.page import Material, Page, Subject, file_name, register, unused
from gru_lab.reports.questions import Answer
from gru_lab.reports.statistics import summary
from gru_lab.reports.style import files, palette

READING = (
    "Lines are medians over seeds and bands their range; numbers are medians with 95% intervals (order "
    "statistics; none for fewer than six seeds). After "
    "training: the parameters with the best validation result of every seed."
)


@register("gradients")
@dataclass(frozen=True, kw_only=True)
class Gradients(Page):
    """Diagnostics of networks before and after training, question by question.

    Attributes:
        animate: whether to add a film of the gradient's norm while the networks learn.
    """

    animate: bool = False

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        subjects = material.subjects
        if not any(subject.answers for subject in subjects):
            raise UserError("nothing was measured of these runs, so that there is nothing to show of their gradients")
        tasks = dict.fromkeys(subject.task for subject in subjects)
        networks = dict.fromkeys(subject.network for subject in subjects)
        blocks: list[Block] = [Code(material.command)] if material.command else []
        blocks += [Text(f"{len(subjects)} entries. {READING}"), trained(subjects)]
        blocks += asked(subjects)
        if self.animate:
            blocks += _films(subjects)
        title = f"Gradients and memory of {len(networks)} networks on {listed(tasks, 'and')}"
        return Document(title, blocks, {"numbers.csv": numbers(subjects)})


def trained(subjects: Sequence[Subject]) -> Table:
    """The subjects: parameters, seeds that solved the task, test results."""
    about = any(subject.about for subject in subjects)
    head = ["task", "network", *["other than default"] * about, "seeds", "hidden", "parameters", "solved"]
    rows = []
    for subject in subjects:
        row = [subject.task, subject.network, *[subject.about] * about]
        if subject.group is None:
            members = [next(iter(values.values())) for a in subject.answers.values() for values in a.measured.values()]
            row += [str(len(members[0])) if members else "", "", "", "", "", ""]
        else:
            group, shared = subject.group, subject.group.shared
            solved = [float(r.solved_at) for r in group.members if r.solved_at is not None]
            row += [str(len(group.members)), "" if shared.hidden is None else str(shared.hidden)]
            row += [f"{shared.parameters:,}", f"{group.solved} of {len(group.members)}"]
            row += [summary(np.array(solved), ",.0f"), f"{summary(np.array(group.values()), '.3g')} {shared.metric}"]
        rows.append(row)
    return Table([*head, "updates to solve", "test"], rows, "lll"[: 2 + about] + "rrrrrr")


def asked(subjects: Sequence[Subject]) -> list[Block]:
    """A heading, an explanation, and per task a figure and a table, for every question that has an answer."""
    colours = palette(answer.network for subject in subjects for answer in subject.answers.values())
    blocks: list[Block] = []
    taken: list[str] = []
    for name in dict.fromkeys(name for subject in subjects for name in subject.answers):
        question = questions.create(name)
        blocks += [Heading(question.title), Text(question.text())]
        for task, group in by(subjects, lambda subject: subject.task).items():
            answers: Mapping[str, Answer] = {s.network: s.answers[name] for s in group if name in s.answers}
            whole = {label: answer for label, answer in answers.items() if answer.measured}
            if drawn := question.draw(task, whole, colours) if whole else None:
                taken.append(unused(f"{name}_{file_name(task)}", taken))
                blocks.append(Figure(taken[-1], files(drawn), f"{question.title} {task}"))
            rows = [row for label, answer in answers.items() for row in question.rows(label, answer)]
            blocks.append(Table([task, *WHEN.values()], rows))
    return blocks


def _films(subjects: Sequence[Subject]) -> list[Block]:
    from gru_lab.reports.film import moving, reel

    blocks: list[Block] = [Heading("The gradient while the networks learn")]
    taken: list[str] = []
    for task, group in by(subjects, lambda subject: subject.task).items():
        reels = {subject.network: reel(subject.group) for subject in group if subject.group is not None}
        if not reels:
            raise UserError("a film shows training, and nothing was trained")
        taken.append(unused(f"film_{file_name(task)}", taken))
        blocks.append(moving(taken[-1], task, reels))
    return blocks


def numbers(subjects: Sequence[Subject]) -> bytes:
    """Every measured number: task, network, question, when, seed, name, index of a curve, value."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["task", "network", "question", "when", "seed", "name", "index", "value"])
    for subject in subjects:
        for question, answer in subject.answers.items():
            for when, measured in answer.measured.items():
                for name, members in measured.items():
                    for number, values in enumerate(members):
                        seed = subject.group.members[number].member.seed if subject.group else number
                        place = [plain(subject.task), plain(subject.network), question, when, seed, plain(name)]
                        rows = ([*place, n, f"{float(value):.6g}"] for n, value in enumerate(np.ravel(values)))
                        table.writerows(rows)
    return text.getvalue().encode()
