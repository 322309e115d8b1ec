"""Adam with decoupled weight decay."""

from dataclasses import dataclass
from typing import Annotated

import optax

from gru_lab.schema import CONTINUOUS, Fraction, NonNegative
from gru_lab.training.optimizers.optimizer import Optimizer, register


@register("adamw")
@dataclass(frozen=True, kw_only=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101).

    Attributes:
        b1: decay of the running mean of gradients, per update.
        b2: decay of that of their squares.
        weight_decay: the share of every parameter that is taken away per update, times the learning rate.
    """

    b1: Fraction = 0.9
    b2: Fraction = 0.999
    weight_decay: Annotated[NonNegative, CONTINUOUS] = 1e-4

    def transformation(self) -> optax.GradientTransformation:
        """`optax.adamw`."""
        return optax.adamw(self.learning_rate, b1=self.b1, b2=self.b2, weight_decay=self.weight_decay)
