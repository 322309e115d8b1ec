"""Questions about cells, one file each: which diagnostic answers it, its figure, its paragraph."""

from gru_lab.reports.questions.question import Answer, Question, create, names, register

__all__ = ["Answer", "Question", "create", "names", "register"]
