"""The contract of a task: what is asked of a network, and the scores of the best answers without and with memory."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import optax

from gru_lab.data import Batch, Sampled, Source, Sum, Sums, whole_weights
from gru_lab.schema import Registry, Schema, UserError, listed
from gru_lab.typing import Array, Key

ANSWERS = ("class", "real", "labels")
LADDER = (10, 20, 40, 80, 160, 320)


@dataclass(frozen=True, kw_only=True)
class Task(Schema):
    """A problem on sequences: a frozen dataclass whose fields are its settings.

    A subclass says `answer`, `inputs` and `outputs`. A sampled one writes `sample`, one on data `source`, and `files`
    where the data are the user's. `metric` is what tables report, `better` its direction.

    `answer` is what is asked, and so the loss:

        class     one of `outputs` classes             softmax cross-entropy, nats
        real      a vector of `outputs` numbers        squared error, the mean over the vector
        labels    `outputs` labels, each on or off     sigmoid cross-entropy summed over the labels, nats

    A task whose metric is not a sum over answers is `scored`: `predictions` says what is kept of the network's outputs,
    `score` judges those of a whole set on the host.

    A task that asks for its training set again, as one of memory capacity, is learned `by_heart`.

    A task whose sequences can be made longer has a field `length`, and in `ladder` its values from easy to hard.
    """

    group: ClassVar[str] = "task"
    metric: ClassVar[str] = "loss"
    better: ClassVar[Literal["lower", "higher"]] = "lower"
    readout: ClassVar[Literal["last", "every"]] = "last"
    answer: ClassVar[Literal["class", "real", "labels"]]
    scored: ClassVar[bool] = False
    by_heart: ClassVar[bool] = False
    ladder: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        """Check the fields, and that the class says all that a task must."""
        cls = type(self)
        for name in ("inputs", "outputs"):
            self._must(getattr(cls, name) is not getattr(Task, name), name, "it must say how many there are")
        self._must(getattr(cls, "answer", None) in ANSWERS, "answer", f"it must be {listed(map(repr, ANSWERS))}")
        drawn = cls.sample is not Task.sample or cls.source is not Task.source
        self._must(drawn, "sample", "a task must write sample(key, batch), or source() if it is on data")
        self._must(not cls.scored or cls.score is not Task.score, "score", "a scored task must write it")
        super().__post_init__()

    def _must(self, fulfilled: bool, name: str, why: str) -> None:
        if not fulfilled:
            raise UserError(f"task {type(self).__name__} lacks `{name}`: {why}")

    @property
    def inputs(self) -> int:
        """The size of an input vector, or the number of symbols."""
        raise NotImplementedError

    @property
    def symbols(self) -> bool:
        """True if inputs are symbols, coded as whole numbers below `inputs`."""
        return False

    @property
    def paired(self) -> bool:
        """True if inputs are a pair of symbols, of what is read first and of the answers so far.

        The former are below `inputs`, 0 behind their end; the latter below `outputs`.
        """
        return False

    @property
    def outputs(self) -> int:
        """The size of the network's output: classes, numbers or labels."""
        raise NotImplementedError

    @property
    def floor(self) -> float | None:
        """The value of `metric` for the best answer that knows the step and the input of now; None if it is not known.

        What has passed is forgotten, but for the place in the sequence: a question is told from a pause.
        """
        return None

    @property
    def ceiling(self) -> float | None:
        """The value of `metric` for the best answer that forgets nothing; None if it is not known."""
        return None

    @property
    def distinct(self) -> float:
        """About how many input sequences `sample` draws from, equally likely; infinity where they hold reals."""
        return math.inf

    @property
    def threshold(self) -> float | None:
        """The value of `metric` from which the task counts as solved; None if nothing does."""
        return None

    def longer(self, factor: int) -> "Task":
        """The same task with sequences that are longer by a factor, for the same network.

        Raises:
            UserError: if the task has no length.
        """
        if not self.ladder:
            raise UserError(f"task {type(self).__name__} has no length, so that it cannot be made longer")
        length: int = self.length  # pyright: ignore[reportAttributeAccessIssue]
        return dataclasses.replace(self, length=factor * length)

    def repeated(self, drawn: int) -> float:
        """The expected share of fresh sequences that are among so many drawn before.

        >>> from gru_lab import tasks
        >>> tasks.create("copy", items=4, alphabet=4).repeated(256)  # 256 sequences in all: 1 - (255 / 256) ** 256
        0.632...
        """
        return -math.expm1(drawn * math.log1p(-1 / self.distinct)) if self.distinct > 1 else 1.0

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences, of a sampled task; jittable."""
        raise NotImplementedError

    def source(self) -> Source:
        """The source of batches: `sample`, unless a task on data says otherwise."""
        return Sampled(self.sample)

    @property
    def time_steps(self) -> int:
        """The number of steps of a sequence, padding included; of data as in the validation set."""
        source = self.source()
        some = jax.eval_shape(lambda: source.holdout("validation", 1)) if isinstance(source, Sampled) else None
        return jax.tree.leaves((some or source.holdout("validation", 1)).inputs)[0].shape[1]

    def files(self) -> tuple[Path, ...]:
        """Every file that the task reads; a run's identity has their content in it."""
        return ()

    def weights(self, batch: Batch) -> Array:
        """The weights of all answers, written out: 0 on what does not count, padding included."""
        return whole_weights(batch, per_step=self.readout == "every")

    def losses(self, outputs: Array, targets: Array) -> Array:
        """The loss of every answer, (...) for outputs (..., outputs)."""
        if self.answer == "class":
            if not jnp.issubdtype(targets.dtype, jnp.integer):
                self._unfit("targets", f"of dtype {targets.dtype}: classes must be whole numbers")
            return optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
        if outputs.shape != targets.shape:
            self._unfit("targets", f"of shape {targets.shape}: they must have that of the outputs, {outputs.shape}")
        if self.answer == "real":
            return jnp.mean((outputs - targets) ** 2, axis=-1)
        return optax.sigmoid_binary_cross_entropy(outputs, targets.astype(outputs.dtype)).sum(axis=-1)

    def _unfit(self, what: str, why: str) -> None:
        raise UserError(f"task {type(self).__name__} has {what} {why}")

    def loss(self, outputs: Array, batch: Batch) -> Sum:
        """The loss over all that counts; training minimises its mean."""
        return self._counted(self.losses(outputs, batch.targets), batch)

    def measure(self, outputs: Array, batch: Batch) -> Sums:
        """The sums that are measured on validation and test sets; `accuracy` is the share of right classes."""
        sums = {"loss": self.loss(outputs, batch)}
        if self.answer == "class":
            right = jnp.argmax(outputs, axis=-1) == batch.targets
            sums["accuracy"] = self._counted(right.astype(outputs.dtype), batch)
        return sums

    def _counted(self, values: Array, batch: Batch) -> Sum:
        """One value per answer, summed over those that count; values elsewhere, NaN included, count nothing."""
        weights = self.weights(batch).astype(values.dtype)
        if values.shape != weights.shape:
            self._unfit("answers", f"of shape {values.shape}: with this batch they must be of shape {weights.shape}")
        return Sum(jnp.sum(jnp.where(weights == 0, 0, values * weights)), jnp.sum(weights))

    def predictions(self, outputs: Array, batch: Batch) -> Any:
        """The part of the network's outputs that `score` needs; leaves (batch, ...)."""
        if self.answer == "class":
            return jnp.argmax(outputs, axis=-1)
        return outputs > 0 if self.answer == "labels" else outputs

    def score(self, predictions: Any, batch: Batch) -> dict[str, float]:
        """Metrics that are not sums, of the predictions for a whole set; on the host, in NumPy."""
        raise NotImplementedError

    def solved(self, value: Any) -> Any:
        """True, as an array, where a value of `metric` counts as solved."""
        if self.threshold is None:
            return jnp.zeros(jnp.shape(value), bool)
        return jnp.asarray(value <= self.threshold if self.better == "lower" else value >= self.threshold)


_registry = Registry("task", Task, "gru_lab.tasks")
register, names, get, create, name_of, exported = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
    _registry.exported,
)
