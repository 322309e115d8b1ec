"""The contract of an optimiser: a learning rate, a way to clip, a schedule, and an optax transformation."""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

import optax
import optax.contrib

from gru_lab import outside
from gru_lab.errors import UserError
from gru_lab.schema import CONTINUOUS, Count, Fraction, NonNegative, Positive, Registry, Schema, Size

LearningRate = Annotated[Positive, CONTINUOUS]


@dataclass(frozen=True, kw_only=True)
class Optimizer(Schema):
    """Clipping, an L2 penalty, one of optax's optimisers, and how its rate changes over training.

    `clip`: `norm` scales the gradient to a global norm of at most `clip_at` (Pascanu 2013, arXiv:1211.5063),
    `elementwise` cuts every entry at `clip_at`, `none` leaves it as it is.

    `l2` adds l2 w to the clipped gradient: the penalty l2/2 |w|^2 on all parameters. Of an adaptive optimiser that is
    not the decoupled weight decay, which is `adamw`'s.

    `schedule` is the factor by which updates are scaled:

        constant    1
        linear      from 1 to 0 over training
        cosine      (1 + cos(pi t)) / 2, t from 0 to 1 over training
        step        decay_factor^floor(update / decay_every)
        plateau     times decay_factor whenever the training loss, averaged over decay_every updates, has not fallen
                    for `patience` such averages

    Before it, the factor rises linearly from 0 over `warmup` updates.

    Attributes:
        learning_rate: the size of a step, before the schedule.
        clip: how the gradient is cut: its norm, each entry, or not.
        clip_at: the value that it is cut at.
        l2: the strength of a penalty on the squares of all parameters; none where it is null.
        schedule: how the rate changes over training.
        warmup: updates over which it rises from 0.
        decay_every: updates between two looks of `step` and `plateau`.
        decay_factor: what the rate is multiplied by then.
        patience: the looks for which `plateau` waits for a better loss.
    """

    group: ClassVar[str] = "optimizer"

    learning_rate: LearningRate = 1e-3
    clip: Literal["norm", "elementwise", "none"] = "norm"
    clip_at: Annotated[Positive, CONTINUOUS] = 1.0
    l2: Annotated[NonNegative | None, CONTINUOUS] = None
    schedule: Literal["constant", "linear", "cosine", "step", "plateau"] = "constant"
    warmup: Count = 0
    decay_every: Size = 1000
    decay_factor: Fraction = 0.5
    patience: Size = 5

    def check(self) -> None:
        """A plateau must be followed by a smaller factor that is not 0."""
        if self.schedule == "plateau" and self.decay_factor == 0:
            self.refuse("decay_factor", "with optimizer.schedule=plateau it must be above 0")

    def check_nesterov(self, nesterov: bool, momentum: float) -> None:
        """Raise `UserError` for Nesterov's step without a momentum, where it changes nothing."""
        if nesterov and momentum == 0:
            self.refuse("nesterov", "it needs a momentum, and optimizer.momentum is 0")

    def transformation(self) -> optax.GradientTransformation:
        """The optimiser itself, without clipping and schedule."""
        raise NotImplementedError

    def chain(self, updates: int) -> optax.GradientTransformationExtraArgs:
        """Clipping, the L2 penalty, the optimiser, then the schedule; `updates` is the length of training."""
        clips = {"norm": optax.clip_by_global_norm, "elementwise": optax.clip}
        before = [clips[self.clip](self.clip_at)] if self.clip in clips else []
        before += [] if self.l2 is None else [optax.add_decayed_weights(self.l2)]
        return optax.with_extra_args_support(optax.chain(*before, self.transformation(), *self._scheduled(updates)))

    def _scheduled(self, updates: int) -> list[optax.GradientTransformation]:
        rising = [optax.scale_by_schedule(optax.linear_schedule(0.0, 1.0, self.warmup))] if self.warmup else []
        length = max(1, updates - self.warmup)
        schedules = {
            "linear": lambda: optax.linear_schedule(1.0, 0.0, length, self.warmup),
            "cosine": lambda: optax.join_schedules(
                [optax.constant_schedule(1.0), optax.cosine_decay_schedule(1.0, length)], [self.warmup]
            ),
            "step": lambda: lambda count: self.decay_factor ** (count // self.decay_every),
        }
        if self.schedule in schedules:
            return [*rising, optax.scale_by_schedule(schedules[self.schedule]())]
        if self.schedule == "plateau":
            plateau = optax.contrib.reduce_on_plateau(
                factor=self.decay_factor, patience=self.patience, accumulation_size=self.decay_every
            )
            return [*rising, plateau]
        return rising


@dataclass(frozen=True, kw_only=True)
class Anonymous(Optimizer):
    """An optax transformation that was handed in as it is: all of it, clipping and schedule included.

    Nothing can be known of what it does, so that a run with it is never used again.
    """

    clip: Literal["norm", "elementwise", "none"] = "none"
    transformation_: Any = field(default=None, compare=False)

    def transformation(self) -> optax.GradientTransformation:
        """See `Optimizer.transformation`."""
        return self.transformation_


class Optimizers(Registry[Optimizer]):
    """The registry of optimisers: a function from outside that returns an optax transformation is one, too."""

    def _outside(self, name: str) -> type[Optimizer]:
        factory = outside.load(name, self.kind)
        if isinstance(factory, type) and issubclass(factory, Optimizer):
            return super()._outside(name)
        if isinstance(factory, type) or not callable(factory):
            raise UserError(f"{self.kind} {name!r} is neither an optimiser nor a function that makes one")
        try:
            return _of_factory(factory)
        except (TypeError, ValueError) as error:  # no signature, or one that no dataclass can have
            said = " ".join(str(error).split())
            raise UserError(f"{self.kind} {name!r} cannot be used: it must have plain arguments; {said}") from None


def _of_factory(factory: Callable[..., Any]) -> type[Optimizer]:
    """A class whose fields are the arguments of a function that returns an optax transformation."""
    given = get_type_hints(Optimizer, include_extras=True)
    try:
        hints = get_type_hints(factory, include_extras=True)
    except NameError:  # annotations that are there for a type checker alone
        hints = {}
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = {n: p for n, p in inspect.signature(factory).parameters.items() if p.kind not in variadic}
    fields = []
    for name, parameter in parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            fields.append((name, given.get(name) or hints.get(name, Any), field(default=parameter.default)))
        elif name not in given:
            fields.append((name, hints.get(name, Any), field(kw_only=True)))

    def check(self: Any) -> None:
        Optimizer.check(self)
        try:
            made = self.transformation()
        except Exception as error:  # whatever the user's function raises
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"optimizer {factory.__name__} cannot be made: {said}") from None
        if not isinstance(made, optax.GradientTransformation):
            raise UserError(f"optimizer {factory.__name__} returns {type(made).__name__}: it must be an optax one")

    def transformation(self: Any) -> optax.GradientTransformation:
        return factory(**{name: getattr(self, name) for name in parameters})

    cls = dataclasses.make_dataclass(
        factory.__name__,
        fields,
        bases=(Optimizer,),
        namespace={"transformation": transformation, "check": check},
        frozen=True,
    )
    cls.__module__, cls.__qualname__, cls.__doc__ = factory.__module__, factory.__qualname__, factory.__doc__
    return cls


_registry = Optimizers("optimizer", Optimizer, "gru_lab.training.optimizers")
register, names, get, create, name_of, exported = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
    _registry.exported,
)
