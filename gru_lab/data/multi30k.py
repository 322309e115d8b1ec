"""Multi30k: descriptions of photographs in English with their translations, which the user brings."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gru_lab.data.files import File, text_of
from gru_lab.data.sets import Contents, DataSet, Example
from gru_lab.errors import UserError

LANGUAGES = ("en", "de", "fr")
SPLITS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
COMMIT = "c9be912dc05a3ebf9ae5bb5f7f58c1791cda43ab"
URL = f"https://raw.githubusercontent.com/multi30k/dataset/{COMMIT}/data/task1/raw"
CONTENTS = {  # bytes and SHA-256 of the unpacked files
    "train.en.gz": (1801238, "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6"),
    "train.de.gz": (2110398, "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72"),
    "train.fr.gz": (2111303, "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d"),
    "val.en.gz": (63297, "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227"),
    "val.de.gz": (75981, "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660"),
    "val.fr.gz": (73924, "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc"),
    "test_2016_flickr.en.gz": (62076, "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"),
    "test_2016_flickr.de.gz": (70649, "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"),
    "test_2016_flickr.fr.gz": (72261, "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6"),
}


def sentences(data: bytes, name: str) -> list[str]:
    """The sentences of a file, one per line.

    Raises:
        UserError: if it is not in UTF-8, has no line, or has an empty one.
    """
    lines = text_of(data, Path(name)).removesuffix("\n").split("\n")
    empty = next((n for n, line in enumerate(lines, 1) if not line.strip()), None)
    if empty is not None:
        raise UserError(f"{name}, line {empty} is empty: every line must hold a sentence")
    return lines


@cache
def multi30k(first: str, second: str) -> DataSet:
    """The set of sentence pairs in two languages, columns `first` and `second` of their UTF-8 bytes.

    Whoever brings the files brings those of these two languages: `train`, `val` and `test_2016_flickr`.
    """
    pair = tuple(sorted((first, second)))

    def pairs(contents: Contents, prefix: str) -> Iterator[tuple[Any, Example]]:
        names = [f"{prefix}.{language}.gz" for language in pair]
        left, right = (sentences(contents[name], name) for name in names)
        if len(left) != len(right):
            raise UserError(
                f"{names[0]} has {len(left):,} lines and {names[1]} {len(right):,}: line by line they must translate "
                "each other"
            )
        for n, both in enumerate(zip(left, right, strict=True)):
            yield n, dict(zip(pair, both, strict=True))

    def features() -> Any:
        import tensorflow_datasets as tfds

        return {language: tfds.features.Text() for language in pair}

    def arrays(example: Example) -> dict[str, np.ndarray]:
        return {language: np.frombuffer(_bytes(example[language]), np.uint8) for language in pair}

    names = [f"{prefix}.{language}.gz" for prefix in SPLITS.values() for language in pair]
    return DataSet(
        name=f"multi30k_{pair[0]}_{pair[1]}",
        version="1.0.0",
        folder="multi30k",
        files=tuple(File(name, *CONTENTS[name], url=f"{URL}/{name}") for name in names),
        features=features,
        read=lambda contents: {split: pairs(contents, prefix) for split, prefix in SPLITS.items()},
        arrays=arrays,
        splits=tuple(SPLITS),
    )


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()
