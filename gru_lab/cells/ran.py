"""The recurrent additive network of Lee, Levy and Zettlemoyer (2017)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("ran")
@dataclass(frozen=True, kw_only=True)
class RAN(GatedCell):
    """Recurrent additive network: the state is a gated sum of linear maps of the inputs, and nothing else.

        i  = sigmoid(x W_i + h U_i + b_i)
        f  = sigmoid(x W_f + h U_f + b_f)
        c' = f * c + i * (x W_c)
        h' = g(c'),    g = tanh or identity

    An LSTM whose content is never recurrent: every state is a weighted sum of the inputs, which can be read
    off. The state is (h, c).
    Shapes: x (inputs,), h and c (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Lee, Levy, Zettlemoyer 2017, Recurrent Additive Networks, arXiv:1705.07393.

    Attributes:
        output: g.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    output: Literal["tanh", "identity"] = "tanh"

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of i and f, and W_c."""
        return self.remember(gates(self.initializer, key, "ifc", inputs, self.hidden, U="if", b="if"), key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and c."""
        zeros = super().initial_state(params)
        return zeros, zeros

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates i and f."""
        p, (h, _) = params, state
        return {g: sigmoid(x @ p[f"W_{g}"] + h @ p[f"U_{g}"] + p[f"b_{g}"]) for g in "if"}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        gate = self.gate_values(params, state, x)
        c = gate["f"] * state[1] + gate["i"] * (x @ params["W_c"])
        return (jnp.tanh(c) if self.output == "tanh" else c), c

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h."""
        return state[0]
