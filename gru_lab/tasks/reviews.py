"""Sentiment: whether a review of a film is good or bad."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch, InMemory, sets, text
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import Task, register

VALIDATION = 10  # one in so many training reviews is held out
UNKNOWN = 1  # the symbol of words that are not in the vocabulary; 0 stands behind the end
WORD = re.compile(rb"[a-z0-9']+|[!?]")


@register("imdb_reviews")
@dataclass(frozen=True, kw_only=True)
class ImdbReviews(Task):
    """A review, a word or a byte per step; the answer at the end is whether it is a good one (1) or a bad one (0).

        i loved every minute of it        class 1

    Words are in lower case; the `vocabulary` commonest of the training set have symbols of their own. The last
    `longest` words or bytes of a review are read. One in ten training reviews, chosen by their content, is the
    validation set; the test set is the published one. Half of the reviews are good. Solved: 85% right.
    Source: Maas et al. 2011, Learning word vectors for sentiment analysis, ACL.

    Attributes:
        unit: a step is a word or a byte.
        longest: how many of the last ones are read.
        vocabulary: the number of words with a symbol of their own.
    """

    revision: ClassVar = 2
    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"

    unit: Literal["words", "bytes"] = "words"
    longest: Size = 256
    vocabulary: Annotated[int, Range(1, 65000)] = 10_000

    @property
    def inputs(self) -> int:
        """The words of the vocabulary, what is not in it, and the end; or bytes."""
        return self.vocabulary + 2 if self.unit == "words" else 256

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """Bad and good."""
        return 2

    @property
    def floor(self) -> float:
        """The share of the test set that the commoner class of the training set has."""
        data = sets.load(text.IMDB)
        return float(np.mean(data["test"]["label"] == np.bincount(data["train"]["label"]).argmax()))

    @property
    def threshold(self) -> float:
        """85% right."""
        return 0.85

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (sets.prepare(text.IMDB),)

    def _symbols(self, review: list[bytes], places: dict[bytes, int]) -> np.ndarray:
        """The symbols of the last words of a review."""
        return np.array([places.get(word, UNKNOWN) for word in review[-self.longest :]] or [UNKNOWN], np.uint16)

    def source(self) -> InMemory:
        """The reviews of every split."""
        data = sets.load(text.IMDB)
        held_out = len(data["train"]["label"]) // VALIDATION
        if self.unit == "words":
            words = _words(*self.files())
            common = Counter(word for review in words["train"][held_out:] for word in review).most_common()
            ordered = sorted(common, key=lambda pair: (-pair[1], pair[0]))[: self.vocabulary]
            places = {word: n + 2 for n, (word, _) in enumerate(ordered)}
            kept = {split: [self._symbols(review, places) for review in reviews] for split, reviews in words.items()}
        else:
            kept = {split: [review[-self.longest :] for review in data[split]["text"]] for split in ("train", "test")}

        def batch(split: str, part: slice) -> Batch:
            rows = kept[split][part]
            lengths: Any = np.array([len(row) for row in rows], np.int32)
            return Batch(sets.Ragged(np.concatenate(rows), lengths).padded(), data[split]["label"][part], lengths)

        def unpack(batch: Batch) -> Batch:
            return batch._replace(inputs=jnp.asarray(batch.inputs).astype(jnp.int32))

        splits = {
            "train": batch("train", slice(held_out, None)),
            "validation": batch("train", slice(held_out)),
            "test": batch("test", slice(None)),
        }
        return InMemory(splits, unpack)


@lru_cache(maxsize=1)
def _words(path: Path) -> dict[str, list[list[bytes]]]:
    """The words of every review; kept, because cutting fifty thousand of them takes seconds."""
    data = sets.load(text.IMDB)
    return {
        split: [WORD.findall(review.tobytes().lower().replace(b"<br />", b" ")) for review in data[split]["text"]]
        for split in ("train", "test")
    }
