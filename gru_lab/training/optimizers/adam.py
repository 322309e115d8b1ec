"""Adam."""

from dataclasses import dataclass

import optax

from gru_lab.schema import Fraction
from gru_lab.training.optimizers.optimizer import Optimizer, register


@register("adam")
@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adaptive moments (Kingma & Ba 2015, arXiv:1412.6980).

    Attributes:
        b1: decay of the running mean of gradients, per update.
        b2: decay of that of their squares.
    """

    b1: Fraction = 0.9
    b2: Fraction = 0.999

    def transformation(self) -> optax.GradientTransformation:
        """`optax.adam`."""
        return optax.adam(self.learning_rate, b1=self.b1, b2=self.b2)
