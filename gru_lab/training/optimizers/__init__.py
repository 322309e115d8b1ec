"""Optimisers of optax as frozen dataclasses, one file each."""

from gru_lab.training.optimizers.optimizer import Optimizer, create, get, name_of, names, register

__all__ = ["Optimizer", "create", "get", "name_of", "names", "register"]
