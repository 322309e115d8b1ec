"""Optimisers of optax as frozen dataclasses, one file each."""

from gru_lab.training.optimizers.optimizer import Anonymous, Optimizer, create, get, name_of, names, register
from gru_lab.training.optimizers.optimizer import (
    exported as __getattr__,
)

__all__ = ["Anonymous", "Optimizer", "create", "get", "name_of", "names", "register"]
