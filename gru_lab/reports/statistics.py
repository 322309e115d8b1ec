"""Statistics over seeds: the mean with an interval that keeps its promise, the median, a bootstrap, the best.

All intervals are at 95%. How often they hold what they should is simulated by `gru_lab.reports.coverage`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
RESAMPLES = 9999
FEWEST = 3  # values that can tell one entry from another
ANYWHERE = (-math.inf, math.inf)
METHOD = "Student's t joined with Hall's (1992) correction for skewness"

Limits = tuple[float, float]
Method = Literal["t and Hall", "t", "all equal", "none"]


@dataclass(frozen=True)
class Interval:
    """A statistic of `n` values with its 95% interval, and the method that gave the interval.

    The interval is the whole line where the values tell nothing of their spread: a single value, or equal ones of a
    quantity without limits.
    """

    value: float
    low: float
    high: float
    n: int
    method: Method

    @property
    def bounded(self) -> bool:
        """True if both ends are finite."""
        return math.isfinite(self.high - self.low)


@cache
def t_quantile(n: int) -> float:
    """The 97.5% quantile of Student's t with n - 1 degrees of freedom."""
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return float(stdtrit(n - 1, 1 - TAIL))


@cache
def least_share(n: int) -> float:
    """The smallest probability p of which n of n draws are no surprise, p^n = 2.5%: Clopper & Pearson's limit."""
    return TAIL ** (1 / n)


def mean_bounds(values: "np.ndarray", limits: Limits = ANYWHERE) -> "tuple[np.ndarray, np.ndarray]":
    r"""The ends of the interval of the mean of each sample, (..., n) -> (...), (...); n must be at least 2.

    On each side the wider of two intervals. Student's t, mean -+ t s / sqrt(n), is exact for normal values and holds
    for those that are symmetric. Skewed values need more on one side (Hall 1992, JRSS B 54, 221-228, the cubic
    transformation): with a = skewness / sqrt(n),

        mean - T(+-t) s / sqrt(n),    T(y) = (3 / a) ((1 + a (y - a / 6))^(1/3) - 1),

    which needs three values. The bootstraps (percentile, BCa) are narrower, and miss too often with few seeds.

    Values that are all equal have no spread to go by. Between `limits` the mean is at most as far away as if other
    values came as seldom as n equal draws allow (Clopper & Pearson 1934); without limits no interval is finite.

    >>> import numpy
    >>> low, high = mean_bounds(numpy.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]), limits=(0.0, 3.0))
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.0, 0.29], [3.0, 2.42])
    """
    import numpy as np

    n = values.shape[-1]
    middle, span = values.mean(-1), np.ptp(values, axis=-1)
    equal = span <= 1e-12 * np.abs(values).max(-1)
    apart = (values - middle[..., None]) / np.where(equal, 1.0, span)[..., None]  # of the order of one
    spread = np.where(equal, 1.0, np.sqrt((apart**2).sum(-1) / (n - 1)))
    error = spread * span / math.sqrt(n)
    low, high = middle - t_quantile(n) * error, middle + t_quantile(n) * error
    if n > 2:
        skew = n**2 / ((n - 1) * (n - 2)) * (apart**3).mean(-1) / spread**3
        a = skew / math.sqrt(n)
        a = np.where(np.abs(a) < 1e-6, 1e-6, a)
        above, below = (3 / a * (np.cbrt(1 + a * (y - a / 6)) - 1) for y in (t_quantile(n), -t_quantile(n)))
        low, high = np.minimum(low, middle - above * error), np.maximum(high, middle - below * error)
    if equal.any():
        seldom = 1 - least_share(n)
        low = np.where(equal, middle - seldom * (middle - limits[0]), low)
        high = np.where(equal, middle + seldom * (limits[1] - middle), high)
    return np.maximum(low, limits[0]), np.minimum(high, limits[1])


def interval(values: Sequence[float], limits: Limits = ANYWHERE) -> Interval | None:
    """The mean of the values and its interval, see `mean_bounds`; None if there are no values.

    The order of the values does not matter. `limits` are the least and the largest value that there can be.

    >>> interval([0.7, 0.8, 0.9, 0.9, 1.0])
    Interval(value=0.86, low=0.68..., high=1.00..., n=5, method='t and Hall')
    """
    import numpy as np

    xs = sorted(float(value) for value in values)
    if not all(map(math.isfinite, xs)):
        raise ValueError(f"no interval of {xs}: every value must be finite")
    if not xs:
        return None
    mean = min(max(math.fsum(xs) / len(xs), xs[0]), xs[-1])  # rounding must not push a mean past the values
    if len(xs) == 1:
        return Interval(mean, *ANYWHERE, 1, "none")
    low, high = (float(bound) for bound in mean_bounds(np.array(xs), limits))
    if xs[-1] - xs[0] <= 1e-12 * max(abs(xs[0]), abs(xs[-1])):
        return Interval(mean, low, high, len(xs), "all equal" if math.isfinite(high - low) else "none")
    return Interval(mean, min(low, mean), max(high, mean), len(xs), "t and Hall" if len(xs) > 2 else "t")


def prediction_bounds(values: "np.ndarray", m: int, limits: Limits = ANYWHERE) -> "tuple[np.ndarray, np.ndarray]":
    """The ends between which the mean of m further values will fall, (..., n) -> (...), (...); n must be at least 2.

    The interval of the mean with its distances from the mean times sqrt(1 + n/m), which for normal values is the
    prediction interval mean -+ t s sqrt(1/n + 1/m) (Hahn & Meeker 1991, Statistical Intervals, section 4.7): of a
    repetition with as many seeds on another machine for m = n, of a single run for m = 1. Equal values tell nothing of
    values to come: the ends are the limits.

    >>> import numpy
    >>> [round(float(end), 2) for end in prediction_bounds(numpy.array([1.0, 2.0, 3.0]), 3)]
    [-1.51, 5.51]
    """
    import numpy as np

    middle, wider = values.mean(-1), math.sqrt(1 + values.shape[-1] / m)
    low, high = mean_bounds(values)
    low, high = middle - wider * (middle - low), middle + wider * (high - middle)
    return np.maximum(low, limits[0]), np.minimum(high, limits[1])


def prediction(values: Sequence[float], m: int, limits: Limits = ANYWHERE) -> tuple[float, float]:
    """The interval of the mean of m further values, see `prediction_bounds`; the whole line for fewer than two."""
    import numpy as np

    if len(values) < 2:
        return ANYWHERE
    low, high = prediction_bounds(np.sort(np.array(values, float)), m, limits)
    return float(low), float(high)


def bootstrap(
    replicates: "Callable[[np.random.Generator], np.ndarray]", seed: int = 0, freedom: int | None = None
) -> tuple[float, float]:
    """The percentile interval of a statistic of resampled data: the bootstrap of this project.

    Args:
        replicates: draws the data again with a generator and gives the statistic of each drawing, (resamples,);
            those that are NaN are left out.
        seed: of the generator.
        freedom: the degrees of freedom of the spread of the data, if they are few: the percentiles are then those of
            Student's t in place of the normal distribution (Hesterberg 2015, Am. Stat. 69, 371-386, section 5.3).
    """
    import numpy as np
    from scipy.special import ndtr, stdtrit

    values = replicates(np.random.default_rng(seed))
    values = values[~np.isnan(values)]
    if not values.size:
        return math.nan, math.nan
    tail = TAIL if freedom is None else float(ndtr(stdtrit(max(freedom, 1), TAIL)))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def resampled(rng: "np.random.Generator", values: "np.ndarray", resamples: int = RESAMPLES) -> "np.ndarray":
    """Values of one sample drawn again, (n,) -> (resamples, n), by the bootknife.

    Each drawing leaves out one value at random and draws n of the others with replacement, which gives the mean of a
    drawing the variance s^2 / n, where the plain bootstrap has (n - 1) / n of it (Hesterberg 2004, "Unbiasing the
    bootstrap"). A single value stays what it is.
    """
    import numpy as np

    n = len(values)
    if n < 2:
        return np.broadcast_to(values, (resamples, n))
    omitted = rng.integers(0, n, (resamples, 1))
    draws = rng.integers(0, n - 1, (resamples, n))
    return values[draws + (draws >= omitted)]


def iqm(values: "np.ndarray") -> "np.ndarray":
    """The interquartile mean along the last axis: the mean without the lowest and the highest quarter.

    >>> import numpy
    >>> float(iqm(numpy.array([0.0, 1.0, 3.0, 100.0])))
    2.0
    """
    from scipy.stats import trim_mean

    return trim_mean(values, 0.25, axis=-1)


def median(values: Sequence[float]) -> Interval | None:
    """The median with its interval between two of the values; None if there are no values.

    Order statistics (Conover 1999, section 3.2, by `scipy.stats.quantile_test`): it holds at least 95% whatever the
    distribution, infinite values count as beyond all others, and it needs six values.

    >>> median([4.0, 1.0, 3.0, 2.0, 5.0, math.inf])
    Interval(value=3.5, low=1.0, high=inf, n=6, method='none')
    """
    import numpy as np
    from scipy.stats import quantile_test

    xs = np.sort(np.array(values, float))
    if not xs.size:
        return None
    ends = quantile_test(xs, p=0.5).confidence_interval(LEVEL) if xs.size > 5 else ANYWHERE
    middle = xs[(len(xs) - 1) // 2 : len(xs) // 2 + 1]
    return Interval(float(middle.mean()), float(ends[0]), float(ends[1]), len(xs), "none")


def summary(values: "np.ndarray", form: str = ".3g") -> str:
    """The median with its interval, `3.5 [1, 6]`; values that are not finite are left out.

    No interval for fewer than six values or equal ones; `none` for no value. See `median`.

    >>> import numpy
    >>> summary(numpy.array([3.0, 1.0, 2.0, numpy.inf, 4.0, 5.0, 6.0]))
    '3.5 [1, 6]'
    """
    import numpy as np

    values = np.ravel(np.asarray(values, float))
    around = median(values[np.isfinite(values)].tolist())
    if around is None:
        return "none"
    middle = format(around.value, form)
    return (
        f"{middle} [{around.low:{form}}, {around.high:{form}}]" if 0 < around.high - around.low < math.inf else middle
    )


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
