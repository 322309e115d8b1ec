"""Images read as sequences: MNIST in order or permuted, Fashion-MNIST and CIFAR-10."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch, InMemory, images, sets
from gru_lab.schema import Count
from gru_lab.tasks.task import Task, register

VALIDATION = 12  # one in so many training images is held out


@dataclass(frozen=True, kw_only=True)
class SequentialImages(Task):
    """Grey values or colours of an image, from 0 to 1; the answer after the last step is the class.

    `steps` are `pixels`, row by row from the top left, or whole `rows`. One in twelve training images, chosen by their
    content, is the validation set; the test set is the published one. Training batches are drawn with replacement.

    Attributes:
        steps: a step is a pixel, or a row of pixels.
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    dataset: ClassVar[sets.DataSet]
    shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)

    steps: Literal["pixels", "rows"] = "pixels"

    @property
    def inputs(self) -> int:
        """The numbers of a pixel, or of a row."""
        return self.shape[2] * (self.shape[1] if self.steps == "rows" else 1)

    @property
    def outputs(self) -> int:
        """Ten classes."""
        return 10

    @property
    def floor(self) -> float:
        """The share of the test set that the commonest class of the training set has."""
        data = sets.load(self.dataset)
        return float(np.mean(data["test"]["label"] == np.bincount(data["train"]["label"]).argmax()))

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (sets.prepare(self.dataset),)

    def order(self) -> np.ndarray | None:
        """The place in the image of the pixel read at each step; None for the natural order."""
        return None

    def source(self) -> InMemory:
        """The images of every split; bytes until they are drawn."""
        data, order = sets.load(self.dataset), self.order()
        held_out = len(data["train"]["label"]) // VALIDATION
        parts = {
            "train": (data["train"], slice(held_out, None)),
            "validation": (data["train"], slice(held_out)),
            "test": (data["test"], slice(None)),
        }

        def batch(columns: sets.Columns, part: slice) -> Batch:
            pixels = columns["image"].stacked[part].reshape(-1, self.shape[0] * self.shape[1], self.shape[2])
            pixels = pixels if order is None else pixels[:, order]
            return Batch(
                pixels.reshape(len(pixels), -1, self.inputs), columns["label"][part], lengths=None, weights=None
            )

        def unpack(batch: Batch) -> Batch:
            return batch._replace(inputs=jnp.asarray(batch.inputs).astype(jnp.float32) / 255)

        return InMemory({split: batch(*part) for split, part in parts.items()}, unpack)


@register("seq_mnist")
@dataclass(frozen=True, kw_only=True)
class SeqMnist(SequentialImages):
    """A handwritten digit, pixel by pixel (784 steps) or row by row (28 steps of 28 grey values).

        steps=pixels   0.00 0.00 0.00 ... 0.33 0.99 ... 0.00   784 steps    class 7

    The best answer without memory sees the last pixel or row, which is dark in nearly all images: it names the
    commonest digit, right for 11.35% of the test set. Solved: 98% right.
    Source: LeCun et al. 1998, Proceedings of the IEEE 86(11), for the images; Le et al. 2015, arXiv:1504.00941, section
    4.2, for reading them pixel by pixel.
    """

    dataset: ClassVar = images.MNIST

    @property
    def threshold(self) -> float:
        """98% right."""
        return 0.98


@register("permuted_mnist")
@dataclass(frozen=True, kw_only=True)
class PermutedMnist(SeqMnist):
    """The pixels of a handwritten digit in one fixed random order, which takes their neighbourhoods away.

    The order is that of `permutation` for every image, split and member. Solved: 98% right.
    Source: Le et al. 2015, arXiv:1504.00941, section 4.2.

    Attributes:
        permutation: the seed of the order of the pixels.
    """

    permutation: Count = 0

    def order(self) -> np.ndarray:
        """See `SequentialImages.order`."""
        return np.random.RandomState(self.permutation).permutation(28 * 28)  # a frozen generator


@register("seq_fashion")
@dataclass(frozen=True, kw_only=True)
class SeqFashion(SequentialImages):
    """A grey picture of a piece of clothing, read as `seq_mnist`; each class is a tenth of the images.

    Only generated files of this format have been read in tests, not the published ones.
    Source: Xiao et al. 2017, arXiv:1708.07747.
    """

    dataset: ClassVar = images.FASHION_MNIST


@register("seq_cifar10")
@dataclass(frozen=True, kw_only=True)
class SeqCifar10(SequentialImages):
    """A photograph of 32 x 32 pixels, each a step of three colours (1,024 steps), or row by row (32 steps of 96).

    Each of the ten classes is a tenth of the images. Only generated files of this format have been read in tests, not
    the published ones.
    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images, for the images; Trinh et al. 2018,
    arXiv:1803.00144, for reading them pixel by pixel.
    """

    dataset: ClassVar = images.CIFAR10
    shape: ClassVar = (32, 32, 3)
