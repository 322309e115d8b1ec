"""ListOps: nested operations on lists of digits, as long as those of the Long Range Arena."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np

from gru_lab.data import Batch, Stream
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import Task, register

OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
TOKENS = (*map(str, range(10)), *OPERATORS, "]")
END = len(TOKENS) - 1
SHARE = 0.25  # of operations among arguments
BLOCK = 256  # expressions that are drawn together
SIZES = {"train": 96_000, "validation": 2_000, "test": 2_000}


@register("listops")
@dataclass(frozen=True, kw_only=True)
class ListOps(Task):
    """An expression of nested operations on digits; the class is its value, a digit.

        [MAX 4 3 [MIN 2 3 ] 1 0 [MED 1 5 8 9 2 ] ]      value 5

    An argument is an operation with probability 1/4, else a digit; an operation has 2 to `arguments` arguments, and at
    depth `depth` there are only digits. [MIN, [MAX, [MED (the median, of an even number the mean of the middle two,
    rounded down), [SM (the sum modulo 10). Kept are the expressions of fewer than `length` tokens and of more than
    `shortest`, a quarter of `length` where that is null. Inputs are the digits, the operators and the closing bracket,
    without the parentheses of the original file. Expressions are drawn on the host when asked for, and kept in memory;
    they are a pure function of split and position.
    The best answer without memory names the commonest value. Solved: 95% right.
    Source: Nangia & Bowman 2018, arXiv:1804.06028; the rule is that of Tay et al. 2021, Long Range Arena,
    arXiv:2011.04006, and their code (lra_benchmarks/data/listops.py): 96,000 / 2,000 / 2,000 expressions.

    >>> task = ListOps(length=20, shortest=5)
    >>> example = task.source().splits["train"][0]
    >>> " ".join(TOKENS[token] for token in example.inputs), int(example.targets)
    ('[MED [MED 0 1 ] 9 ]', 4)

    Attributes:
        length: the number of tokens that an expression stays below.
        shortest: the number that it has more than; a quarter of `length` where that is null.
        depth: how deep operations may be nested.
        arguments: the most arguments of an operation.
        expressions: the number of expressions for training.
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    ladder: ClassVar = (50, 100, 200, 500, 1000, 2000)

    length: Annotated[int, Range(8)] = 2000
    shortest: Size | None = None
    depth: Annotated[int, Range(2)] = 10
    arguments: Annotated[int, Range(2)] = 10
    expressions: Size = SIZES["train"]

    def check(self) -> None:
        """Lengths must lie between two bounds."""
        if self.above + 4 > self.length:
            self.refuse("shortest", f"it must be at most {self.length - 4} with length={self.length}")

    @property
    def above(self) -> int:
        """The number of tokens that an expression must have more than."""
        return self.length // 4 if self.shortest is None else self.shortest

    @property
    def inputs(self) -> int:
        """Digits, operators, closing bracket."""
        return len(TOKENS)

    @property
    def symbols(self) -> bool:
        """Inputs are symbols."""
        return True

    @property
    def outputs(self) -> int:
        """Ten digits."""
        return 10

    @property
    def floor(self) -> float:
        """The share of the test set that the commonest value of the validation set has."""
        splits = self.source().splits
        known, asked = ([int(example.targets) for example in splits[split]] for split in ("validation", "test"))
        return float(np.mean(np.array(asked) == np.bincount(known).argmax()))

    @property
    def ceiling(self) -> float:
        """All right."""
        return 1.0

    @property
    def threshold(self) -> float:
        """95% right."""
        return 0.95

    def longer(self, factor: int) -> "ListOps":
        """See `Task.longer`; both bounds grow."""
        shortest = None if self.shortest is None else factor * self.shortest
        return replace(self, length=factor * self.length, shortest=shortest)

    def source(self) -> Stream:
        """The expressions of every split, padded to a power of two."""
        sizes = SIZES | {"train": self.expressions}
        rule = (self.above, self.length, self.depth, self.arguments)
        return Stream({split: Expressions(n, size, rule) for n, (split, size) in enumerate(sizes.items())})


@dataclass(frozen=True)
class Expressions(Sequence):  # of batches without a batch axis
    """The expressions of one split, drawn block by block when they are asked for."""

    split: int
    size: int
    rule: tuple[int, int, int, int]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: Any) -> Batch:
        if not 0 <= place < self.size:
            raise IndexError(place)
        tokens, value = _block(self.split, int(place) // BLOCK, self.rule)[int(place) % BLOCK]
        return Batch(tokens, value)


@lru_cache(maxsize=4096)
def _block(split: int, block: int, rule: tuple[int, int, int, int]) -> list[tuple[np.ndarray, np.int32]]:
    """The expressions of one block."""
    rng = np.random.default_rng([split, block, *rule])
    kept: list[tuple[np.ndarray, np.int32]] = []
    while len(kept) < BLOCK:
        kept += expressions(rng, 4096, *rule)
    return kept[:BLOCK]


def expressions(
    rng: np.random.Generator, count: int, shortest: int, longest: int, depth: int, arguments: int
) -> list[tuple[np.ndarray, np.int32]]:
    """The tokens and values of those of `count` random expressions whose length lies within the bounds.

    Level by level, for all trees at once: first the nodes of each level are drawn, then their lengths and values are
    added up from the leaves, and then their places follow from the root. Trees that have grown too long are dropped.
    """
    levels: list[dict[str, np.ndarray]] = []
    trees, parents = np.arange(count), np.zeros(count, int)
    alive, tokens = np.ones(count, bool), np.zeros(count, int)
    for level in range(1, depth + 1):
        operates = (rng.random(len(trees)) < SHARE) & (level < depth)
        widths = np.where(operates, rng.integers(2, arguments + 1, len(trees)), 0)
        codes = np.where(operates, 10 + rng.integers(0, len(OPERATORS), len(trees)), rng.integers(0, 10, len(trees)))
        levels.append({"trees": trees, "parents": parents, "codes": codes, "operates": operates})
        np.add.at(tokens, trees, 1 + operates)
        open_ = np.bincount(trees, widths, count)
        alive &= tokens + open_ < longest
        if level == 1:
            alive &= operates  # a digit alone is too short
        widths = np.where(alive[trees], widths, 0)
        parents, trees = np.repeat(np.arange(len(trees)), widths), np.repeat(trees, widths)
    alive &= tokens > shortest
    return _written(levels, np.flatnonzero(alive))


def _written(levels: list[dict[str, np.ndarray]], kept: np.ndarray) -> list[tuple[np.ndarray, np.int32]]:
    """Tokens and values of the kept trees."""
    for above, level in zip([None, *levels[:-1]], levels, strict=True):
        chosen = np.isin(level["trees"], kept)
        renamed = np.cumsum(chosen) - 1
        for name in level:
            level[name] = level[name][chosen]
        level["renamed"] = renamed
        if above is not None:
            level["parents"] = above["renamed"][level["parents"]]
    below_lengths = below_values = np.zeros(0, int)
    for n in reversed(range(len(levels))):
        level = levels[n]
        parents = levels[n + 1]["parents"] if n + 1 < len(levels) else np.zeros(0, int)
        size = len(level["codes"])
        level["lengths"] = 1 + level["operates"] + np.bincount(parents, below_lengths, size).astype(int)
        level["values"] = np.where(level["operates"], _results(level["codes"], parents, below_values), level["codes"])
        below_lengths, below_values = level["lengths"], level["values"]
    roots = levels[0]
    ends = np.cumsum(roots["lengths"])
    written = np.full(ends[-1] if len(ends) else 0, END, np.int32)
    starts = np.zeros(1 + kept.max(initial=0), int)  # by tree
    starts[roots["trees"]] = ends - roots["lengths"]
    places = np.zeros(len(kept), int)
    for n, level in enumerate(levels):
        if n:
            parents = level["parents"]
            before = np.cumsum(level["lengths"]) - level["lengths"]  # over all nodes of the level, in order
            first = np.searchsorted(parents, parents)
            places = places[parents] + 1 + before - before[first]
        written[starts[level["trees"]] + places] = level["codes"]
    return list(zip(np.split(written, ends[:-1]), roots["values"].astype(np.int32), strict=True)) if len(ends) else []


def _results(codes: np.ndarray, parents: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of every operation of a level from those of its arguments; 0 for digits."""
    results = np.zeros(len(codes), int)
    starts = np.flatnonzero(np.diff(parents, prepend=-1))
    operations = parents[starts]
    counts = np.diff(np.append(starts, len(parents)))
    if not len(starts):
        return results
    ordered = values[np.lexsort((values, parents))]
    low, high = ordered[starts + (counts - 1) // 2], ordered[starts + counts // 2]
    least, most, sums = ordered[starts], ordered[starts + counts - 1], np.add.reduceat(values, starts)
    options = np.stack([least, most, (low + high) // 2, sums % 10])
    results[operations] = options[codes[operations] - 10, np.arange(len(operations))]
    return results
