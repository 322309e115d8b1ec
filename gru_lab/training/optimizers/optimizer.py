"""The contract of an optimiser: a learning rate, a way to clip, and an optax transformation."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import optax

from gru_lab.schema import Positive, Registry, Schema


@dataclass(frozen=True)
class Optimizer(Schema):
    """Clipping and one of optax's optimisers.

    `clip`: `norm` scales the gradient to a global norm of at most `clip_at` (Pascanu 2013, arXiv:1211.5063),
    `elementwise` cuts every entry at `clip_at`, `none` leaves it as it is.
    """

    group: ClassVar[str] = "optimizer"

    learning_rate: Positive = 1e-3
    clip: Literal["norm", "elementwise", "none"] = "norm"
    clip_at: Positive = 1.0

    def transformation(self) -> optax.GradientTransformation:
        """The optimiser itself, without clipping."""
        raise NotImplementedError

    def optax(self) -> optax.GradientTransformation:
        """Clipping, then the optimiser."""
        clips = {"norm": optax.clip_by_global_norm, "elementwise": optax.clip}
        before = [clips[self.clip](self.clip_at)] if self.clip in clips else []
        return optax.chain(*before, self.transformation())


_registry = Registry("optimizer", Optimizer, "gru_lab.training.optimizers")
register, names, get, create, name_of = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
)
