"""Protocols: which members an experiment plans, and how a setting is chosen before it is reported; one file each."""

from gru_lab.training.protocols.protocol import (
    Protocol,
    Round,
    Search,
    Selection,
    Trial,
    create,
    get,
    name_of,
    names,
    register,
)
from gru_lab.training.protocols.protocol import (
    exported as __getattr__,
)

__all__ = ["Protocol", "Round", "Search", "Selection", "Trial", "create", "get", "name_of", "names", "register"]
