"""Recurrent cells, one family a file: the equations of the papers as pure functions of one time step."""

from gru_lab.cells.cell import Cell, create, get, name_of, names, register

__all__ = ["Cell", "create", "get", "name_of", "names", "register"]
