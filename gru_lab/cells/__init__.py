"""Recurrent cells, one family per file: the equations of the papers as pure functions of one time step.

>>> from gru_lab import cells
>>> cells.create("lstm", hidden=8, peephole=True) == cells.LSTM(hidden=8, peephole=True)
True
>>> cells.name_of(cells.GRU())
'gru'
"""

from gru_lab.cells.cell import Cell, create, get, name_of, names, register
from gru_lab.cells.cell import exported as __getattr__

__all__ = ["Cell", "create", "get", "name_of", "names", "register"]
