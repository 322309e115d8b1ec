"""Weights from and to other frameworks, exactly, or refused with the reason."""

from gru_lab.convert.frameworks import frameworks, get
from gru_lab.convert.stack import Stack

__all__ = ["Stack", "frameworks", "get"]
