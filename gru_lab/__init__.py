"""GRU Lab: recurrent cells compared honestly, in JAX and Flax."""

from typing import TYPE_CHECKING, Any

from gru_lab import cells
from gru_lab.recurrence import unroll, unroll_stack
from gru_lab.schema import UserError

if TYPE_CHECKING:
    from gru_lab import tasks
    from gru_lab.training import Experiment, run

__all__ = ["Experiment", "UserError", "cells", "run", "tasks", "unroll", "unroll_stack"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The upper floors are imported when first asked for: cells and recurrence need nothing but jax."""
    import importlib

    homes = {"tasks": "gru_lab.tasks", "Experiment": "gru_lab.training", "run": "gru_lab.training"}
    if name not in homes:
        raise AttributeError(f"module 'gru_lab' has no attribute {name!r}")
    home = importlib.import_module(homes[name])
    return home if name == "tasks" else getattr(home, name)
