"""Questions about networks, one file each: a diagnostic, its figure and its paragraph."""

from gru_lab.reports.questions.question import Answer, Question, create, names, register

__all__ = ["Answer", "Question", "create", "names", "register"]
