"""The three cells that an evolutionary search found (Jozefowicz 2015)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("mut")
@dataclass(frozen=True, kw_only=True)
class MUT(GatedCell):
    """MUT1, MUT2, MUT3: the best of ten thousand mutated cells, each a GRU with something left out.

        z  = sigmoid(x W_z + b_z)                    1: the update gate sees the input only
        z  = sigmoid(x W_z + h U_z + b_z)            2
        z  = sigmoid(x W_z + tanh(h) U_z + b_z)      3
        r  = sigmoid(x W_r + h U_r + b_r)            1, 2, 3
        n  = tanh((r * h) U_n + tanh(x W_n) + b_n)   1
        n  = tanh((r * h) U_n + x W_n + b_n)         2, 3
        h' = z * n + (1 - z) * h

    The search began at LSTM and GRU and found nothing that beats them everywhere. Where the paper adds the
    input itself (x in n of MUT1 and in r of MUT2), which fits only if inputs and hidden are equal, it goes
    through W here.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Jozefowicz, Zaremba, Sutskever 2015, An Empirical Exploration of Recurrent Network Architectures,
    ICML.

    Attributes:
        variant: 1, 2 or 3.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    write: ClassVar[str] = "z"
    variant: Literal[1, 2, 3] = 1

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of z, r and n; MUT1 has no U_z."""
        U = "rn" if self.variant == 1 else "zrn"
        return self.remember(gates(self.initializer, key, "zrn", inputs, self.hidden, U=U), key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates z and r."""
        p, h = params, state
        z = x @ p["W_z"] + p["b_z"]
        if self.variant != 1:
            z += (h if self.variant == 2 else jnp.tanh(h)) @ p["U_z"]
        return {"z": sigmoid(z), "r": sigmoid(x @ p["W_r"] + h @ p["U_r"] + p["b_r"])}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        gate = self.gate_values(params, state, x)
        seen = x @ p["W_n"]
        n = jnp.tanh((gate["r"] * h) @ p["U_n"] + (jnp.tanh(seen) if self.variant == 1 else seen) + p["b_n"])
        return gate["z"] * n + (1 - gate["z"]) * h
