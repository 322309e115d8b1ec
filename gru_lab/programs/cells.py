"""List the cells, or show one: equations, settings, costs, source."""

from gru_lab.card import main as main
