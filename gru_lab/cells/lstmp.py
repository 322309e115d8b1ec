"""The LSTM whose output is projected to fewer units (Sak, Senior and Beaufays 2014)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import Bias, GatedCell, gates, scheme
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Key, Params


@register("lstmp")
@dataclass(frozen=True, kw_only=True)
class LSTMP(GatedCell):
    """LSTM with projection: many cells, of which the recurrence and the layer above see a narrow linear map.

        i  = sigmoid(x W_i + h U_i + b_i)
        f  = sigmoid(x W_f + h U_f + b_f)
        g  = tanh(x W_g + h U_g + b_g)
        o  = sigmoid(x W_o + h U_o + b_o)
        c' = f * c + i * g
        h' = (o * tanh(c')) P

    The recurrent matrices shrink from hidden^2 to projection hidden; speech recognition and translation run it with a
    quarter. The state is (h, c).
    Shapes: x (inputs,), c (hidden,), h (projection,), W_g (inputs, hidden), U_g (projection, hidden), b_g (hidden,),
    P (hidden, projection).
    Source: Sak, Senior, Beaufays 2014, Long Short-Term Memory Based Recurrent Neural Network Architectures for Large
    Vocabulary Speech Recognition, arXiv:1402.1128, without its peepholes.

    Attributes:
        projection: the number of units of h.
        forget_bias: added to b_f when it is drawn.
    """

    witness: ClassVar[str] = "a: torch 2.14.1"
    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    projection: Size = 16
    forget_bias: Bias = 1.0

    def init(self, key: Key, inputs: int) -> Params:
        """W, b of i, f, g, o; U of them from h; P."""
        params = gates(self.initializer, key, "ifgo", inputs, self.hidden, U="")
        draw, keys = scheme(self.initializer, self.hidden), jax.random.split(jax.random.fold_in(key, 1), 5)
        for k, g in zip(keys, "ifgo", strict=False):
            params[f"U_{g}"] = draw.recurrent(k, (self.projection, self.hidden))
        params["P"] = draw.kernel(keys[4], (self.hidden, self.projection))
        return self.remember(params, key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and c."""
        zeros = super().initial_state(params)
        return jnp.zeros(self.projection, zeros.dtype), zeros

    def _affine(self, g: str, params: Params, h: Array, x: Array) -> Array:
        return x @ params[f"W_{g}"] + h @ params[f"U_{g}"] + params[f"b_{g}"]

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates i, f and o."""
        return {g: sigmoid(self._affine(g, params, state[0], x)) for g in "ifo"}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        h, c = state
        gate = self.gate_values(params, state, x)
        c = gate["f"] * c + gate["i"] * jnp.tanh(self._affine("g", params, h, x))
        return (gate["o"] * jnp.tanh(c)) @ params["P"], c

    def read(self, state: Any) -> Float[Array, " O"]:
        """The projected output h."""
        return state[0]
