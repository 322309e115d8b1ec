"""Character models: the next character, on tiny_shakespeare and on any text of the user's."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from gru_lab.data import Batch, Sum, Sums, files, sets, text
from gru_lab.data.windows import Windows
from gru_lab.errors import UserError
from gru_lab.schema import Range
from gru_lab.tasks.task import Task, register
from gru_lab.typing import Array


@dataclass(frozen=True, kw_only=True)
class Characters(Task):
    """A text, a character per step; the answer at each step is the next character.

        step     1  2  3  4
        reads    h  e  l  l        answer after step 4: o

    The metric is bits per character: the mean cross-entropy to the base 2. Training draws windows of `length`
    characters from anywhere in the training part. Held-out parts are read in windows that overlap by half: every
    character counts once, and all but the first window's are answered after at least half a window. The alphabet is
    that of the whole text.

    Attributes:
        length: the characters of a sequence in training.
    """

    answer: ClassVar = "class"
    readout: ClassVar = "every"
    metric: ClassVar = "bits_per_character"

    length: Annotated[int, Range(2)] = 128

    def texts(self) -> Mapping[str, str]:
        """The text of each split."""
        raise NotImplementedError

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The characters of the text, sorted; a symbol is a place among them."""
        return tuple(sorted(set().union(*self.texts().values())))

    def encode(self, characters: str) -> np.ndarray:
        """The symbols of a text.

        Raises:
            UserError: for a character that the vocabulary lacks.
        """
        places = {character: n for n, character in enumerate(self.vocabulary)}
        unknown = sorted(set(characters) - set(places))
        if unknown:
            shown = ", ".join(map(repr, unknown[:5]))
            raise UserError(f"the text has {shown}, which the vocabulary of {len(places)} characters lacks")
        return np.array([places[character] for character in characters], np.int32)

    @property
    def inputs(self) -> int:
        """One symbol per character."""
        return len(self.vocabulary)

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """One class per character."""
        return len(self.vocabulary)

    @property
    def marginal(self) -> float:
        """Bits per character of the test part for the frequencies of characters in training."""
        counts = np.ones(self.inputs) + np.bincount(self._encoded["train"], minlength=self.inputs)
        return float(-np.log2(counts / counts.sum())[self._encoded["test"][1:]].mean())

    @property
    def floor(self) -> float:
        """Bits per character of the test part for the frequencies of pairs of characters in training."""
        pairs = np.ones((self.inputs, self.inputs))
        train, test = self._encoded["train"], self._encoded["test"]
        np.add.at(pairs, (train[:-1], train[1:]), 1)
        return float(-np.log2(pairs / pairs.sum(axis=1, keepdims=True))[test[:-1], test[1:]].mean())

    @cached_property
    def _encoded(self) -> dict[str, np.ndarray]:
        return {split: self.encode(part) for split, part in self.texts().items()}

    def measure(self, outputs: Array, batch: Batch) -> Sums:
        """See `Task.measure`; and bits per character."""
        sums = super().measure(outputs, batch)
        loss = sums["loss"]
        return sums | {self.metric: Sum(loss.total / math.log(2), loss.count)}

    def source(self) -> Windows:
        """The windows of every split."""
        for split, symbols in self._encoded.items():
            if len(symbols) <= self.length:
                self.refuse("length", f"the {split} part of the text has {len(symbols):,} characters, and needs more")

        def unpack(symbols: Array | np.ndarray) -> Batch:
            return Batch(symbols[:, :-1], symbols[:, 1:])

        return Windows(self._encoded, self.length + 1, unpack, stride=(self.length + 1) // 2, per_step=True)


@register("tiny_shakespeare")
@dataclass(frozen=True, kw_only=True)
class TinyShakespeare(Characters):
    """1,115,394 characters of Shakespeare's plays, 65 different ones; 90% for training, 5% and 5% held out.

    On the test part the frequencies of characters give 4.85 bits, those of pairs 3.59.
    Source: Karpathy 2015, char-rnn, as TFDS cuts it.
    """

    def texts(self) -> Mapping[str, str]:
        """See `Characters.texts`."""
        data = sets.load(text.SHAKESPEARE)
        return {split: data[split]["text"].values.tobytes().decode() for split in text.PARTS}

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (sets.prepare(text.SHAKESPEARE),)


@register("text")
@dataclass(frozen=True, kw_only=True)
class Text(Characters):
    """A text of the user's in UTF-8: the first 90% for training, 5% and 5% held out.

    `file` is a path, or the name of a file in the folder that GRU_LAB_DATA names.

    Attributes:
        file: a text in UTF-8.
    """

    file: Path = Path("text.txt")

    def texts(self) -> Mapping[str, str]:
        """See `Characters.texts`."""
        return text.parts_of(text.read_text(*self.files()))

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (files.user_file(self.file, "task.file"),)
