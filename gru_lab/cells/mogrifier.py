"""The Mogrifier LSTM of Melis, Kocisky and Blunsom (2020)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import Bias, GatedCell, gates, scheme
from gru_lab.schema import Count
from gru_lab.typing import Array, Float, Key, Params


@register("mogrifier")
@dataclass(frozen=True, kw_only=True)
class Mogrifier(GatedCell):
    """Mogrifier LSTM: before the LSTM sees them, input and state scale each other in turns.

        x <- 2 sigmoid(h Q + b_x) * x    in rounds 1, 3, ...
        h <- 2 sigmoid(x R + b_h) * h    in rounds 2, 4, ...
        i  = sigmoid(x W_i + h U_i + b_i)
        f  = sigmoid(x W_f + h U_f + b_f)
        g  = tanh(x W_g + h U_g + b_g)
        o  = sigmoid(x W_o + h U_o + b_o)
        c' = f * c + i * g
        h' = o * tanh(c')

    The cheapest way to let the meaning of an input depend on what came before. The state is (h, c). The paper has a
    matrix for each round, full or of low rank, and no b_x and b_h; here, as in the package beside which it is tested,
    the rounds share Q and R.
    Shapes: x (inputs,), h and c (hidden,), Q (hidden, inputs), R (inputs, hidden), b_x (inputs,), W_g (inputs, hidden),
    U_g (hidden, hidden), b_g and b_h (hidden,).
    Source: Melis, Kocisky, Blunsom 2020, Mogrifier LSTM, arXiv:1909.01792, section 2.

    Attributes:
        rounds: how often they scale each other; 0 is the LSTM.
        forget_bias: added to b_f when it is drawn.
    """

    witness: ClassVar[str] = "a: mogrifier 0.0.5"
    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    rounds: Count = 5
    forget_bias: Bias = 1.0

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of i, f, g, o; Q, R, b_x, b_h."""
        params = gates(self.initializer, key, "ifgo", inputs, self.hidden)
        draw, (kQ, kR, kx, kh) = scheme(self.initializer, self.hidden), jax.random.split(jax.random.fold_in(key, 1), 4)
        params |= {"Q": draw.kernel(kQ, (self.hidden, inputs)), "R": draw.kernel(kR, (inputs, self.hidden))}
        params |= {"b_x": draw.bias(kx, (inputs,)), "b_h": draw.bias(kh, (self.hidden,))}
        return self.remember(params, key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and c."""
        zeros = super().initial_state(params)
        return zeros, zeros

    def _scaled(self, params: Params, h: Array, x: Array) -> tuple[Array, Array]:
        for n in range(self.rounds):
            if n % 2:
                h = 2 * sigmoid(x @ params["R"] + params["b_h"]) * h
            else:
                x = 2 * sigmoid(h @ params["Q"] + params["b_x"]) * x
        return h, x

    def _affine(self, g: str, params: Params, h: Array, x: Array) -> Array:
        return x @ params[f"W_{g}"] + h @ params[f"U_{g}"] + params[f"b_{g}"]

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates i, f and o."""
        h, x = self._scaled(params, state[0], x)
        return {g: sigmoid(self._affine(g, params, h, x)) for g in "ifo"}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        h, x = self._scaled(params, state[0], x)
        i, f, o = (sigmoid(self._affine(g, params, h, x)) for g in "ifo")
        c = f * state[1] + i * jnp.tanh(self._affine("g", params, h, x))
        return o * jnp.tanh(c), c

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h."""
        return state[0]
