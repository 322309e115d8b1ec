"""The mean over the members of a run, how far to trust it, and which of several is the best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LEVEL = 0.95
RESAMPLES = 9999
FEWEST = 3  # values that can tell one entry from another


@dataclass(frozen=True)
class Interval:
    """A mean of `n` values with its 95% bootstrap interval, and the method that found the interval.

    A single value tells nothing of the spread: its interval is the whole line.
    """

    mean: float
    low: float
    high: float
    n: int
    method: Literal["BCa", "percentile", "none"]


def interval(values: Sequence[float], seed: int = 0) -> Interval | None:
    """The mean of the values and its 95% bootstrap interval; None if there are no values.

    Bias-corrected and accelerated (BCa; Efron 1987, JASA 82, 171-185) from 9999 resamples drawn with a fixed seed.
    BCa is undefined for two values and where all are equal: there the percentile interval is given, which then
    spans just the values. The order of the values does not matter.
    """
    import numpy as np
    from scipy.stats import bootstrap

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

    def bounds(method: Literal["BCa", "percentile"]) -> tuple[float, float]:
        rng = np.random.default_rng(seed)
        result = bootstrap((xs,), np.mean, n_resamples=RESAMPLES, confidence_level=LEVEL, method=method, rng=rng)
        return float(result.confidence_interval.low), float(result.confidence_interval.high)

    low, high = bounds("BCa")
    if math.isfinite(low) and math.isfinite(high):
        return Interval(mean, within(low), within(high), len(xs), "BCa")
    low, high = bounds("percentile")
    return Interval(mean, within(low), within(high), len(xs), "percentile")


def best(intervals: Sequence[Interval | None], better: Literal["lower", "higher"]) -> int | None:
    """The index of the best mean if its interval overlaps no other interval, else None.

    None among the intervals stands for an entry whose members all diverged: every other entry beats it. Where an
    entry has fewer than three values nothing can be told apart, and there is no best one of one.
    """
    found = {i: entry for i, entry in enumerate(intervals) if entry is not None}
    if len(intervals) < 2 or not found or min(entry.n for entry in found.values()) < FEWEST:
        return None
    if better == "lower":
        first = min(found, key=lambda i: found[i].mean)
        apart = all(found[first].high < found[i].low for i in found if i != first)
    else:
        first = max(found, key=lambda i: found[i].mean)
        apart = all(found[first].low > found[i].high for i in found if i != first)
    return first if apart else None
