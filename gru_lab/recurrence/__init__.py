"""Any cell over time: `unroll`, and the methods that run it, one per file.

>>> from gru_lab import recurrence
>>> recurrence.names()
('associative', 'auto', 'parallel', 'reference', 'sequential')
>>> recurrence.create("sequential", remat_every=50)
Sequential(unroll=1, store='auto', remat_every=50, memory=None, layout='auto')
"""

from gru_lab.recurrence.associative import Associative
from gru_lab.recurrence.auto import Auto
from gru_lab.recurrence.method import Masks, Method, PerSequence, create, get, name_of, names, register
from gru_lab.recurrence.parallel import Parallel
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.sequential import Sequential
from gru_lab.recurrence.stack import unroll_stack
from gru_lab.recurrence.unroll import unroll

__all__ = [
    "Associative",
    "Auto",
    "Masks",
    "Method",
    "Parallel",
    "PerSequence",
    "Reference",
    "Sequential",
    "create",
    "get",
    "name_of",
    "names",
    "register",
    "unroll",
    "unroll_stack",
]
