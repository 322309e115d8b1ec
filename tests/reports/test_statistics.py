import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from gru_lab.reports.statistics import Interval, best, interval

FEW = st.lists(st.floats(1e-3, 1e3, allow_subnormal=False), min_size=3, max_size=8)


def bca(xs: np.ndarray, resamples: int = 100_000) -> tuple[float, float]:
    """Efron's BCa interval of the mean, written out from the paper, with resamples of its own."""
    n = len(xs)
    draws = np.random.default_rng(7).choice(xs, (resamples, n)).mean(axis=1)
    below = (np.mean(draws < xs.mean()) + np.mean(draws <= xs.mean())) / 2
    z0 = norm.ppf(below)
    left_out = (xs.sum() - xs) / (n - 1)
    d = left_out.mean() - left_out
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    z = z0 + norm.ppf([0.025, 0.975])
    low, high = np.quantile(draws, norm.cdf(z0 + z / (1 - a * z)))
    return low, high


def test_the_interval_is_efrons_bca():
    xs = np.array([0.8, 0.9, 1.0, 1.1, 1.3, 1.7, 2.9, 6.0])
    found = interval(xs.tolist())
    assert found is not None and found.method == "BCa" and found.n == 8
    assert found.mean == pytest.approx(xs.mean())
    width = found.high - found.low
    assert [found.low, found.high] == pytest.approx(bca(xs), abs=0.03 * width)
    # the skew matters: the mean is not in the middle
    assert found.high - found.mean > 1.3 * (found.mean - found.low)


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
    found = interval(values)
    if expected is None or found is None:
        assert found is expected
    else:
        assert found.mean == pytest.approx(expected.mean)
        assert (found.low, found.high, found.n, found.method) == dataclasses.astuple(expected)[1:]


def test_a_value_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        interval([0.1, math.nan, 0.2])


@settings(max_examples=30, deadline=None)
@given(values=FEW)
def test_the_interval_lies_among_its_values_whatever_their_order_and_unit(values):
    found = interval(values)
    assert found is not None
    assert min(values) <= found.low <= found.high <= max(values)
    assert interval(values[::-1]) == found
    doubled = interval([2 * value for value in values])  # exact in binary
    assert doubled is not None
    assert [doubled.mean, doubled.low, doubled.high] == pytest.approx([2 * found.mean, 2 * found.low, 2 * found.high])


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
