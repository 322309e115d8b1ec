"""JANET: an LSTM with nothing but the forget gate (van der Westhuizen and Lasenby 2018)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("janet")
@dataclass(frozen=True, kw_only=True)
class JANET(GatedCell):
    """JANET, "just another network": the forget gate alone, with chrono initialisation.

        s  = x W_f + h U_f + b_f
        n  = tanh(x W_n + h U_n + b_n)
        h' = sigmoid(s) * h + (1 - sigmoid(s - beta)) * n

    Shows that, once the gates begin with the right time scales, one of the LSTM's three gates is enough. The
    authors set t_max to the length T of the task's sequences and draw b_f = log u with u from U(1, T), one step
    beyond the chrono initialisation here, and all matrices Glorot-uniform.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: van der Westhuizen & Lasenby 2018, The unreasonable effectiveness of the forget gate,
    arXiv:1804.04849; code: JosvanderWesthuizen/janet.

    Attributes:
        beta: above 0 more is written than the forget gate lets go, as the paper does with 1.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    keep: ClassVar[str] = "f"
    gate_init: Literal["constant", "chrono", "ugi"] = "chrono"
    initializer: SchemeName = "glorot"
    beta: float = 1.0

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of f and n."""
        return self.remember(gates(self.initializer, key, "fn", inputs, self.hidden), key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate f, and what it becomes for the write, w = sigmoid(s - beta)."""
        s = x @ params["W_f"] + state @ params["U_f"] + params["b_f"]
        return {"f": sigmoid(s), "w": sigmoid(s - self.beta)}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        gate = self.gate_values(params, state, x)
        n = jnp.tanh(x @ p["W_n"] + h @ p["U_n"] + p["b_n"])
        return gate["f"] * h + (1 - gate["w"]) * n
