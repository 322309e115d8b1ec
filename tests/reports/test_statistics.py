import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from gru_lab.reports.coverage import (
    DISTRIBUTIONS,
    HARD,
    INTERVALS,
    PROMISED,
    SIZES,
    WORST,
    coverage,
    prediction_coverage,
)
from gru_lab.reports.statistics import (
    ANYWHERE,
    LEVEL,
    Interval,
    best,
    bootstrap,
    interval,
    median,
    resampled,
    summary,
)

FEW = st.lists(st.floats(1e-3, 1e3, allow_subnormal=False), min_size=3, max_size=8)


def halls(xs, skewness):
    """Hall's interval by its definition: where the transformed studentised mean is at the quantiles of t."""
    n, mean, error = len(xs), np.mean(xs), scipy.stats.sem(xs)
    t = scipy.stats.t.ppf(1 - (1 - LEVEL) / 2, n - 1)
    a = skewness / math.sqrt(n)

    def transformed(mu):
        y = (mean - mu) / error
        return y + a * y**2 / 3 + a**2 * y**3 / 27 + a / 6

    return tuple(
        scipy.optimize.brentq(lambda mu, end=end: transformed(mu) - end, mean - 99 * error, mean + 99 * error)
        for end in (t, -t)
    )


@pytest.mark.parametrize("size", [3, 8, 30])
def test_the_interval_is_the_wider_of_students_and_halls(size):
    xs = np.random.default_rng(size).lognormal(size=size)
    around = interval(xs.tolist())
    student = scipy.stats.ttest_1samp(xs, 0).confidence_interval(LEVEL)
    low, high = halls(xs, scipy.stats.skew(xs, bias=False))
    assert around is not None and (around.method, around.n) == ("t and Hall", size)
    assert (around.low, around.high) == pytest.approx((min(low, student.low), max(high, student.high)), rel=1e-6)
    # the skew matters: the mean is not in the middle
    assert around.high - around.value > 1.1 * (around.value - around.low)


def test_intervals_hold_the_mean_as_often_as_they_say():
    shares = {
        (kind, n): coverage(distribution, n, 20_000) for kind, distribution in DISTRIBUTIONS.items() for n in SIZES
    }
    promised = {place: share for place, share in shares.items() if place[0] not in HARD}
    assert min(promised.values()) > PROMISED, promised
    assert min(shares.values()) == pytest.approx(WORST, abs=0.006), "the worst coverage, which every table prints"
    assert min(shares, key=shares.__getitem__) == (HARD[0], SIZES[0])


def test_student_and_the_bootstraps_do_not():
    for name, bounds in INTERVALS.items():
        if name != "t and Hall":
            assert coverage(DISTRIBUTIONS["exponential"], 6, 2000, bounds) < 0.91, name


@pytest.mark.parametrize("m", [1, 0])
def test_the_mean_of_a_repetition_falls_where_it_is_said(m):
    kinds = {kind: distribution for kind, distribution in DISTRIBUTIONS.items() if kind not in HARD}
    shares = {(kind, n): prediction_coverage(d, n, m or n, 10_000) for kind, d in kinds.items() for n in (5, 10)}
    assert min(shares.values()) > PROMISED, shares


@pytest.mark.parametrize(
    ("values", "limits", "expected"),
    [
        ([], ANYWHERE, None),
        ([0.3], ANYWHERE, Interval(0.3, -math.inf, math.inf, 1, "none")),
        ([0.3, 0.1], ANYWHERE, Interval(0.2, 0.2 - 1.27062047, 0.2 + 1.27062047, 2, "t")),
        ([0.3, 0.1], (0, 1), Interval(0.2, 0, 1, 2, "t")),
        ([1.0, 1.0, 1.0, 1.0], ANYWHERE, Interval(1.0, -math.inf, math.inf, 4, "none")),
        ([1.0, 1.0, 1.0 + 1e-15], ANYWHERE, Interval(1.0, -math.inf, math.inf, 3, "none")),
        ([1.0] * 6, (0, 1), Interval(1.0, 0.025 ** (1 / 6), 1.0, 6, "all equal")),
        ([0.0] * 3, (0, 1), Interval(0.0, 0.0, 1 - 0.025 ** (1 / 3), 3, "all equal")),
    ],
)
def test_samples_that_say_little_of_their_spread(values, limits, expected):
    around = interval(values, limits)
    if expected is None or around is None:
        assert around is expected
    else:
        assert (around.value, around.low, around.high) == pytest.approx((expected.value, expected.low, expected.high))
        assert (around.n, around.method) == (expected.n, expected.method)


def test_a_value_that_is_no_number_is_refused_or_left_out():
    with pytest.raises(ValueError, match="finite"):
        interval([0.1, math.nan, 0.2])
    assert summary(np.array([2.0, np.nan, 2.0, 2.0])) == "2" and summary(np.array([np.nan])) == "none"


@settings(max_examples=30, deadline=None)
@given(values=FEW)
def test_the_interval_holds_its_mean_whatever_the_order_and_the_unit(values):
    around = interval(values)
    assert around is not None
    assert around.low <= around.value <= around.high
    assert interval(values[::-1]) == around
    doubled = interval([2 * value for value in values])  # exact in binary
    assert doubled is not None
    assert [doubled.value, doubled.low, doubled.high] == pytest.approx(
        [2 * around.value, 2 * around.low, 2 * around.high]
    )


def test_the_median_lies_between_two_values_that_hold_it_in_95_of_100_samples():
    samples = np.random.default_rng(0).exponential(size=(400, 11))
    intervals = [median(sample.tolist()) for sample in samples]
    shares = np.mean([around is not None and around.low <= math.log(2) <= around.high for around in intervals])
    assert 0.95 <= shares < 1
    never = median([100.0, 200.0, 300.0, math.inf, math.inf, math.inf, math.inf])
    assert never is not None and (never.value, never.low, never.high) == (math.inf, 100, math.inf)
    assert summary(np.arange(5.0)) == "2", "five values hold the median in 94 of 100 at most"


def test_the_bootstrap_has_the_variance_that_a_mean_has():
    xs = np.random.default_rng(1).normal(size=5)
    drawn = resampled(np.random.default_rng(0), xs, 200_000).mean(-1)
    assert drawn.var() == pytest.approx(xs.var(ddof=1) / 5, rel=0.02) and drawn.mean() == pytest.approx(
        xs.mean(), abs=0.01
    )
    low, high = bootstrap(lambda rng: resampled(rng, xs).mean(-1))
    assert low < xs.mean() < high
    assert all(map(math.isnan, bootstrap(lambda rng: np.full(10, np.nan))))


def of(low: float, high: float, n: int = 5) -> Interval:
    return Interval((low + high) / 2, low, high, n, "t and Hall")


@pytest.mark.parametrize(
    ("entries", "better", "expected"),
    [
        ([of(1, 2), of(3, 4), of(5, 6)], "lower", 0),
        ([of(1, 2), of(3, 4), of(5, 6)], "higher", 2),
        ([of(1, 3.5), of(3, 4)], "lower", None),  # the intervals overlap, though neither holds the other's mean
        ([of(1, 3), of(3, 4)], "lower", None),  # touching is not excluding
        ([of(3, 4), of(1, 2), of(1.5, 2.5)], "lower", None),  # the second best is too near
        ([of(3, 4), None, of(1, 2)], "lower", 2),  # all members of one diverged
        ([of(1, 2), None], "lower", 0),
        ([of(1, 2)], "lower", None),  # nothing to be better than
        ([None, None], "lower", None),
        ([of(1, 2, n=2), of(3, 4)], "lower", None),  # two seeds tell nothing apart
        ([of(1, 2), of(-math.inf, math.inf, n=1)], "lower", None),
        ([], "lower", None),
    ],
)
def test_best_is_marked_only_where_its_interval_excludes_the_others(entries, better, expected):
    assert best(entries, better) == expected
