"""Handwritten digits of 8 x 8 pixels, embedded in scikit-learn: real data without a download."""

from typing import NamedTuple

import numpy as np

SIZES = {"train": 1197, "validation": 300, "test": 300}


class Images(NamedTuple):
    """Grey values from 0 to 1, `pixels (images, 64)` row by row, and `labels (images,)` from 0 to 9."""

    pixels: np.ndarray
    labels: np.ndarray


def load() -> dict[str, Images]:
    """The 1,797 images in a fixed split of 1,197 / 300 / 300.

    Source: Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (its
    test set, as distributed with scikit-learn); grey values 0-16 are divided by 16. The split is ours.
    """
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    pixels, labels = np.asarray(images, np.float32) / 16, np.asarray(digits, np.int32)
    order = np.random.RandomState(0).permutation(len(labels))  # a frozen generator: its draws never change
    ends = np.cumsum([0, *SIZES.values()])
    return {
        split: Images(pixels[order[start:end]], labels[order[start:end]])
        for split, start, end in zip(SIZES, ends[:-1], ends[1:], strict=True)
    }
