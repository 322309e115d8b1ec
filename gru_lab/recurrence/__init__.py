"""Any cell over time: `unroll`, and the methods that run it, one a file."""

from gru_lab.recurrence.method import Method
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.sequential import Sequential
from gru_lab.recurrence.stack import unroll_stack
from gru_lab.recurrence.unroll import unroll

__all__ = ["Method", "Reference", "Sequential", "unroll", "unroll_stack"]
