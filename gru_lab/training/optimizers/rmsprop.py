"""RMSProp."""

from dataclasses import dataclass

import optax

from gru_lab.schema import Fraction
from gru_lab.training.optimizers.optimizer import Optimizer, register


@register("rmsprop")
@dataclass(frozen=True, kw_only=True)
class RMSProp(Optimizer):
    """Gradients divided by a running root mean square (Hinton 2012), as in Chung 2014 and Arjovsky 2016."""

    decay: Fraction = 0.9
    momentum: Fraction = 0.0

    def transformation(self) -> optax.GradientTransformation:
        """`optax.rmsprop`."""
        return optax.rmsprop(self.learning_rate, decay=self.decay, momentum=self.momentum)
