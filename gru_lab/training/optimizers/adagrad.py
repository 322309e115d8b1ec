"""Adagrad."""

from dataclasses import dataclass

import optax

from gru_lab.schema import NonNegative, Positive
from gru_lab.training.optimizers.optimizer import LearningRate, Optimizer, register


@register("adagrad")
@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """Gradients g divided by the root of the sum of all their squares (Duchi et al. 2011, JMLR 12, figure 1).

        n' = n + g^2        w' = w - learning_rate g / sqrt(n' + epsilon)

    Attributes:
        epsilon: against division by zero, inside the root as in optax.
        initial: where the sum n begins; the source has 0, TensorFlow and optax 0.1.
    """

    learning_rate: LearningRate = 0.01
    epsilon: Positive = 1e-7
    initial: NonNegative = 0.1

    def transformation(self) -> optax.GradientTransformation:
        """`optax.adagrad`."""
        return optax.adagrad(self.learning_rate, initial_accumulator_value=self.initial, eps=self.epsilon)
