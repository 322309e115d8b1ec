"""GRU Lab: recurrent cells compared honestly, in JAX and Flax.

Every room is reachable after `import gru_lab`, and imported when it is first asked for; cells and recurrence need
nothing but jax.

>>> import gru_lab, jax
>>> cell = gru_lab.cells.GRU(hidden=16)
>>> params = cell.init(jax.random.key(0), inputs=2)
>>> task = gru_lab.tasks.Adding(length=20)
>>> final, hs = gru_lab.unroll(cell, params, task.sample(jax.random.key(1), batch=4).inputs)
>>> hs.shape
(4, 20, 16)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gru_lab import cells, convert, data, diagnostics, launchers, models, recurrence, reports, runs, tasks, training
    from gru_lab.errors import UserError
    from gru_lab.recurrence import unroll, unroll_stack
    from gru_lab.training import Experiment, load, run

__version__ = "0.2.0"  # the only place: pyproject.toml reads it
__all__ = [
    "Experiment",
    "UserError",
    "cells",
    "convert",
    "data",
    "diagnostics",
    "launchers",
    "load",
    "models",
    "recurrence",
    "reports",
    "run",
    "runs",
    "tasks",
    "training",
    "unroll",
    "unroll_stack",
]


_HOMES = {
    "UserError": "errors",
    "unroll": "recurrence",
    "unroll_stack": "recurrence",
    "Experiment": "training",
    "load": "training",
    "run": "training",
}


def __getattr__(name: str) -> Any:
    """Each name is imported when first asked for: a program's help does not wait for JAX, nor a cell for Flax."""
    if name not in __all__:
        raise AttributeError(f"module 'gru_lab' has no attribute {name!r}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"gru_lab.{_HOMES[name]}"), name)
    return importlib.import_module(f"gru_lab.{name}")


def __dir__() -> list[str]:
    """All public names, those that are not imported yet among them."""
    return sorted({*globals(), *__all__})
