"""RMSProp."""

from dataclasses import dataclass

import optax

from gru_lab.schema import Fraction, NonNegative, Positive
from gru_lab.training.optimizers.optimizer import Optimizer, register


@register("rmsprop")
@dataclass(frozen=True, kw_only=True)
class RMSProp(Optimizer):
    """Gradients g divided by a running root mean square (Hinton 2012), as in Chung 2014 and Arjovsky 2016.

        n' = decay n + (1 - decay) g^2        a' = decay a + (1 - decay) g
        u = -learning_rate g / sqrt(n' - a'^2 + epsilon)
        v' = momentum v + u        w' = w + v', with `nesterov` w + momentum v' + u

    a is 0 unless `centered`, as Graves 2013 has it (arXiv:1308.0850, equations 38 to 45; his numbers are the preset
    `rmsprop_graves2013`). Programs differ in where epsilon stands and where n begins: TensorFlow 1 has it inside the
    root and n at 1, PyTorch outside and n at 0.

    Attributes:
        epsilon: against division by zero.
        epsilon_inside: whether it is added inside the root, or to the root.
        initial: where the mean square n begins.
        decay: of the running mean square, per update.
        momentum: the share of the last step that is taken again.
        nesterov: whether momentum looks ahead.
        centered: whether the square of the running mean is taken away.
    """

    decay: Fraction = 0.9
    momentum: Fraction = 0.0
    nesterov: bool = False
    centered: bool = False
    epsilon: Positive = 1e-8
    epsilon_inside: bool = True
    initial: NonNegative = 0.0

    def check(self) -> None:
        """Nesterov's step needs a momentum."""
        super().check()
        self.check_nesterov(self.nesterov, self.momentum)

    def transformation(self) -> optax.GradientTransformation:
        """`optax.rmsprop`."""
        return optax.rmsprop(
            self.learning_rate,
            decay=self.decay,
            eps=self.epsilon,
            eps_in_sqrt=self.epsilon_inside,
            initial_scale=self.initial,
            centered=self.centered,
            momentum=self.momentum or None,
            nesterov=self.nesterov,
        )
