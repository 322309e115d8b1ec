"""Sinusoids of unknown frequency and phase, to be continued."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from gru_lab.data import Batch
from gru_lab.schema import Positive, Size
from gru_lab.tasks.forecasting import forecast
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Key


@register("sinusoid")
@dataclass(frozen=True, kw_only=True)
class Sinusoid(Task):
    """x_t = sin(omega t + phi), with omega from U[low, high] and phi from U[0, 2 pi]; the answer is x_{t+horizon}.

        horizon=1    input 0.00 0.48 0.84 1.00 ...    target 0.48 0.84 1.00 0.91 ...

    Inputs and targets (length, 1), one answer per step; the first two do not count: three values make a sinusoid known,
    x_{t+1} = 2 cos(omega) x_t - x_{t-1}. From x_t alone the best forecast is x_t E[cos(omega horizon)], with the mean
    squared error (1 - E[cos(omega horizon)]^2) / 2. Solved: a tenth of that.
    Source: the trigonometric identities are elementary; as a task for recurrent networks Jaeger 2001, GMD report 148,
    section 3.

    >>> batch = jax.device_get(Sinusoid(length=4, horizon=1).sample(jax.random.key(0), 1))
    >>> print(batch.inputs[0].T.round(2), batch.targets[0].T.round(2))
    [[0.05 0.46 0.8  0.98]] [[0.46 0.8  0.98 0.98]]

    Attributes:
        length: the number of steps.
        horizon: how many steps ahead is asked.
        low: the least frequency omega.
        high: the largest one.
    """

    answer: ClassVar = "real"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER

    length: Size = 100
    horizon: Size = 5
    low: Positive = 0.1
    high: Positive = 0.5

    def check(self) -> None:
        """Something must count, and frequencies must differ."""
        if self.length < 3:
            self.refuse("length", "it must be at least 3")
        if self.high <= self.low:
            self.refuse("high", f"it must be above low, {self.low}")

    @property
    def inputs(self) -> int:
        """One number."""
        return 1

    @property
    def outputs(self) -> int:
        """One number."""
        return 1

    @property
    def floor(self) -> float:
        """The error of the best forecast from the value of now."""
        ends = [omega * self.horizon for omega in (self.low, self.high)]
        cosine = (math.sin(ends[1]) - math.sin(ends[0])) / (ends[1] - ends[0])
        return (1 - cosine**2) / 2

    @property
    def ceiling(self) -> float:
        """No error."""
        return 0.0

    @property
    def threshold(self) -> float:
        """A tenth of the floor."""
        return 0.1 * self.floor

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        k_omega, k_phase = jax.random.split(key)
        omega_B1 = jax.random.uniform(k_omega, (batch, 1), minval=self.low, maxval=self.high)
        phase_B1 = jax.random.uniform(k_phase, (batch, 1), maxval=2 * math.pi)
        known = jnp.arange(self.length)[None] >= 2
        steps = jnp.arange(self.length + self.horizon, dtype=omega_B1.dtype)[None]
        whole = forecast(jnp.sin(omega_B1 * steps + phase_B1), self.horizon)
        return whole._replace(weights=jnp.tile(jnp.where(known, 1.0, 0.0), (batch, 1)))
