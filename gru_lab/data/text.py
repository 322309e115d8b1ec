"""Texts: tiny_shakespeare, any file of the user's, and reviews of films."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gru_lab.data.files import File, text_of
from gru_lab.data.sets import Contents, DataSet, Example
from gru_lab.errors import UserError

PARTS = ("train", "validation", "test")


def parts_of(text: str) -> dict[str, str]:
    """The first 90% for training, 5% for validation, 5% for testing, as TFDS cuts tiny_shakespeare.

    >>> {split: len(part) for split, part in parts_of("a" * 101).items()}
    {'train': 90, 'validation': 5, 'test': 6}
    """
    train = int(len(text) * 0.9)
    half = train + int((len(text) - train) * 0.5)
    return {"train": text[:train], "validation": text[train:half], "test": text[half:]}


def read_text(path: Path) -> str:
    """The text of a file of the user's.

    Raises:
        UserError: if it is empty, cannot be read or is not in UTF-8.
    """
    try:
        text = text_of(path.read_bytes(), path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if not text.strip():
        raise UserError(f"{path} is empty: a text has characters")
    return text


def _read_shakespeare(contents: Contents) -> dict[str, Iterator[tuple[Any, Example]]]:
    ((name, data),) = contents.items()
    return {split: iter([(split, {"text": part})]) for split, part in parts_of(text_of(data, Path(name))).items()}


def _text_features() -> Any:
    import tensorflow_datasets as tfds

    return {"text": tfds.features.Text()}


def _bytes(example: Example) -> np.ndarray:
    text = example["text"]
    return np.frombuffer(text if isinstance(text, bytes) else str(text).encode(), np.uint8)


SHAKESPEARE = DataSet(
    name="tiny_shakespeare",
    version="1.0.0",
    folder="tiny_shakespeare",
    files=(
        File(
            "input.txt",
            1115394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        ),
    ),
    features=_text_features,
    read=_read_shakespeare,
    arrays=lambda example: {"text": _bytes(example)},
    splits=PARTS,
)


def _read_reviews(contents: Contents) -> dict[str, Iterator[tuple[Any, Example]]]:
    """The reviews of two files with a JSON object per line, `{"text": ..., "label": 0 or 1}`."""

    def reviews(name: str) -> Iterator[tuple[Any, Example]]:
        for n, line in enumerate(text_of(contents[name], Path(name)).split("\n")):
            if not line.strip():
                continue
            try:
                review = json.loads(line)
                text, label = str(review["text"]), int(review["label"])
            except (ValueError, KeyError, TypeError):
                raise UserError(f"{name}, line {n + 1}: it must hold a text and a label, as JSON") from None
            if label not in (0, 1):
                raise UserError(f"{name}, line {n + 1}: the label is {label}, and it must be 0 or 1")
            yield n, {"text": text, "label": label}

    return {split: reviews(f"{split}.jsonl.gz") for split in ("train", "test")}


def _review_features() -> Any:
    import tensorflow_datasets as tfds

    return {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["neg", "pos"])}


IMDB = DataSet(
    name="imdb_reviews",
    version="1.0.0",
    config="plain_text",
    folder="imdb",
    files=(File("train.jsonl.gz"), File("test.jsonl.gz")),
    features=_review_features,
    read=_read_reviews,
    arrays=lambda example: {"text": _bytes(example), "label": np.int32(example["label"])},  # pyright: ignore
    ours=False,
    host="ai.stanford.edu",
)
