"""Weights from and to other frameworks, exactly, or refused with the reason.

>>> import jax, numpy
>>> from gru_lab import cells, convert
>>> cell = cells.GRU(hidden=4)
>>> stack = convert.Stack(cell, ((cell.init(jax.random.key(0), inputs=3),),))  # one layer, one direction
>>> arrays = convert.get("torch").dump(stack)
>>> {name: array.shape for name, array in sorted(arrays.items())}
{'bias_hh_l0': (12,), 'bias_ih_l0': (12,), 'weight_hh_l0': (12, 4), 'weight_ih_l0': (12, 3)}
>>> same = convert.get("torch").load(arrays)
>>> bool((same.run(jax.numpy.ones((2, 5, 3))) == stack.run(jax.numpy.ones((2, 5, 3)))).all())
True

`convert.read("model.pt")` gives the arrays of a file, `convert.write("gru.weights.h5", arrays)` writes them.
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
