"""The contract of a task: what is asked of a network, and what an answer without memory would be worth."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gru_lab.schema import Registry, Schema
from gru_lab.typing import Array, Key

Split = Literal["train", "validation", "test"]


class Batch(NamedTuple):
    """Sequences and what is asked about them.

    `inputs` are vectors (batch, time, inputs), or symbols (batch, time) as whole numbers. `targets` are classes
    (whole numbers) or real vectors, one a sequence or one a step. `lengths` (batch,) is None where all sequences
    fill the time axis.
    """

    inputs: Array
    targets: Array
    lengths: Array | None = None


@dataclass(frozen=True)
class Task(Schema):
    """A problem on sequences: a frozen dataclass whose fields are its settings.

    Tasks that are sampled write `sample`; tasks on data write `load` and `sample`, and `holdout` to give the whole
    of a split. `metric` is what tables report, `better` its direction.
    """

    group: ClassVar[str] = "task"
    metric: ClassVar[str] = "loss"
    better: ClassVar[Literal["lower", "higher"]] = "lower"
    readout: ClassVar[Literal["last", "every"]] = "last"

    @property
    def inputs(self) -> int:
        """The size of an input vector, or the number of symbols."""
        raise NotImplementedError

    @property
    def symbols(self) -> bool:
        """Whether inputs are symbols, coded as whole numbers below `inputs`."""
        return False

    @property
    def outputs(self) -> int:
        """The size of the network's output: classes, or real numbers."""
        raise NotImplementedError

    @property
    def floor(self) -> float:
        """The value of `metric` for the best answer that remembers nothing."""
        raise NotImplementedError

    @property
    def threshold(self) -> float:
        """The value of `metric` from which the task counts as solved."""
        raise NotImplementedError

    def load(self) -> Any:
        """The data, as a pytree of arrays kept in memory; nothing for a sampled task."""
        return ()

    def sample(self, key: Key, batch: int, data: Any = ()) -> Batch:
        """A training batch; jittable."""
        raise NotImplementedError

    def holdout(self, split: Split, size: int, data: Any = ()) -> Batch:
        """The fixed validation or test set: `size` sequences that depend on the split's name alone."""
        keys = {"train": 2**31 - 1, "validation": 2**31 - 2, "test": 2**31 - 3}  # no seed of a run reaches these
        return self.sample(jax.random.key(keys[split]), size, data)

    def loss(self, outputs: Array, batch: Batch) -> Array:
        """The training loss: cross-entropy in nats for classes, mean squared error for real targets."""
        if jnp.issubdtype(batch.targets.dtype, jnp.integer):
            return optax.softmax_cross_entropy_with_integer_labels(outputs, batch.targets).mean()
        return jnp.mean((outputs - batch.targets) ** 2)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """What is measured on validation and test sets; `accuracy` is the share of right classes."""
        result = {"loss": self.loss(outputs, batch)}
        if jnp.issubdtype(batch.targets.dtype, jnp.integer):
            result["accuracy"] = jnp.mean(jnp.argmax(outputs, -1) == batch.targets)
        return result

    def solved(self, value: Array | float) -> Any:
        """Whether a value of `metric` counts as solved."""
        return value <= self.threshold if self.better == "lower" else value >= self.threshold


_registry = Registry("task", Task, "gru_lab.tasks")
register, names, get, create, name_of = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
)
