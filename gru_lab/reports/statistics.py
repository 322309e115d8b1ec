"""Statistics over the members of a group: means with bootstrap intervals, and the best of several.

All intervals are bootstrap intervals of 9999 resamples drawn with a fixed seed, at 95%.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
RESAMPLES = 9999
FEWEST = 3  # values that can tell one entry from another


@dataclass(frozen=True)
class Interval:
    """A statistic of `n` values with its 95% bootstrap interval, and the method that gave the interval.

    A single value has no spread: its interval is the whole line.
    """

    value: float
    low: float
    high: float
    n: int
    method: Literal["BCa", "percentile", "none"]


def bounds(replicates: "np.ndarray", value: float = 0.0, left_out: "np.ndarray | None" = None) -> tuple[float, float]:
    """The interval that bootstrap replicates of a statistic give.

    Percentiles; with `left_out`, the statistic without each value in turn, bias-corrected and accelerated (BCa; Efron
    1987, JASA 82, 171-185) around `value`, which is NaN where that is undefined.
    """
    import numpy as np

    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if left_out is not None:
        normal = NormalDist()
        below = ((replicates < value).mean() + (replicates <= value).mean()) / 2
        apart = left_out.mean() - left_out
        scale = (apart**2).sum() ** 1.5
        if not 0 < below < 1 or scale == 0:
            return math.nan, math.nan
        bias, acceleration = normal.inv_cdf(float(below)), float((apart**3).sum() / (6 * scale))
        shifted = [bias + normal.inv_cdf(tail) for tail in tails]
        tails = np.array([normal.cdf(bias + z / (1 - acceleration * z)) for z in shifted])
    low, high = np.percentile(replicates, 100 * tails)
    return float(low), float(high)


def resampled(values: "np.ndarray", statistic: Callable[..., "np.ndarray"], seed: int = 0) -> "np.ndarray":
    """Replicates of a statistic (`np.mean`, `np.median`) of values drawn again with replacement, (RESAMPLES,)."""
    import numpy as np

    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    return statistic(values[draws], axis=-1)


def interval(values: Sequence[float], seed: int = 0) -> Interval | None:
    """The mean of the values and its interval (BCa); None if there are no values.

    BCa is undefined for two values and where all are equal: there the percentile interval is given, which then
    spans just the values. The order of the values does not matter.

    >>> interval([0.7, 0.8, 0.9, 0.9, 1.0])
    Interval(value=0.86, low=0.76, high=0.94..., n=5, method='BCa')
    """
    import numpy as np

    xs = sorted(float(value) for value in values)
    if not all(map(math.isfinite, xs)):
        raise ValueError(f"no interval of {xs}: every value must be finite")
    if not xs:
        return None

    def within(x: float) -> float:  # rounding must not push a mean past the values
        return min(max(x, xs[0]), xs[-1])

    mean = within(math.fsum(xs) / len(xs))
    if len(xs) == 1:
        return Interval(mean, -math.inf, math.inf, 1, "none")
    if len(xs) == 2 or math.isclose(xs[0], xs[-1], rel_tol=1e-12):
        return Interval(mean, xs[0], xs[-1], len(xs), "percentile")
    array = np.array(xs)
    replicates = resampled(array, np.mean, seed)
    low, high = bounds(replicates, float(array.mean()), (array.sum() - array) / (len(xs) - 1))
    if math.isfinite(low) and math.isfinite(high):
        return Interval(mean, within(low), within(high), len(xs), "BCa")
    low, high = bounds(replicates)
    return Interval(mean, within(low), within(high), len(xs), "percentile")


def summary(values: "np.ndarray", form: str = ".3g") -> str:
    """The median with its percentile interval, `12 [10, 14]`; values that are not finite are left out.

    No interval for fewer than three values or equal ones; `none` for no value.

    >>> import numpy
    >>> summary(numpy.array([3.0, 1.0, 2.0, numpy.inf, 4.0]))
    '2.5 [1, 4]'
    """
    import numpy as np

    values = np.ravel(np.asarray(values, float))
    values = values[np.isfinite(values)]
    if not values.size:
        return "none"
    median = format(float(np.median(values)), form)
    if values.size < FEWEST or np.ptp(values) == 0:
        return median
    low, high = bounds(resampled(values, np.median))
    return f"{median} [{low:{form}}, {high:{form}}]"


def best(intervals: Sequence[Interval | None], better: Literal["lower", "higher"]) -> int | None:
    """The index of the best value if its interval overlaps no other interval, else None.

    None among the intervals stands for an entry whose members all diverged: every other entry beats it. Where an
    entry has fewer than three values nothing can be told apart, and a single entry is not the best.

    >>> best([interval([1.0, 1.1, 1.2]), interval([2.0, 2.1, 2.2]), None], "lower")
    0
    """
    known = {i: entry for i, entry in enumerate(intervals) if entry is not None}
    if len(intervals) < 2 or not known or min(entry.n for entry in known.values()) < FEWEST:
        return None
    if better == "lower":
        first = min(known, key=lambda i: known[i].value)
        apart = all(known[first].high < known[i].low for i in known if i != first)
    else:
        first = max(known, key=lambda i: known[i].value)
        apart = all(known[first].low > known[i].high for i in known if i != first)
    return first if apart else None
