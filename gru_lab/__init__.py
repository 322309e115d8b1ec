"""GRU Lab: recurrent cells compared honestly, in JAX and Flax."""

from typing import TYPE_CHECKING, Any

from gru_lab import cells
from gru_lab.recurrence import unroll, unroll_stack
from gru_lab.schema import UserError

if TYPE_CHECKING:
    from gru_lab import diagnostics, tasks
    from gru_lab.training import Experiment, run

__all__ = ["Experiment", "UserError", "cells", "diagnostics", "run", "tasks", "unroll", "unroll_stack"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The upper floors are imported when first asked for: cells and recurrence need nothing but jax."""
    import importlib

    rooms = ("diagnostics", "tasks")
    if name in rooms:
        return importlib.import_module(f"gru_lab.{name}")
    if name not in ("Experiment", "run"):
        raise AttributeError(f"module 'gru_lab' has no attribute {name!r}")
    return getattr(importlib.import_module("gru_lab.training"), name)
