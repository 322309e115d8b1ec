"""Handwritten digits, read pixel by pixel."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.data import digits
from gru_lab.tasks.task import Batch, Split, Task, register
from gru_lab.typing import Key


@register("digits")
@dataclass(frozen=True)
class Digits(Task):
    """64 grey values of an 8 x 8 image, one a step, row by row; the answer is the digit.

        0.0 0.0 0.3 0.8 0.6 0.1 ... 0.0 0.0    class 0

    `permuted` shuffles the pixels by one fixed permutation, which takes the neighbourhoods away (Le 2015 on MNIST).
    Inputs (64, 1). The best answer without memory sees only the last pixel, which is dark in nearly all images: it
    names the commonest digit, right for about one in ten. Solved: 95% right. Training batches are drawn with
    replacement; `holdout` gives a whole split.
    Source of the images: scikit-learn's `load_digits`; the protocol follows Le et al. 2015, arXiv:1504.00941.
    """

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
    def threshold(self) -> float:
        """95% right."""
        return 0.95

    def load(self) -> Any:
        """The images of every split."""
        data = digits.load()
        if self.permuted:
            order = np.random.RandomState(1).permutation(64)
            data = {split: images._replace(pixels=images.pixels[:, order]) for split, images in data.items()}
        return jax.tree.map(jnp.asarray, data)

    def sample(self, key: Key, batch: int, data: Any = ()) -> Batch:
        """Training images, drawn with replacement."""
        pixels, labels = data["train"]
        chosen_B = jax.random.randint(key, (batch,), 0, len(labels))
        return Batch(pixels[chosen_B][..., None], labels[chosen_B])

    def holdout(self, split: Split, size: int, data: Any = ()) -> Batch:
        """All images of a split, whatever `size` says: the data are few."""
        pixels, labels = data[split]
        return Batch(pixels[..., None], labels)
