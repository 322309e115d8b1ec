"""Forecasting: the next values of a time series, of the user's or of those that statsmodels ships."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from gru_lab.data import Batch, files, series
from gru_lab.data.windows import Windows
from gru_lab.errors import UserError
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import Task, register
from gru_lab.typing import Array

SHARES = (0.7, 0.85)  # where validation and test begin


@dataclass(frozen=True, kw_only=True)
class Future(Task):
    """`window` values of a series, one per step; the answer at the end is the next `horizon` values.

        window=4, horizon=2    reads 5 6 7 8    answer 9 10

    The first 70% of the values are for training, 15% for validation, 15% for testing; a window lies in one part. Values
    are scaled to mean 0 and deviation 1 of the training part, so the loss, the mean squared error, is in units of its
    variance. With `relative` the last value of each window is taken away from all of its numbers, which a series that
    grows beyond its training part needs. The baseline `seasonal_naive` repeats the last `season` values.

    Attributes:
        window: the values that are read.
        horizon: the values that are asked.
        season: the values after which a season repeats, for the baseline.
        relative: whether numbers are relative to the last value of the window.
    """

    answer: ClassVar = "real"

    window: Size = 48
    horizon: Size = 12
    season: Annotated[int, Range(1)] = 12
    relative: bool = False

    def values(self) -> np.ndarray:
        """The whole series."""
        raise NotImplementedError

    def check(self) -> None:
        """A season must be within the window."""
        if self.season > self.window:
            self.refuse("season", f"it must be at most task.window, which is {self.window}")

    @property
    def inputs(self) -> int:
        """The value."""
        return 1

    @property
    def outputs(self) -> int:
        """One number per value ahead."""
        return self.horizon

    @cached_property
    def _parts(self) -> dict[str, np.ndarray]:
        """The values of each split, unscaled."""
        values = self.values()
        begin, end = (int(len(values) * share) for share in SHARES)
        parts = {"train": values[:begin], "validation": values[begin:end], "test": values[end:]}
        for split, part in parts.items():
            if len(part) < self.window + self.horizon:
                self.refuse(
                    "window",
                    f"with task.horizon={self.horizon} it needs {self.window + self.horizon} rows in each part, and "
                    f"{split} has {len(part)} of the {len(values)} rows",
                )
        if parts["train"].std() == 0:
            raise UserError(f"{self.files()[0]}: all values of its training part are {parts['train'][0]:g}")
        return parts

    @property
    def scaler(self) -> tuple[float, float]:
        """Mean and deviation of the training part: `value = mean + deviation * answer`.

        With `relative` the window's last value stands in the place of the mean.
        """
        return float(self._parts["train"].mean()), float(self._parts["train"].std())

    @property
    def floor(self) -> float:
        """The loss on the test part of repeating the last value, all that an answer without memory knows."""
        return self._error(lambda past: np.repeat(past[:, -1:], self.horizon, axis=1))

    @property
    def seasonal_naive(self) -> float:
        """The loss on the test part of repeating the last season."""
        places = np.arange(self.horizon) % self.season - self.season
        return self._error(lambda past: past[:, places])

    def _error(self, forecast: Callable[[np.ndarray], np.ndarray]) -> float:
        batch = self.source().holdout("test", 1)
        return float(np.mean((forecast(np.asarray(batch.inputs)[..., 0]) - np.asarray(batch.targets)) ** 2))

    def source(self) -> Windows:
        """The windows of every split."""
        mean, deviation = self.scaler
        scaled = {split: ((part - mean) / deviation).astype(np.float32) for split, part in self._parts.items()}

        def unpack(values: Array | np.ndarray) -> Batch:
            if self.relative:
                values = values - values[:, self.window - 1 : self.window]
            return Batch(values[:, : self.window, None], values[:, self.window :])

        return Windows(scaled, self.window + self.horizon, unpack)


@register("forecast")
@dataclass(frozen=True, kw_only=True)
class Forecast(Future):
    """The next values of a series of the user's.

    `file` is a CSV file whose first row names the columns: a path, or a name in the folder that GRU_LAB_DATA names.
    `column` may be left out where only one holds numbers.

    Attributes:
        file: a CSV file whose first row names the columns.
        column: the column; may be left out where only one holds numbers.
    """

    file: Path = Path("series.csv")
    column: str | None = None

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (files.user_file(self.file, "task.file"),)

    def values(self) -> np.ndarray:
        """See `Future.values`."""
        return series.read_series(self.files()[0], self.column)


@register("sunspots")
@dataclass(frozen=True, kw_only=True)
class Sunspots(Future):
    """The number of sunspots in the next eleven years, from those of the last 22; 309 yearly means since 1700.

    It waxes and wanes in about eleven years, now faster and now slower: repeating the last eleven is wrong by as much
    as the series varies. The series comes with statsmodels (`pip install 'gru-lab[series]'`).
    Source: National Geophysical Data Center, as statsmodels ships it.
    """

    window: Size = 22
    horizon: Size = 11
    season: Annotated[int, Range(1)] = 11

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (series.shipped("sunspots"),)

    def values(self) -> np.ndarray:
        """See `Future.values`."""
        return series.read_series(self.files()[0], "SUNACTIVITY")


@register("co2")
@dataclass(frozen=True, kw_only=True)
class Co2(Future):
    """The carbon dioxide above Mauna Loa in the next half year, week by week, from the last two years; 1958 to 2001.

    Of the 2,284 weeks 59 were not measured: their values lie on the straight line between their neighbours. As the
    series grows beyond its training part, numbers are relative to the last value of the window. The series comes with
    statsmodels (`pip install 'gru-lab[series]'`).
    Source: Keeling & Whorf 2004, Scripps Institution of Oceanography, as statsmodels ships it.
    """

    window: Size = 104
    horizon: Size = 26
    season: Annotated[int, Range(1)] = 52
    relative: bool = True

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (series.shipped("co2"),)

    def values(self) -> np.ndarray:
        """See `Future.values`."""
        return series.read_series(self.files()[0], "co2", fill=True)
