"""Weights from and to other frameworks, exactly, or refused with the reason.

stack = convert.get("torch").load(convert.read("model.pt"), prefix="rnn.")
hs = stack.run(xs)
convert.write("gru.weights.h5", convert.get("keras").dump(stack))
"""

from typing import TYPE_CHECKING, Any

from gru_lab.convert.files import read, write
from gru_lab.convert.framework import Framework
from gru_lab.convert.frameworks import frameworks, get
from gru_lab.convert.stack import Stack

if TYPE_CHECKING:
    from gru_lab.convert.flax_cell import FlaxCell

__all__ = ["FlaxCell", "Framework", "Stack", "frameworks", "get", "read", "write"]


def __getattr__(name: str) -> Any:
    """Flax is imported when its adapter is asked for."""
    if name != "FlaxCell":
        raise AttributeError(f"module 'gru_lab.convert' has no attribute {name!r}")
    from gru_lab.convert.flax_cell import FlaxCell

    return FlaxCell
