"""Forecasting: the next values of a time series of the user's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from gru_lab.data import Batch, files, series
from gru_lab.data.windows import Windows
from gru_lab.schema import Range, Size
from gru_lab.tasks.task import Task, register
from gru_lab.typing import Array

SHARES = (0.7, 0.85)  # where validation and test begin


@register("forecast")
@dataclass(frozen=True, kw_only=True)
class Forecast(Task):
    """`window` values of a series, one per step; the answer at the end is the next `horizon` values.

        window=4, horizon=2    reads 5 6 7 8    answer 9 10

    `file` is a CSV file whose first row names the columns: a path, or a name in the folder that GRU_LAB_DATA names.
    `column` may be left out where only one holds numbers. The first 70% of the rows are for training, 15% for
    validation, 15% for testing; a window lies in one part. Values are scaled to mean 0 and deviation 1 of the training
    part, so the loss, the mean squared error, is in units of its variance. The baseline `seasonal_naive` repeats the
    last `season` values.
    """

    answer: ClassVar = "real"

    file: Path = Path("series.csv")
    column: str | None = None
    window: Size = 48
    horizon: Size = 12
    season: Annotated[int, Range(1)] = 12

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
        values = series.read_series(self.files()[0], self.column)
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
            self.refuse("file", f"all values of its training part are {parts['train'][0]:g}")
        return parts

    @property
    def scaler(self) -> tuple[float, float]:
        """Mean and deviation of the training part: `value = mean + deviation * answer`."""
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

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (files.user_file(self.file, "task.file"),)

    def source(self) -> Windows:
        """The windows of every split."""
        mean, deviation = self.scaler
        scaled = {split: ((part - mean) / deviation).astype(np.float32) for split, part in self._parts.items()}

        def unpack(values: Array | np.ndarray) -> Batch:
            return Batch(values[:, : self.window, None], values[:, self.window :])

        return Windows(scaled, self.window + self.horizon, unpack)
