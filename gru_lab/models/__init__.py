"""Flax NNX models, one file per network; recurrent layers; budgets.

>>> import jax
>>> from flax import nnx
>>> from gru_lab import cells, models
>>> spec = models.Spec(inputs=2, outputs=1, symbols=False, readout="last")
>>> model = models.create("recurrent", layers=2)
>>> network = model.build(cells.GRU(hidden=8), spec, nnx.Rngs(0))
>>> network(jax.numpy.ones((4, 20, 2))).shape
(4, 1)
"""

from gru_lab.models.budget import hidden_for, sized
from gru_lab.models.layers import Bidirectional, Recurrent
from gru_lab.models.model import Model, Network, Spec, count_parameters, create, get, name_of, names, register
from gru_lab.models.model import exported as __getattr__

__all__ = [
    "Bidirectional",
    "Model",
    "Network",
    "Recurrent",
    "Spec",
    "count_parameters",
    "create",
    "get",
    "hidden_for",
    "name_of",
    "names",
    "register",
    "sized",
]
