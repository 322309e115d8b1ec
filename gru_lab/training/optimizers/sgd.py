"""Stochastic gradient descent."""

from dataclasses import dataclass

import optax

from gru_lab.schema import Fraction
from gru_lab.training.optimizers.optimizer import Optimizer, register


@register("sgd")
@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak 1964) if asked.

        v' = momentum v + g        w' = w - learning_rate v'

    With `nesterov` w' = w - learning_rate (momentum v' + g): Nesterov's accelerated gradient as in Sutskever 2013.

    Attributes:
        momentum: the share of the last step that is taken again.
        nesterov: whether momentum looks ahead.
    """

    momentum: Fraction = 0.0
    nesterov: bool = False

    def check(self) -> None:
        """Nesterov's step needs a momentum."""
        super().check()
        self.check_nesterov(self.nesterov, self.momentum)

    def transformation(self) -> optax.GradientTransformation:
        """`optax.sgd`."""
        return optax.sgd(self.learning_rate, momentum=self.momentum or None, nesterov=self.nesterov)
