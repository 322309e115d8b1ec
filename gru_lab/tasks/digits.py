"""Handwritten digits, read pixel by pixel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gru_lab.data import Batch, InMemory, digits
from gru_lab.tasks.task import Task, register


@register("digits")
@dataclass(frozen=True, kw_only=True)
class Digits(Task):
    """64 grey values of an 8 x 8 image, one per step, row by row; the answer is the digit.

        0.0 0.0 0.3 0.8 0.6 0.1 ... 0.0 0.0    class 0

    `permuted` shuffles the pixels by one fixed permutation, which takes the neighbourhoods away (Le 2015 on MNIST).
    Inputs (64, 1). The best answer without memory sees only the last pixel, which is dark in nearly all images: it
    names the commonest digit, right for about one in ten. Solved: 95% right. Training batches are drawn with
    replacement.
    Source of the images: scikit-learn's `load_digits`; the protocol follows Le et al. 2015, arXiv:1504.00941.

    Attributes:
        permuted: whether one fixed permutation shuffles the pixels.
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"

    permuted: bool = False

    @property
    def inputs(self) -> int:
        """One grey value."""
        return 1

    @property
    def outputs(self) -> int:
        """Ten digits."""
        return 10

    @property
    def floor(self) -> float:
        """The share of the test set that the commonest digit of the training set has."""
        data = digits.load()
        commonest = np.bincount(data["train"].labels).argmax()
        return float(np.mean(data["test"].labels == commonest))

    @property
    def ceiling(self) -> float:
        """All right."""
        return 1.0

    @property
    def threshold(self) -> float:
        """95% right."""
        return 0.95

    def source(self) -> InMemory:
        """The images of every split."""
        order = np.random.RandomState(1).permutation(64) if self.permuted else np.arange(64)
        return InMemory(
            {split: Batch(pixels[:, order, None], labels) for split, (pixels, labels) in digits.load().items()}
        )
