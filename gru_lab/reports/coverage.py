"""The coverage of the intervals by simulation: how often an interval of 95% holds what it should.

`python scripts/coverage.py` prints the table for the interval of tables (`statistics.mean_bounds`), for comparison that
of the intervals that were not chosen, and that of the other intervals of a report.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from gru_lab.reports.statistics import ANYWHERE, LEVEL, Limits, iqm, mean_bounds, prediction_bounds, t_quantile

if TYPE_CHECKING:
    import numpy as np

    Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

SIZES = (5, 6, 10, 20)
PROMISED = 0.93  # of the intervals that claim 95%, but for the distributions in `HARD`
HARD = ("lognormal",)
WORST = 0.90  # of all that is simulated: lognormal, 5 values; tables say so
WORST_IMPROVEMENT = 0.94  # of the probability of improvement: normal values
WORST_AGGREGATE = 0.90  # of interquartile means


class Distribution(NamedTuple):
    """A distribution of results over seeds.

    Attributes:
        draw: `draw(rng, shape)` draws from it.
        mean: its mean.
        limits: the least and the largest value that there can be.
    """

    draw: "Draw"
    mean: float
    limits: Limits = ANYWHERE


def _two_points(share: float) -> Distribution:
    return Distribution(lambda rng, shape: (rng.random(shape) < share) * 1.0, share, (0.0, 1.0))


DISTRIBUTIONS: Mapping[str, Distribution] = {
    "normal": Distribution(lambda rng, shape: rng.normal(size=shape), 0.0),
    "exponential": Distribution(lambda rng, shape: rng.exponential(size=shape), 1.0),
    "two points, 1 in 2": _two_points(0.5),
    "two points, 4 in 5": _two_points(0.8),
    "two points, 9 in 10": _two_points(0.9),
    "beta(8, 1)": Distribution(lambda rng, shape: rng.beta(8, 1, shape), 8 / 9, (0.0, 1.0)),
    "lognormal": Distribution(lambda rng, shape: rng.lognormal(size=shape), math.exp(0.5)),  # skewness 6.2
}


def of_t(values: "np.ndarray", limits: Limits) -> "tuple[np.ndarray, np.ndarray]":
    """Student's t alone."""
    n = values.shape[-1]
    reach = t_quantile(n) * values.std(-1, ddof=1) / math.sqrt(n)
    return values.mean(-1) - reach, values.mean(-1) + reach


def of_bootstrap(method: str) -> "Callable[[np.ndarray, Limits], tuple[np.ndarray, np.ndarray]]":
    """A bootstrap of SciPy: `percentile` or `BCa`, 999 resamples."""

    def bounds(values: "np.ndarray", limits: Limits) -> "tuple[np.ndarray, np.ndarray]":
        import warnings

        import numpy as np
        from scipy.stats import bootstrap

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BCa of equal values
            low, high = bootstrap(
                (values,), np.mean, axis=-1, n_resamples=999, confidence_level=LEVEL, method=method,
                rng=np.random.default_rng(0), vectorized=True, batch=50,
            ).confidence_interval  # fmt: skip
        return low, high

    return bounds


INTERVALS: "Mapping[str, Callable[[np.ndarray, Limits], tuple[np.ndarray, np.ndarray]]]" = {
    "t and Hall": mean_bounds,
    "Student's t": of_t,
    "BCa": of_bootstrap("BCa"),
    "percentile": of_bootstrap("percentile"),
}


def coverage(
    distribution: Distribution, n: int, repetitions: int, bounds: "Callable" = mean_bounds, seed: int = 0
) -> float:
    """The share of samples of n values whose interval holds the mean of their distribution."""
    import numpy as np

    values = distribution.draw(np.random.default_rng(seed), (repetitions, n))
    low, high = bounds(values, distribution.limits)
    return float(((low <= distribution.mean) & (distribution.mean <= high)).mean())


def prediction_coverage(distribution: Distribution, n: int, m: int, repetitions: int, seed: int = 0) -> float:
    """The share of samples of n values whose prediction interval holds the mean of m further values."""
    import numpy as np

    rng = np.random.default_rng(seed)
    low, high = prediction_bounds(distribution.draw(rng, (repetitions, n)), m, distribution.limits)
    later = distribution.draw(rng, (repetitions, m)).mean(-1)
    return float(((low <= later) & (later <= high)).mean())


def aggregate_coverage(
    distribution: Distribution, tasks: int, n: int, repetitions: int, statistic: Literal["mean", "iqm"], seed: int = 0
) -> float:
    """The share of samples of n values on each of some tasks whose aggregate's interval holds that of all values.

    The distribution is the same on all tasks.
    """
    import numpy as np

    from gru_lab.reports.effects import aggregate

    rng, hits = np.random.default_rng(seed), 0
    every = distribution.draw(rng, (1_000_000,))
    truth = distribution.mean if statistic == "mean" else float(iqm(every))
    for _ in range(repetitions):
        _, low, high = aggregate(list(distribution.draw(rng, (tasks, n))), statistic, distribution.limits)
        hits += not high < truth and not low > truth  # no interval holds everything
    return hits / repetitions


def improvement_coverage(shift: float, n: int, repetitions: int, seed: int = 0) -> float:
    """The share of pairs of normal samples, a shift apart, whose interval holds the probability of improvement."""
    import numpy as np
    from scipy.stats import norm

    from gru_lab.reports.effects import improvement

    rng, truth, hits = np.random.default_rng(seed), float(norm.cdf(shift / math.sqrt(2))), 0
    for xs, ys in rng.normal(size=(repetitions, 2, n)):
        _, low, high = improvement(xs + shift, ys, "higher")
        hits += low <= truth <= high
    return hits / repetitions
