"""The coverage of the intervals by simulation: how often an interval of 95% holds what it should.

`python -m gru_lab.reports.coverage` prints the table for the interval of tables (`statistics.mean_bounds`), and for
comparison that of the intervals that were not chosen.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gru_lab.reports.statistics import ANYWHERE, LEVEL, Limits, mean_bounds, prediction_bounds, t_quantile

if TYPE_CHECKING:
    import numpy as np

    Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

SIZES = (5, 6, 10, 20)
PROMISED = 0.93  # of the intervals that claim 95%, but for the distributions in `HARD`
HARD = ("lognormal",)
WORST = 0.90  # of all that is simulated: lognormal, 5 values; tables say so


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


def main(argv: Sequence[str] | None = None) -> None:
    """Print the coverage of every interval as Markdown."""
    parser = argparse.ArgumentParser("python -m gru_lab.reports.coverage", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=100_000, help="samples per entry (bootstraps: a fiftieth)")
    options = parser.parse_args(argv)
    print("| interval | distribution |" + "".join(f" n = {n} |" for n in SIZES))
    print("|---|---|" + "---:|" * len(SIZES))
    for name, bounds in INTERVALS.items():
        repetitions = options.repetitions // (50 if name in ("BCa", "percentile") else 1)
        for kind, distribution in DISTRIBUTIONS.items():
            shares = [coverage(distribution, n, repetitions, bounds) for n in SIZES]
            print(f"| {name} | {kind} |" + "".join(f" {share:.1%} |" for share in shares), flush=True)
    for words, seeds in (("mean of a repetition", lambda n: n), ("single further run", lambda n: 1)):
        for kind, distribution in DISTRIBUTIONS.items():
            shares = [prediction_coverage(distribution, n, seeds(n), options.repetitions) for n in SIZES]
            print(f"| {words} | {kind} |" + "".join(f" {share:.1%} |" for share in shares), flush=True)


if __name__ == "__main__":
    main()
