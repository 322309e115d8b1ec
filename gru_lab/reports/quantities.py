"""Numbers as people write them."""

import math
from collections.abc import Mapping

from gru_lab.reports.statistics import Interval, Limits

LIMITS: Mapping[str, Limits] = {"accuracy": (0.0, 1.0)}  # of metrics by name; no value lies outside


def duration(seconds: float) -> str:
    """Three digits with their unit: `0.31 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def scaled(count: float) -> str:
    """Three digits of a count with the letter of its power of a thousand.

    >>> scaled(2_500_000_000), scaled(999), scaled(12_345e12)
    ('2.5 G', '999', '12.3 P')
    """
    letters = ("", " k", " M", " G", " T", " P", " E")
    power = min(max(exponent(float(f"{count:.3g}")) // 3, 0), len(letters) - 1) if count else 0
    return f"{count / 1000**power:.3g}{letters[power]}"


def rounded(around: Interval) -> tuple[str, str, str]:
    """Mean, low and high with equally many decimals: two digits of the mean, and one of the interval's half width."""
    bounded = math.isfinite(around.high - around.low)
    half = (around.high - around.low) / 2 if bounded else 0.0
    size = abs(around.value) or half or 1.0
    decimals = max(1 - exponent(size), -exponent(half)) if half else 2 - exponent(size)
    if 1e-4 <= size < 1e6:
        form = f".{min(max(decimals, 0), 8)}f"
    else:
        form = f".{min(max(decimals + exponent(size), 1), 5)}e"
    return f"{around.value:{form}}", f"{around.low:{form}}", f"{around.high:{form}}"


def exponent(x: float) -> int:
    """The power of ten of the first digit of a positive number."""
    return math.floor(math.log10(x))
