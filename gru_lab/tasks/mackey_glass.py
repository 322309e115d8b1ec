"""The Mackey-Glass equation, a delay differential equation with chaos, to be forecast."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch
from gru_lab.schema import Size
from gru_lab.tasks.forecasting import error_without_memory, forecast
from gru_lab.tasks.task import LADDER, Task, register
from gru_lab.typing import Array, Key

GROWTH, DECAY, POWER, PER_UNIT = 0.2, 0.1, 10, 2  # Runge-Kutta steps per time unit
SHIFT, SETTLING = 0.02, 4  # of a start; delays until it is on the attractor again


@register("mackey_glass")
@dataclass(frozen=True, kw_only=True)
class MackeyGlass(Task):
    """dx/dt = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x, sampled every time unit.

        horizon=6    input x(0) x(1) x(2) ...    target x(6) x(7) x(8) ...

    Integrated on the device by the classical Runge-Kutta method of order 4 with the fixed step 0.5. Within one delay
    the delayed term is known, so that the equation is linear in x: a whole delay of such steps is one product with a
    matrix and gives the numbers of step after step. The delayed term at half steps comes from cubic interpolation. x is
    shifted by its mean and divided by its standard deviation on the attractor.
    Inputs and targets (length, 1), one answer per step. A long past determines the future: the ceiling is 0. The floor
    is the variance of the future given the present, of a long trajectory. Solved: a tenth of that.
    Source: Mackey & Glass 1977, Science 197(4300); the delays 17 (mild chaos) and 30 of Jaeger & Haas 2004, Science
    304(5667).

    >>> batch = jax.device_get(MackeyGlass(length=4, horizon=1).sample(jax.random.key(0), 1))
    >>> print(batch.inputs[0].T.round(2), batch.targets[0].T.round(2))
    [[-1.98 -2.03 -2.04 -1.97]] [[-2.03 -2.04 -1.97 -1.83]]

    Attributes:
        length: the number of steps.
        horizon: how many steps ahead is asked.
        delay: the delay of the equation, in time units.
    """

    answer: ClassVar = "real"
    readout: ClassVar = "every"
    ladder: ClassVar = LADDER

    length: Size = 100
    horizon: Size = 6
    delay: Literal[17, 30] = 17

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
        series = _attractor(self.delay)[:, ::PER_UNIT]
        return error_without_memory(series / series.std(), self.horizon)

    @property
    def ceiling(self) -> float:
        """No error."""
        return 0.0

    @property
    def threshold(self) -> float:
        """A tenth of the floor."""
        return 0.1 * self.floor

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences: from a stretch of the attractor that is shifted, after it has settled."""
        k_row, k_start, k_shift = jax.random.split(key, 3)
        attractor, width = _attractor(self.delay), self.delay * PER_UNIT
        rows_B1 = jax.random.randint(k_row, (batch, 1), 0, attractor.shape[0])
        starts_B1 = jax.random.randint(k_start, (batch, 1), 0, attractor.shape[1] - width)
        past_BW = jnp.asarray(attractor, jnp.float32)[rows_B1, starts_B1 + jnp.arange(width + 1)[None]]
        past_BW += jax.random.uniform(k_shift, (batch, 1), minval=-SHIFT, maxval=SHIFT)
        matrices = [jnp.asarray(each, jnp.float32) for each in _matrices(self.delay)]

        def one_delay(past_BW: Array, _: None) -> tuple[Array, Array]:
            later_BW = _one_delay(past_BW, matrices)
            return later_BW, later_BW[:, 1:]

        units = self.length + self.horizon
        delays = SETTLING - (-units // self.delay)
        xs_NBW = jax.lax.scan(one_delay, past_BW, None, length=delays)[1][SETTLING:]
        xs_BT = xs_NBW.transpose(1, 0, 2).reshape(batch, -1)[:, ::PER_UNIT][:, :units]
        return forecast((xs_BT - float(attractor.mean())) / float(attractor.std()), self.horizon)


def _one_delay(past: Any, matrices: Any) -> Any:
    """The values over the next delay, (batch, steps + 1), from those over the last one; the first is the old last."""
    between, at_steps, at_halves, carried = matrices

    def grown(x: Any) -> Any:
        return GROWTH * x / (1 + x**POWER)

    return past[:, -1:] * carried[None] + grown(past) @ at_steps + grown(past @ between) @ at_halves


@lru_cache
def _matrices(delay: int) -> tuple[np.ndarray, ...]:
    """The Runge-Kutta steps over one delay as matrices, for the values x_0 ... x_w of the delay before.

    `between` interpolates at half steps by cubics. With the forcing g, a step is x' = a x + b g_n + c g_{n+1/2} +
    d g_{n+1}; its numbers follow from the method applied to x' = g(t) - decay x.
    """
    width, h = delay * PER_UNIT, 1 / PER_UNIT

    def step(x: float, g0: float, half: float, g1: float) -> float:
        k1 = g0 - DECAY * x
        k2 = half - DECAY * (x + h / 2 * k1)
        k3 = half - DECAY * (x + h / 2 * k2)
        k4 = g1 - DECAY * (x + h * k3)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    a, b, c, d = (step(*each) for each in np.eye(4))
    between = np.zeros((width + 1, width))
    for n in range(width):
        nodes = min(max(n - 1, 0), width - 3) + np.arange(4)
        for node in nodes:
            others = nodes[nodes != node]
            between[node, n] = np.prod((n + 0.5 - others) / (node - others))
    lags = np.arange(width + 1) - np.arange(1, width + 1)[:, None]  # from the end of a step to a later value
    reached = np.where(lags >= 0, a ** np.maximum(lags, 0), 0.0)  # (steps, values)
    steps, ends = np.eye(width + 1, width), np.eye(width + 1, width, k=-1)
    return between, (b * steps + d * ends) @ reached, c * reached, a ** np.arange(width + 1)


@lru_cache
def _attractor(delay: int) -> np.ndarray:
    """128 trajectories on the attractor, (trajectories, steps)."""
    state = np.random.RandomState(0).uniform(0.5, 1.3, (128, 1)) * np.ones((1, delay * PER_UNIT + 1))
    matrices, states = _matrices(delay), []
    for n in range(100):
        state = _one_delay(state, matrices)
        if n >= 40:
            states.append(state[:, 1:])
    return np.concatenate(states, axis=1)
