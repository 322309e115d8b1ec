"""Effects on arrays: paired tests, probability of improvement, normalised scores and their aggregates, ranks, cost."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from gru_lab.reports.statistics import (
    ANYWHERE,
    LEVEL,
    RESAMPLES,
    TAIL,
    Interval,
    Limits,
    bootstrap,
    interval,
    iqm,
    resampled,
)

if TYPE_CHECKING:
    import numpy as np

Better = Literal["lower", "higher"]
Statistic = Literal["mean", "median", "iqm"]
STATISTICS: tuple[Statistic, ...] = ("mean", "median", "iqm")


class Estimate(NamedTuple):
    """A number with its 95% interval; NaN where there is none."""

    value: float
    low: float
    high: float


NOTHING = Estimate(math.nan, math.nan, math.nan)


def permutation_p(differences: "np.ndarray") -> float:
    """The two-sided p of paired differences, (n,), whose signs are arbitrary if nothing differs.

    The statistic is the mean; all 2^n signs where they are at most 9,999 (13 pairs), else as many at random. The
    smallest p that n pairs can give is 2^(1 - n).

    >>> import numpy
    >>> permutation_p(numpy.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1]))
    0.03125
    """
    import numpy as np
    from scipy.stats import permutation_test

    if len(differences) < 2 or not differences.any():
        return 1.0
    return float(
        permutation_test(
            (differences, np.zeros_like(differences)), lambda x, y, axis: (x - y).mean(axis),
            permutation_type="samples", n_resamples=RESAMPLES, vectorized=True, rng=np.random.default_rng(0),
        ).pvalue
    )  # fmt: skip


def holm(ps: Sequence[float]) -> list[float]:
    """P values corrected so that none of a family is below 0.05 by chance in 95 of 100 families (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, highest = [0.0] * len(ps), 0.0
    for place, n in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, ps[n] * (len(ps) - place)))
        corrected[n] = highest
    return corrected


def improvement(xs: "np.ndarray", ys: "np.ndarray", better: Better) -> Estimate:
    """The probability that a draw of xs is better than one of ys, ties counted half (Mann & Whitney's U / nm).

    Its interval inverts a score statistic with Hanley & McNeil's variance (Newcombe 2006, Stat. Med. 25, 559-573,
    method 5), which also has a width where all xs are better than all ys.

    >>> import numpy
    >>> improvement(numpy.array([1.0, 2.0, 3.0]), numpy.array([4.0, 5.0, 2.0]), "lower")
    Estimate(value=0.83..., low=0.35..., high=0.97...)
    """
    from scipy.optimize import root_scalar
    from scipy.stats import mannwhitneyu, norm

    n, m = len(xs), len(ys)
    share = float(mannwhitneyu(xs, ys).statistic) / (n * m)
    share = 1 - share if better == "lower" else share
    z2, half = float(norm.ppf(1 - TAIL)) ** 2, (n + m) / 2 - 1

    def beyond(p: float) -> float:
        return (share - p) ** 2 - z2 * p * (1 - p) * (1 + half * ((1 - p) / (2 - p) + p / (1 + p))) / (n * m)

    tiny = 1e-9  # 0 and 1 are roots of their own
    low = root_scalar(beyond, bracket=(0.0, min(share, 1 - tiny))).root if share > 0 else 0.0
    high = root_scalar(beyond, bracket=(max(share, tiny), 1.0)).root if share < 1 else 1.0
    return Estimate(share, float(low), float(high))


def averaged(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates, its interval recovered from theirs (MOVER; Zou & Donner 2008)."""
    if not estimates:
        return NOTHING
    n, value = len(estimates), math.fsum(e.value for e in estimates) / len(estimates)
    below = math.sqrt(math.fsum((e.value - e.low) ** 2 for e in estimates)) / n
    above = math.sqrt(math.fsum((e.high - e.value) ** 2 for e in estimates)) / n
    return Estimate(value, value - below, value + above)


def solved_share(solved: int, members: int) -> Estimate:
    """K of n with Wilson's interval.

    >>> solved_share(4, 6)
    Estimate(value=0.66..., low=0.29..., high=0.90...)
    """
    from scipy.stats import binomtest

    ends = binomtest(solved, members).proportion_ci(LEVEL, "wilson")
    return Estimate(solved / members, float(ends.low), float(ends.high))


def aggregate(strata: "Sequence[np.ndarray]", statistic: Statistic, limits: Limits = ANYWHERE) -> Estimate:
    """The statistic of the scores of one network over tasks, with its interval.

    `strata` holds the scores of the seeds of each task, (n,). The mean and the median are over the tasks, of the mean
    score on each; the interquartile mean is of all scores (Agarwal et al. 2021, arXiv:2108.13264, section 4). The
    interval of the mean comes from those of the tasks, see `averaged`; the others have a stratified bootstrap, in which
    the seeds of each task are drawn again by themselves, and no interval if no task has a spread. The tasks are taken
    as given. `limits` are the least and the largest score that there can be.
    """
    import numpy as np

    def of(many: "Sequence[np.ndarray]") -> np.ndarray:
        if statistic == "iqm":
            return iqm(np.concatenate(many, axis=-1))
        return np.median(np.stack([scores.mean(-1) for scores in many], axis=-1), axis=-1)

    if statistic == "mean":
        around = [interval(scores.tolist(), limits) for scores in strata]
        return averaged([Estimate(each.value, each.low, each.high) for each in around if each])
    if not any(np.ptp(scores) for scores in strata):
        return Estimate(float(of(strata)), math.nan, math.nan)
    freedom = sum(len(scores) - 1 for scores in strata)
    ends = bootstrap(lambda rng: of([resampled(rng, scores) for scores in strata]), freedom=freedom)
    return Estimate(float(of(strata)), *ends)


def mean_ranks(rows: "Sequence[Sequence[np.ndarray]]", better: Sequence[Better]) -> list[Estimate]:
    """The mean over tasks of the rank of each network's mean, 1 for the best, with its stratified bootstrap interval.

    `rows` holds the results of the seeds of every network, (n,), for each task.
    """
    import numpy as np
    from scipy.stats import rankdata

    def ranked(means: "Sequence[Sequence[np.ndarray]]") -> np.ndarray:
        signed = [
            np.stack(of_row, -1) * (1 if sign == "lower" else -1) for of_row, sign in zip(means, better, strict=True)
        ]
        return np.mean([rankdata(row, axis=-1) for row in signed], axis=0)

    rng = np.random.default_rng(0)
    drawn = ranked([[resampled(rng, xs).mean(-1) for xs in row] for row in rows])
    values = ranked([[xs.mean(-1) for xs in row] for row in rows])
    freedom = min(sum(len(row[n]) - 1 for row in rows) for n in range(len(values)))
    return [
        Estimate(float(value), *bootstrap(lambda _, n=n: drawn[:, n], freedom=freedom))
        for n, value in enumerate(values)
    ]


def profile(scores: "np.ndarray", levels: "np.ndarray") -> "np.ndarray":
    """The performance profile: the share of runs whose score is above each level, (N,) -> (levels,).

    Agarwal et al. 2021, arXiv:2108.13264, section 4.

    >>> import numpy
    >>> profile(numpy.array([0.2, 0.5, 1.0]), numpy.array([0.0, 0.5, 1.0])).round(2).tolist()
    [1.0, 0.33, 0.0]
    """
    return (scores[:, None] > levels).mean(0)


def expected_best(values: Sequence[float], better: Better) -> "np.ndarray":
    """The expected best of k = 1 ... N settings drawn at random from the N that were tried, (N,).

    sum over the values v of v (P(V <= v)^k - P(V < v)^k) with their empirical distribution (Dodge et al. 2019,
    arXiv:1909.03004, equation 8).

    >>> expected_best([1.0, 2.0], "higher").tolist()
    [1.5, 1.75]
    """
    import numpy as np

    sign = 1 if better == "higher" else -1
    ordered, n = np.sort(sign * np.array(values, float)), len(values)
    powers = (np.arange(n + 1)[:, None] / n) ** np.arange(1, n + 1)
    return sign * (ordered[:, None] * np.diff(powers, axis=0)).sum(0)


def restricted(updates: Sequence[float | None], budget: float) -> Interval | None:
    """The mean of the updates spent until the task is solved, where a seed that never solves it has spent the budget.

    The restricted mean of survival analysis; unlike the mean over those that solved it, it does not gain by failures.
    """
    return interval([budget if update is None else float(update) for update in updates], (0.0, budget))


def score(value: float | None, floor: float, threshold: float) -> float:
    """A result as a share of the way from the best guess without memory (0) to solved (1).

    May exceed 1; not below 0, which is also the score of a seed without a result.
    """
    return 0.0 if value is None else max(0.0, (value - floor) / (threshold - floor))
