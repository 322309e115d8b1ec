"""List the tasks, or show one: an example, settings, the best guess, what counts as solved."""

from gru_lab.card import main_of_tasks as main

__all__ = ["main"]
