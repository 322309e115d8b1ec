"""Translation of sentences: the next word of a translation, given the sentence and the words so far."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch, InMemory, sets
from gru_lab.data.multi30k import SPLITS, multi30k
from gru_lab.data.words import BEGIN, END, PADDING, UNKNOWN, Vocabulary, words_of
from gru_lab.schema import Size
from gru_lab.tasks.task import Task, register

Language = Literal["en", "de", "fr"]


@register("multi30k")
@dataclass(frozen=True, kw_only=True)
class Multi30k(Task):
    """Descriptions of photographs, to be translated; the answer at each step is the next word of the translation.

        reads     two men talk . </s>      and then     <s>    zwei    männer    reden    .
        answers                                         zwei   männer  reden     .        </s>

    The loss is the cross-entropy in nats per word, the end `</s>` being one, over all words of a set; a network sees
    the right words so far. BLEU needs translations of the network's own: `scripts/translate.py RUN --bleu` makes them.

    With `form=pair` inputs are a pair of arrays, the sentence and the translation's words so far, as
    `model=encoder_decoder` reads them. With `form=joined` they are one sequence, the sentence and then the words so
    far, for networks that read one; the words of the two languages have symbols of their own.

    Words are in lower case if `lower`; those that occur `minimum` times in training have symbols of their own, the
    others share one. Training leaves out pairs with a side of more than `longest` words; held-out pairs are all read.
    `reverse` gives the words of the sentence in reverse order (Sutskever et al. 2014, arXiv:1409.3215).
    29,000 / 1,014 / 1,000 pairs, of which the last are the test set of 2016.
    Source: Elliott et al. 2016, Multi30K: multilingual English-German image descriptions, arXiv:1605.00459.

    Attributes:
        source_language: the language that is read.
        target_language: the language that is written.
        form: a pair of sequences, or both joined to one.
        minimum: how often a word must occur in training to have a symbol of its own.
        longest: the words of the longest sentence in training.
        lower: whether words are in lower case.
        reverse: whether the sentence is read backwards.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"

    source_language: Language = "en"
    target_language: Language = "de"
    form: Literal["pair", "joined"] = "pair"
    minimum: Size = 3
    longest: Size = 24
    lower: bool = True
    reverse: bool = False

    def check(self) -> None:
        """The languages must differ."""
        if self.source_language == self.target_language:
            self.refuse("target_language", "it must be another language than task.source_language")

    @property
    def dataset(self) -> sets.DataSet:
        """The set of both languages."""
        return multi30k(self.source_language, self.target_language)

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (sets.prepare(self.dataset),)

    def sentences(self, split: str) -> list[tuple[str, str]]:
        """The pairs of a split as they are written: the sentence and its translation."""
        data = sets.load(self.dataset)[split]
        columns = ([row.tobytes().decode() for row in data[language]] for language in self.languages)
        return list(zip(*columns, strict=True))

    @property
    def languages(self) -> tuple[str, str]:
        """Those of the sentence and of its translation."""
        return self.source_language, self.target_language

    @cached_property
    def vocabularies(self) -> tuple[Vocabulary, Vocabulary]:
        """The words of both languages that have symbols, from the training set."""
        train = _words(*self.files(), self.languages, self.lower)["train"]
        source, target = (Vocabulary.of((pair[side] for pair in train), self.minimum) for side in (0, 1))
        return source, target

    @property
    def inputs(self) -> int:
        """The symbols of a sentence; of both languages where they are read as one sequence."""
        source, target = self.vocabularies
        return len(source) + len(target) if self.form == "joined" else len(source)

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def paired(self) -> bool:
        """See `Task.paired`."""
        return self.form == "pair"

    @property
    def outputs(self) -> int:
        """The symbols of a translation."""
        return len(self.vocabularies[1])

    @property
    def floor(self) -> float:
        """Nats per word of the test set for the frequencies of words in training, whatever was read."""
        answers = {split: np.concatenate(self._encoded(split)[1]) for split in ("train", "test")}
        counts = np.bincount(answers["train"], minlength=self.outputs)
        counts[UNKNOWN:] += 1  # nothing is ever asked that stands behind the end
        return float(-np.log(counts[answers["test"]] / counts.sum()).mean())

    def encode(self, sentence: str) -> np.ndarray:
        """The symbols of a sentence to be translated, with that of its end."""
        return self._symbols(words_of(sentence, self.lower))

    def _symbols(self, words: tuple[str, ...] | list[str]) -> np.ndarray:
        ordered = words[::-1] if self.reverse else words
        return np.append(self.vocabularies[0].encode(ordered), END).astype(np.int32)

    def _encoded(self, split: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The symbols of the sentences of a split and of their translations, each with that of its end."""
        pairs = _words(*self.files(), self.languages, self.lower)[split]
        if split == "train":
            pairs = [pair for pair in pairs if max(map(len, pair)) <= self.longest]
            if not pairs:
                self.refuse("longest", "no training pair is that short")
        target = self.vocabularies[1]
        return (
            [self._symbols(words) for words, _ in pairs],
            [np.append(target.encode(words), END).astype(np.int32) for _, words in pairs],
        )

    def source(self) -> InMemory:
        """The pairs of every split, 16 bits per symbol until they are drawn."""
        offset = len(self.vocabularies[0])

        def batch(split: str) -> Batch:
            sources, targets = self._encoded(split)
            before = [np.full(len(row), PADDING) if self.form == "joined" else row[:0] for row in sources]
            lengths: Any = np.array([
                len(pause) + len(target) if self.form == "joined" else max(len(source), len(target))
                for pause, source, target in zip(before, sources, targets, strict=True)
            ], np.int32)  # fmt: skip
            answers = [np.concatenate(pair) for pair in zip(before, targets, strict=True)]
            return Batch(_padded(sources, lengths), _padded(answers, lengths), lengths)

        def unpack(batch: Batch) -> Batch:
            source_BT, targets_BT = (jnp.asarray(leaf).astype(jnp.int32) for leaf in batch[:2])
            asked_BT = targets_BT != PADDING
            before_BT = jnp.roll(targets_BT, 1, axis=1).at[:, 0].set(PADDING)
            first_BT = asked_BT & (before_BT == PADDING)
            so_far_BT = jnp.where(first_BT, BEGIN, jnp.where(asked_BT, before_BT, PADDING))
            inputs: Any = (source_BT, so_far_BT)
            if self.form == "joined":
                inputs = jnp.where(asked_BT, offset + so_far_BT, source_BT)
            return Batch(inputs, targets_BT, batch.lengths, asked_BT.astype(jnp.result_type(float)))

        return InMemory({split: batch(split) for split in SPLITS}, unpack)


def _padded(rows: list[np.ndarray], lengths: np.ndarray) -> np.ndarray:
    """Rows with `PADDING` behind them, as long as the longest of `lengths`."""
    counts = np.array([len(row) for row in rows])
    return sets.Ragged(np.concatenate(rows), counts).padded(int(lengths.max())).astype(np.uint16)


@lru_cache(maxsize=2)
def _words(path: Path, languages: tuple[str, str], lower: bool) -> dict[str, list[tuple[list[str], list[str]]]]:
    """The words of both sides of every pair; kept, because cutting thirty thousand pairs takes a second."""
    data = sets.load(multi30k(*languages))
    return {
        split: list(zip(*([words_of(row.tobytes().decode(), lower) for row in data[split][language]]
                          for language in languages), strict=True))
        for split in SPLITS
    }  # fmt: skip
