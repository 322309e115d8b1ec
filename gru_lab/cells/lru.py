"""The linear recurrent unit of Orvieto et al. (2023)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.schema import Probability, Range
from gru_lab.typing import Array, Float, Inexact, Key, Params


@register("lru")
@dataclass(frozen=True, kw_only=True)
class LRU(Cell):
    """Linear recurrent unit: a complex diagonal linear recurrence, stable by its parameterisation.

        lambda = exp(-exp(nu) + i exp(theta))
        h'     = lambda * h + exp(gamma) * (x B)

    What a deep state-space model needs of its recurrence, and no more: no nonlinearity in time, so a
    parallel scan applies. |lambda| < 1 always. The state is complex and the layer above sees (Re h, Im h):
    the paper's output map Re(C h) + D x is any linear layer above.
    Shapes: x (inputs,), h complex (hidden,), B (inputs, 2 hidden: real, imaginary), nu, theta and gamma
    (hidden,).
    Source: Orvieto et al. 2023, Resurrecting Recurrent Neural Networks for Long Sequences, arXiv:2303.06349,
    section 3.

    Attributes:
        r_min: the least |lambda| at first.
        r_max: the greatest |lambda| at first; the squares are uniform in between.
        max_phase: the greatest phase of lambda at first.
    """

    witness: ClassVar[str] = "a: lru-pytorch 0.1.3"

    r_min: Probability = 0.0
    r_max: Annotated[float, Range(0, 1, above=True)] = 1.0
    max_phase: Annotated[float, Range(0, above=True)] = 6.28

    def check(self) -> None:
        """`r_min` must be below `r_max`."""
        if self.r_min >= self.r_max:
            self.refuse("r_min", f"it must be below r_max, {self.r_max:g}")

    def init(self, key: Key, inputs: int) -> Params:
        """Lambda uniform over the ring, B from N(0, 1 / (2 inputs)), gamma so that white noise keeps its power."""
        ku, kp, kB = jax.random.split(key, 3)
        edge = 1e-6  # log 0 at both ends of the ring
        low, high = max(self.r_min, edge) ** 2, min(self.r_max, 1 - edge) ** 2
        square = jax.random.uniform(ku, (self.hidden,), minval=low, maxval=high)
        phase = jax.random.uniform(kp, (self.hidden,), minval=edge, maxval=self.max_phase)
        return {
            "nu": jnp.log(-0.5 * jnp.log(square)),
            "theta": jnp.log(phase),
            "gamma": 0.5 * jnp.log1p(-square),
            "B": jax.random.normal(kB, (inputs, 2 * self.hidden)) / (2 * inputs) ** 0.5,
        }

    def initial_state(self, params: Params) -> Inexact[Array, " H"]:
        """Complex zeros."""
        zeros = super().initial_state(params)
        return jax.lax.complex(zeros, zeros)

    def eigenvalues(self, params: Params) -> Inexact[Array, " H"]:
        """Lambda."""
        size, phase = jnp.exp(-jnp.exp(params["nu"])), jnp.exp(params["theta"])
        return jax.lax.complex(size * jnp.cos(phase), size * jnp.sin(phase))

    def step(self, params: Params, state: Inexact[Array, " H"], x: Float[Array, " I"]) -> Inexact[Array, " H"]:
        """One step of the equation above."""
        u = x @ params["B"]
        u = jax.lax.complex(u[: self.hidden], u[self.hidden :])
        return self.eigenvalues(params) * state + jnp.exp(params["gamma"]).astype(u.dtype) * u

    def read(self, state: Inexact[Array, " H"]) -> Float[Array, " O"]:
        """(Re h, Im h)."""
        return jnp.concatenate([jnp.real(state), jnp.imag(state)])
