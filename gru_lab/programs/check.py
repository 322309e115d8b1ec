"""Check a cell: gradients, bounds, the loop, cost, reach; each line passes or says what to do."""

from gru_lab.check import main as main
