"""The contract of a page: from what was trained and measured to a document."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from gru_lab.reports import questions
from gru_lab.reports.document import Document
from gru_lab.reports.labels import Described, arrange, describe, labelled
from gru_lab.reports.measured import measured
from gru_lab.reports.questions import Answer
from gru_lab.runs import Found, Group
from gru_lab.schema import Registry, Schema


class Subject(NamedTuple):
    """A network on a task, which a page speaks of.

    Attributes:
        task, network: their labels.
        group: what was trained; None where nothing was.
        answers: what was measured, by the name of the question.
        about: the settings of the network that are worth a word, such as those other than default.
    """

    task: str
    network: str
    group: Group | None = None
    answers: Mapping[str, Answer] = {}
    about: str = ""


class Entry(NamedTuple):
    """A subject before it has labels; `described` decides them."""

    described: Described
    group: Group | None = None
    answers: Mapping[str, Answer] = {}
    about: str = ""


@dataclass(frozen=True)
class Material:
    """The material of a page.

    Attributes:
        found: the members of some folders.
        subjects: what was measured of them, or of networks that were not trained; see `subjects` and `placed`.
        command: the command that makes the page.
    """

    found: Found = field(default_factory=lambda: Found(()))
    subjects: Sequence[Subject] = ()
    command: str = ""


class Page(Schema):
    """A kind of page; a subclass is a frozen dataclass whose fields are its options."""

    group: ClassVar[str] = "page"

    def make(self, material: Material) -> Document:
        """The page; `UserError` if the material lacks what it needs."""
        raise NotImplementedError


def subjects(groups: Sequence[Group], stored: Mapping[str, str] | None = None) -> tuple[Subject, ...]:
    """The groups with what their members stored.

    Args:
        groups: what was trained.
        stored: by the name of a question, under which name its diagnostic was stored; where None, that of every
            question whose diagnostic has its usual settings.
    """
    if stored is None:
        every = {name: questions.create(name) for name in questions.names()}
        stored = {name: question.diagnostic for name, question in every.items() if not question.fields}
    return placed([
        Entry(describe(group), group, {
            question: Answer(group.shared.network, group.shared.config.get("cell") or {}, values)
            for question, name in stored.items()
            if (values := measured(group, name))
        })
        for group in groups
    ])  # fmt: skip


def placed(entries: Sequence[Entry]) -> tuple[Subject, ...]:
    """The entries under labels that tell them apart."""
    labels = labelled(arrange([entry.described for entry in entries]))
    return tuple(
        Subject(*label, entry.group, entry.answers, entry.about) for label, entry in zip(labels, entries, strict=True)
    )


def file_name(text: str) -> str:
    """The words of a label as part of the name of a file: `adding_length_200`."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", text).strip("_") or "figure"


def unused(name: str, taken: Sequence[str]) -> str:
    """The name, with a number if it is taken."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


_registry = Registry("page", Page, "gru_lab.reports.pages")
register, get, create, names = _registry.register, _registry.get, _registry.create, _registry.names
