"""The independently recurrent network of Li et al. (2018)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive
from gru_lab.typing import Array, Float, Key, Params


@register("indrnn")
@dataclass(frozen=True, kw_only=True)
class IndRNN(Cell):
    """Independently recurrent network: each unit sees its own past only, so its gradient is a plain power.

        h' = f(x W_h + u_h * h + b_h),    f = relu or tanh

    One weight per unit instead of a matrix: units mix in the layers above. |u_h| near 1 remembers; after every
    update it is held to magnitude^(1 / length), so that no unit grows by more than `magnitude` over a sequence. Where
    only the last step is read, as in the adding problem, the authors begin the last layer at u = 1, or near it.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), u_h and b_h (hidden,).
    Source: Li et al. 2018, Independently Recurrent Neural Network, arXiv:1803.04831; code:
    Sunnydreamrain/IndRNN_pytorch.

    Attributes:
        nonlinearity: f.
        u_min: the least u_h at first.
        u_max: the greatest u_h at first; uniform in between.
        magnitude: the greatest gain of a unit over a sequence.
        initializer: the scheme that draws W_h and b_h.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"

    nonlinearity: Literal["relu", "tanh"] = "relu"
    u_min: float = 0.0
    u_max: float = 1.0
    magnitude: Positive = 5.0
    initializer: SchemeName = "keras"

    def check(self) -> None:
        """`u_min` must be at most `u_max`."""
        if self.u_min > self.u_max:
            self.refuse("u_min", f"it must be at most u_max, {self.u_max:g}")

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, b_h and u_h."""
        u = jax.random.uniform(jax.random.fold_in(key, 1), (self.hidden,), minval=self.u_min, maxval=self.u_max)
        return gates(self.initializer, key, "h", inputs, self.hidden, U="") | {"u_h": u}

    def constrain(self, params: Params, length: int) -> Params:
        """The weights with |u_h| at most magnitude^(1 / length)."""
        bound = self.magnitude ** (1 / length)
        return params | {"u_h": jnp.clip(params["u_h"], -bound, bound)}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equation above."""
        p, h = params, state
        f = jax.nn.relu if self.nonlinearity == "relu" else jnp.tanh
        return f(x @ p["W_h"] + p["u_h"] * h + p["b_h"])
