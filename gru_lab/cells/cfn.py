"""The chaos-free network of Laurent and von Brecht (2017)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import Bias, GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("cfn")
@dataclass(frozen=True, kw_only=True)
class CFN(GatedCell):
    """Chaos-free network: without input its state can only decay, so it has no chaotic dynamics.

        f  = sigmoid(x W_f + h U_f + b_f)
        i  = sigmoid(x W_i + h U_i + b_i)
        h' = f * tanh(h) + i * tanh(x W_n)

    The paper shows that LSTM and GRU, left alone, are chaotic, and that this is not what makes them work.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Laurent & von Brecht 2017, A recurrent neural network without chaos, arXiv:1612.06212.

    Attributes:
        forget_bias: added to b_f when it is drawn.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    forget_bias: Bias = 1.0

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of f and i, and W_n."""
        return self.remember(gates(self.initializer, key, "fin", inputs, self.hidden, U="fi", b="fi"), key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates f and i."""
        p, h = params, state
        return {g: sigmoid(x @ p[f"W_{g}"] + h @ p[f"U_{g}"] + p[f"b_{g}"]) for g in "fi"}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        gate = self.gate_values(params, state, x)
        return gate["f"] * jnp.tanh(state) + gate["i"] * jnp.tanh(x @ params["W_n"])
