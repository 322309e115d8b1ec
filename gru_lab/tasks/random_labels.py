"""Random labels: how many bits a network can store in its parameters."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gru_lab.data import Batch, InMemory
from gru_lab.schema import Size
from gru_lab.tasks.task import Task, register


@register("random_labels")
@dataclass(frozen=True, kw_only=True)
class RandomLabels(Task):
    """A fixed set of random sequences, each with a random label, which can only be learned by heart.

        + - - +    - + + -    + + - -    class 1

    `sequences` rows of `steps` vectors of `width` signs, drawn once by `draw`, the same for all members. Validation and
    test set are the training set: nothing else can be known. With accuracy p a network has stored 1 + p log2(p) +
    (1 - p) log2(1 - p) bits per sequence (the mutual information of labels and answers); divided by its parameters they
    are its capacity. The best answer without memory knows the last vector alone. Nothing counts as solved: more
    sequences can always be asked for.
    Source: Collins, Sohl-Dickstein & Sussillo 2017, Capacity and Trainability in Recurrent Neural Networks,
    arXiv:1611.09913, section 2.1.

    >>> task = RandomLabels(sequences=4, steps=2, width=3)
    >>> batch = task.source().holdout("test", 4)
    >>> batch.inputs[0].tolist(), batch.targets.tolist()
    ([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]], [0, 1, 1, 0])
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    by_heart: ClassVar = True

    sequences: Size = 1000
    steps: Size = 5
    width: Size = 8
    draw: int = 0

    def check(self) -> None:
        """A set is drawn by a whole number, from 0 on."""
        if self.draw < 0:
            self.refuse("draw", "it must be at least 0")

    @property
    def inputs(self) -> int:
        """Signs."""
        return self.width

    @property
    def outputs(self) -> int:
        """Two classes."""
        return 2

    @property
    def floor(self) -> float:
        """The accuracy of the commonest label of each last vector."""
        batch = self._set()
        counts = np.zeros((self.sequences, 2))
        np.add.at(counts, (np.unique(batch.inputs[:, -1], axis=0, return_inverse=True)[1].ravel(), batch.targets), 1)
        return float(counts.max(axis=1).sum() / self.sequences)

    @property
    def ceiling(self) -> float:
        """All right."""
        return 1.0

    def source(self) -> InMemory:
        """The same sequences in every split."""
        return InMemory(dict.fromkeys(("train", "validation", "test"), self._set()))

    def _set(self) -> Batch:
        random = np.random.default_rng(self.draw)
        signs = random.choice(np.array([-1, 1], np.float32), (self.sequences, self.steps, self.width))
        return Batch(signs, random.integers(0, 2, self.sequences, dtype=np.int32))
