"""Callbacks: what watches training and keeps or shows what comes of it, one per file."""

from gru_lab.training.callbacks.callback import Callback, Listener, create, get, name_of, names, register
from gru_lab.training.callbacks.callback import (
    exported as __getattr__,
)

__all__ = ["Callback", "Listener", "create", "get", "name_of", "names", "register"]
