"""A study: questions asked of many cells, as one page in words, one figure a question and task, and all numbers."""

import csv
import io
import re
from collections.abc import Iterator, Mapping

from gru_lab.reports.questions import Answer, Question, create
from gru_lab.reports.style import palette

Answers = Mapping[str, Mapping[str, Mapping[str, Answer]]]  # task -> label of the cell -> question -> answer


def study(title: str, about: str, answers: Answers) -> dict[str, bytes]:
    """The files of a study by name: README.md, numbers.csv, and a PNG and a PDF for every figure.

    `about` is the page's first paragraph: what was run. Questions are asked in the order of their names in `answers`;
    the numbers of the page are medians over the members with 95% bootstrap intervals.
    """
    cells = {answer.cell for labels in answers.values() for asked in labels.values() for answer in asked.values()}
    colours = palette(cells)
    files: dict[str, bytes] = {}
    lines = [f"# {title}", "", about, ""]
    for name in dict.fromkeys(name for labels in answers.values() for asked in labels.values() for name in asked):
        question = create(name)
        lines += [f"## {question.title}", "", question.text(), ""]
        for task, labels in answers.items():
            asked = {label: found[name] for label, found in labels.items() if name in found}
            stem = f"{name}_{re.sub(r'[^A-Za-z0-9-]+', '_', task).strip('_')}"
            drawn = question.draw(task, {label: answer for label, answer in asked.items() if answer.measured}, colours)
            files |= {f"{stem}.{suffix}": data for suffix, data in drawn.items()}
            lines += [f"![{question.title} {task}]({stem}.png)", ""] if drawn else []
            lines += [*_table(task, question, asked), ""]
    files["README.md"] = ("\n".join(lines).rstrip() + "\n").encode()
    files["numbers.csv"] = _numbers(answers)
    return files


def _table(task: str, question: Question, asked: Mapping[str, Answer]) -> Iterator[str]:
    yield f"| {task} | at initialisation | after training |"
    yield "|---|---|---|"
    for label, answer in asked.items():
        for row in question.rows(label, answer):
            yield "| " + " | ".join(row) + " |"


def _numbers(answers: Answers) -> bytes:
    """Every measured number: task, cell, question, when, member, name, index of a curve, value."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["task", "cell", "question", "when", "member", "name", "index", "value"])
    for task, labels in answers.items():
        for label, asked in labels.items():
            for question, answer in asked.items():
                for when, measured in answer.measured.items():
                    for name, members in measured.items():
                        for member, values in enumerate(members):
                            for index, value in enumerate(values.ravel()):
                                row = [task, label, question, when, member, name, index, f"{float(value):.6g}"]
                                table.writerow(row)
    return text.getvalue().encode()
