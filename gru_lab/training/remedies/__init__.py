"""Remedies against vanishing and exploding gradients, as switches of training: frozen dataclasses, one file each."""

from gru_lab.training.remedies.remedy import Remedy, create, get, name_of, names, register
from gru_lab.training.remedies.remedy import (
    exported as __getattr__,
)

__all__ = ["Remedy", "create", "get", "name_of", "names", "register"]
