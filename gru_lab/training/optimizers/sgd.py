"""Stochastic gradient descent."""

from dataclasses import dataclass

import optax

from gru_lab.schema import Fraction
from gru_lab.training.optimizers.optimizer import Optimizer, register


@register("sgd")
@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak 1964) if asked."""

    momentum: Fraction = 0.0
    nesterov: bool = False

    def transformation(self) -> optax.GradientTransformation:
        """`optax.sgd`."""
        return optax.sgd(self.learning_rate, momentum=self.momentum or None, nesterov=self.nesterov)
