"""Images with labels: MNIST, Fashion-MNIST and CIFAR-10, from their published files."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gru_lab.archives import tar_files
from gru_lab.data.files import File
from gru_lab.data.sets import Contents, DataSet, Example
from gru_lab.errors import UserError

ROW = 1 + 3 * 32 * 32  # bytes of an image of CIFAR: its class, and colour by colour 32 rows of 32


def _idx(data: bytes, name: str) -> np.ndarray:
    """The array of a file in IDX format: two zeros, the type 8, the number of axes, their sizes, the bytes."""
    axes = data[3] if len(data) >= 4 else 0
    begin = 4 + 4 * axes
    if data[:3] != b"\0\0\x08" or axes not in (1, 3) or len(data) < begin:
        raise UserError(f"{name} is not a file of images or labels in IDX format")
    shape = np.frombuffer(data[4:begin], ">u4").astype(int)
    if len(data) != begin + np.prod(shape):
        raise UserError(f"{name} has {len(data):,} bytes where its header promises {begin + np.prod(shape):,}")
    return np.frombuffer(data, np.uint8, offset=begin).reshape(shape)


def _read_mnist(contents: Contents) -> dict[str, Iterator[tuple[Any, Example]]]:
    return {split: _pairs(contents, prefix) for split, prefix in (("train", "train"), ("test", "t10k"))}


def _pairs(contents: Contents, prefix: str) -> Iterator[tuple[Any, Example]]:
    names = f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"
    images, labels = (_idx(contents[name], name) for name in names)
    if len(images) != len(labels):
        raise UserError(f"{names[0]} holds {len(images):,} images and {names[1]} {len(labels):,} labels")
    yield from _encoded(images, labels)


def _encoded(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, Example]]:
    """Examples for TFDS, which encodes an image of Pillow's without TensorFlow, but not an array."""
    from PIL import Image

    for n, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield n, {"image": Image.fromarray(image), "label": int(label)}


def _read_cifar(contents: Contents) -> dict[str, Iterator[tuple[Any, Example]]]:
    ((name, data),) = contents.items()
    parts: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    for path, file in sorted(tar_files(data, name, lambda path: path.endswith(".bin"))):
        if len(file) % ROW:
            raise UserError(f"{name} is damaged: {path} has {len(file):,} bytes, which are not rows of {ROW:,}")
        parts["test" if "test" in path else "train"].append(np.frombuffer(file, np.uint8).reshape(-1, ROW))
    missing = [split for split, rows in parts.items() if not rows]
    if missing:
        raise UserError(f"{name} lacks the files of the split {missing[0]}")

    def examples(rows: list[np.ndarray]) -> Iterator[tuple[Any, Example]]:
        whole = np.concatenate(rows)
        images = whole[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # the file has colour by colour
        return _encoded(np.ascontiguousarray(images), whole[:, 0])

    return {split: examples(rows) for split, rows in parts.items()}


def _features(*shape: int) -> Any:
    import tensorflow_datasets as tfds

    return {"image": tfds.features.Image(shape=shape), "label": tfds.features.ClassLabel(num_classes=10)}


def _arrays(example: Example) -> dict[str, np.ndarray]:
    image = np.asarray(example["image"], np.uint8)
    return {"image": image, "label": np.int32(example["label"])}  # pyright: ignore[reportReturnType]


def _idx_files(address: str, digests: dict[str, tuple[int, str | None]]) -> tuple[File, ...]:
    return tuple(File(name, size, sha256, address + name) for name, (size, sha256) in digests.items())


MNIST = DataSet(
    name="mnist",
    version="3.0.1",
    folder="mnist",
    files=_idx_files(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        {
            "train-images-idx3-ubyte.gz": (
                47040016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            "train-labels-idx1-ubyte.gz": (60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            "t10k-images-idx3-ubyte.gz": (7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            "t10k-labels-idx1-ubyte.gz": (10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        },
    ),
    features=lambda: _features(28, 28, 1),
    read=_read_mnist,
    arrays=_arrays,
)

FASHION_MNIST = DataSet(
    name="fashion_mnist",
    version="3.0.1",
    folder="fashion_mnist",
    files=_idx_files(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": (47040016, None),
            "train-labels-idx1-ubyte.gz": (60008, None),
            "t10k-images-idx3-ubyte.gz": (7840016, None),
            "t10k-labels-idx1-ubyte.gz": (10008, None),
        },
    ),
    features=lambda: _features(28, 28, 1),
    read=_read_mnist,
    arrays=_arrays,
)

CIFAR10 = DataSet(
    name="cifar10",
    version="3.0.2",
    folder="cifar10",
    files=(
        File(
            "cifar-10-binary.tar.gz",
            170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        ),
    ),
    features=lambda: _features(32, 32, 3),
    read=_read_cifar,
    arrays=_arrays,
)
