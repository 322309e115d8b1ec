"""Words: cutting sentences into words and putting them together again, and vocabularies of the common ones."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PADDING, UNKNOWN, BEGIN, END = range(4)  # the symbols of every vocabulary before its words
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
BEFORE, AFTER = frozenset(".,;:!?%)]}”“’…"), frozenset("([{„#@")  # no space before these; none after these


def words_of(sentence: str, lower: bool = True) -> list[str]:
    """The words and punctuation marks of a sentence, in lower case unless `lower` is false.

    >>> words_of("A black-and-white dog, asleep.")
    ['a', 'black-and-white', 'dog', ',', 'asleep', '.']
    """
    return WORD.findall(sentence.lower() if lower else sentence)


def sentence_of(words: Iterable[str]) -> str:
    """Words as a sentence: one space between two, none where a punctuation mark wants none.

    >>> sentence_of(["ein", "hund", "(", "braun", ")", ",", "der", "schläft", "."])
    'ein hund (braun), der schläft.'
    """
    text, glued = "", True
    for word in words:
        text += word if glued or word in BEFORE else f" {word}"
        glued = word in AFTER
    return text


@dataclass(frozen=True)
class Vocabulary:
    """The words that have symbols of their own, the commonest first; four symbols come before theirs.

    >>> vocabulary = Vocabulary.of([["a", "dog"], ["a", "cat"], ["a", "dog"]], minimum=2)
    >>> vocabulary.encode(["a", "cat", "dog"]).tolist(), len(vocabulary)
    ([4, 1, 5], 6)
    >>> vocabulary.decode([4, 5, 3, 4])  # what stands behind the end is no part of it
    ['a', 'dog']
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, sentences: Iterable[Iterable[str]], minimum: int) -> "Vocabulary":
        """The words that occur at least `minimum` times, ordered by their counts and then by themselves."""
        counts = Counter(word for words in sentences for word in words)
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return cls(tuple(word for word, count in ordered if count >= minimum))

    @cached_property
    def places(self) -> dict[str, int]:
        """The symbol of every word."""
        return {word: n for n, word in enumerate(self.words, len(SPECIAL))}

    def __len__(self) -> int:
        return len(SPECIAL) + len(self.words)

    def encode(self, words: Iterable[str]) -> np.ndarray:
        """The symbols of words; `UNKNOWN` for those that are not in the vocabulary."""
        return np.array([self.places.get(word, UNKNOWN) for word in words], np.int32)

    def decode(self, symbols: Sequence[int] | np.ndarray) -> list[str]:
        """The words up to the symbol of the end; unknown ones as `<unk>`."""
        names = (*SPECIAL, *self.words)
        words = []
        for symbol in symbols:
            if symbol == END:
                break
            words.append(names[int(symbol)])
        return words
