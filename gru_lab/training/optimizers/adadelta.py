"""Adadelta."""

from dataclasses import dataclass

import optax

from gru_lab.schema import Fraction, Positive
from gru_lab.training.optimizers.optimizer import LearningRate, Optimizer, register


@register("adadelta")
@dataclass(frozen=True, kw_only=True)
class Adadelta(Optimizer):
    """Steps as long as earlier ones (Zeiler 2012, arXiv:1212.5701, algorithm 1), as in Cho 2014.

        n' = decay n + (1 - decay) g^2        d = sqrt(s + epsilon) / sqrt(n' + epsilon) g
        s' = decay s + (1 - decay) d^2        w' = w - learning_rate d

    The source has no learning rate: it is 1.

    Attributes:
        decay: of both running means, per update.
        epsilon: against division by zero; also the first step.
    """

    learning_rate: LearningRate = 1.0
    decay: Fraction = 0.95
    epsilon: Positive = 1e-6

    def transformation(self) -> optax.GradientTransformation:
        """`optax.adadelta`."""
        return optax.adadelta(self.learning_rate, rho=self.decay, eps=self.epsilon)
