"""Flax NNX models: recurrent layers, networks, budgets."""

from gru_lab.models.budget import hidden_for
from gru_lab.models.network import Model, Network, Shape, count_parameters
from gru_lab.models.recurrent import Bidirectional, Recurrent

__all__ = ["Bidirectional", "Model", "Network", "Recurrent", "Shape", "count_parameters", "hidden_for"]
