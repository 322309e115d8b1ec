"""The light GRU of Ravanelli et al. (2018)."""

from dataclasses import dataclass
from typing import ClassVar

import jax
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("ligru")
@dataclass(frozen=True, kw_only=True)
class LiGRU(GatedCell):
    """Light GRU: no reset gate, and a rectified candidate, made for speech.

        z  = sigmoid(x W_z + h U_z + b_z)
        n  = relu(x W_n + h U_n + b_n)
        h' = z * h + (1 - z) * n

    In speech the reset gate repeats what the update gate says. The paper normalises x W over the batch,
    which keeps the rectified state bounded; a step of one example has no batch, so here it is a bias.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Ravanelli et al. 2018, Light Gated Recurrent Units for Speech Recognition, arXiv:1803.10225.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    keep: ClassVar[str] = "z"

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of z and n."""
        return self.remember(gates(self.initializer, key, "zn", inputs, self.hidden), key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate z."""
        return {"z": sigmoid(x @ params["W_z"] + state @ params["U_z"] + params["b_z"])}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        z = self.gate_values(params, state, x)["z"]
        n = jax.nn.relu(x @ p["W_n"] + h @ p["U_n"] + p["b_n"])
        return z * h + (1 - z) * n
