"""The Lorenz attractor seen through one coordinate, to be forecast."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch
from gru_lab.schema import Size
from gru_lab.tasks.forecasting import error_without_memory, forecast
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Array, Key

STEP, SETTLING = 0.025, 40  # time units of a Runge-Kutta step; samples until a start is on the attractor


@register("lorenz")
@dataclass(frozen=True, kw_only=True)
class Lorenz(Task):
    """The coordinate x of dx/dt = 10 (y - x), dy/dt = x (28 - z) - y, dz/dt = x y - 8 z / 3, every 0.05 time units.

        horizon=5    input x(0) x(0.05) x(0.1) ...    target x(0.25) x(0.3) x(0.35) ...

    Integrated on the device by the classical Runge-Kutta method of order 4 with the fixed step 0.025; x is divided by
    its standard deviation on the attractor. Inputs and targets (length, 1), one answer per step. The value of now does
    not tell the direction: its past does, and determines the future (Takens 1981), so that the ceiling is 0. The floor
    is the variance of the future given the present, of a long trajectory. Solved: a tenth of that.
    Source: Lorenz 1963, Journal of the Atmospheric Sciences 20(2), equations 25 to 27, with its parameters.

    >>> batch = jax.device_get(Lorenz(length=4, horizon=1).sample(jax.random.key(2), 1))
    >>> print(batch.inputs[0].T.round(2), batch.targets[0].T.round(2))
    [[-0.3  -0.28 -0.31 -0.39]] [[-0.28 -0.31 -0.39 -0.53]]

    Attributes:
        length: the number of steps.
        horizon: how many steps ahead is asked.
    """

    answer: ClassVar = "real"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER

    length: Size = 100
    horizon: Size = 5

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
        trajectory = _attractor()
        return error_without_memory(trajectory[..., 0].T / trajectory[..., 0].std(), self.horizon)

    @property
    def ceiling(self) -> float:
        """No error."""
        return 0.0

    @property
    def threshold(self) -> float:
        """A tenth of the floor."""
        return 0.1 * self.floor

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences: from a point near the attractor, after it has settled."""
        k_start, k_shift = jax.random.split(key)
        trajectory = _attractor()
        starts = jnp.asarray(trajectory[::20].reshape(-1, 3), jnp.float32)
        chosen_B = jax.random.randint(k_start, (batch,), 0, len(starts))
        state_3B = starts[chosen_B].T + jax.random.normal(k_shift, (3, batch))

        def sampled(state_3B: Array, _: None) -> tuple[Array, Array]:
            state_3B = _sampled(state_3B, jnp)
            return state_3B, state_3B[0]

        steps = SETTLING + self.length + self.horizon
        xs_TB = jax.lax.scan(sampled, state_3B, None, length=steps)[1]
        return forecast(xs_TB[SETTLING:].T / float(trajectory[..., 0].std()), self.horizon)


def _sampled(state: Any, xp: Any) -> Any:
    """The state (3, ...) one sample later; `xp` is numpy or jax.numpy."""

    def slope(s: Any) -> Any:
        x, y, z = s
        return xp.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - (8.0 / 3.0) * z])

    for _ in range(2):
        k1 = slope(state)
        k2 = slope(state + STEP / 2 * k1)
        k3 = slope(state + STEP / 2 * k2)
        k4 = slope(state + STEP * k3)
        state = state + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


@lru_cache
def _attractor() -> np.ndarray:
    """256 trajectories of 600 samples on the attractor, (time, trajectories, 3)."""
    state = np.random.RandomState(0).standard_normal((3, 256)) + np.array([[0.0], [0.0], [25.0]])
    states = []
    for n in range(1000):
        state = _sampled(state, np)
        if n >= 400:
            states.append(state.T)
    return np.stack(states)
