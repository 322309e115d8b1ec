import dataclasses
import math
import re

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from gru_lab.reports.statistics import LEVEL, RESAMPLES, Interval, best, interval, summary

FEW = st.lists(st.floats(1e-3, 1e3, allow_subnormal=False), min_size=3, max_size=8)


@pytest.mark.parametrize("size", [4, 8, 30])
def test_intervals_are_scipys(size):
    xs = np.sort(np.random.default_rng(size).lognormal(size=size))
    options = {"n_resamples": RESAMPLES, "confidence_level": LEVEL}

    def of_scipy(statistic, method):
        rng = np.random.default_rng(0)
        return scipy.stats.bootstrap((xs,), statistic, method=method, rng=rng, **options).confidence_interval

    around = interval(xs.tolist())
    assert around is not None and (around.method, around.n) == ("BCa", size)
    assert (around.low, around.high) == pytest.approx(tuple(of_scipy(np.mean, "BCa")), rel=1e-9)
    # the skew matters: the mean is not in the middle
    assert around.high - around.value > 1.1 * (around.value - around.low)
    middle, low, high = map(float, re.findall(r"[\d.]+", summary(xs, ".12f")))
    assert middle == pytest.approx(np.median(xs))
    assert (low, high) == pytest.approx(tuple(of_scipy(np.median, "percentile")), rel=1e-9)


def test_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(3)
    samples = rng.exponential(size=(200, 25))
    intervals = [interval(sample.tolist()) for sample in samples]
    covered = np.mean([around is not None and around.low <= 1 <= around.high for around in intervals])
    assert 0.88 <= covered <= 0.99  # 0.95, less what 25 skewed values cost


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([0.3], Interval(0.3, -math.inf, math.inf, 1, "none")),
        ([0.3, 0.1], Interval(0.2, 0.1, 0.3, 2, "percentile")),
        ([1.0, 1.0, 1.0, 1.0], Interval(1.0, 1.0, 1.0, 4, "percentile")),
        ([1.0, 1.0, 1.0 + 1e-15], Interval(1.0, 1.0, 1.0 + 1e-15, 3, "percentile")),
    ],
)
def test_where_bca_is_undefined(values, expected):
    around = interval(values)
    if expected is None or around is None:
        assert around is expected
    else:
        assert around.value == pytest.approx(expected.value)
        assert (around.low, around.high, around.n, around.method) == dataclasses.astuple(expected)[1:]


def test_a_value_that_is_no_number_is_refused_or_left_out():
    with pytest.raises(ValueError, match="finite"):
        interval([0.1, math.nan, 0.2])
    assert summary(np.array([2.0, np.nan, 2.0, 2.0])) == "2" and summary(np.array([np.nan])) == "none"


@settings(max_examples=30, deadline=None)
@given(values=FEW)
def test_the_interval_lies_among_its_values_whatever_their_order_and_unit(values):
    around = interval(values)
    assert around is not None
    assert min(values) <= around.low <= around.high <= max(values)
    assert interval(values[::-1]) == around
    doubled = interval([2 * value for value in values])  # exact in binary
    assert doubled is not None
    assert [doubled.value, doubled.low, doubled.high] == pytest.approx(
        [2 * around.value, 2 * around.low, 2 * around.high]
    )


def of(low: float, high: float, n: int = 5) -> Interval:
    return Interval((low + high) / 2, low, high, n, "BCa")


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
