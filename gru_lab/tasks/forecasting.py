"""Forecasting: shared by the tasks that ask for the future of a sampled series."""

import numpy as np

from gru_lab.data import Batch
from gru_lab.typing import Array

BINS = 256


def forecast(series_BT: Array, horizon: int) -> Batch:
    """All but the last `horizon` values as inputs, (batch, time, 1), and as targets the values that much later."""
    return Batch(series_BT[:, :-horizon, None], series_BT[:, horizon:, None])


def error_without_memory(series: np.ndarray, horizon: int) -> float:
    """The mean squared error of the best forecast from the value of now alone, of a long series (series, time).

    The variance of the future given the present: a straight line is fitted in each of 256 bins of the present, which
    hold equally many values.
    """
    now, later = series[:, :-horizon].ravel(), series[:, horizon:].ravel()
    order = np.argsort(now)
    count = len(order) // BINS
    now, later = (values[order[: count * BINS]].reshape(BINS, count) for values in (now, later))
    now, later = now - now.mean(axis=1, keepdims=True), later - later.mean(axis=1, keepdims=True)
    slope = (now * later).sum(axis=1, keepdims=True) / np.maximum((now**2).sum(axis=1, keepdims=True), 1e-300)
    return float(np.mean((later - slope * now) ** 2) * count / (count - 2))
