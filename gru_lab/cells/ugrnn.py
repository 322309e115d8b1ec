"""The update gate RNN of Collins et al. (2017)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import Bias, GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("ugrnn")
@dataclass(frozen=True, kw_only=True)
class UGRNN(GatedCell):
    """Update gate RNN: the least that can be put between a vanilla RNN and a GRU, one gate and no reset.

        z  = sigmoid(x W_z + h U_z + b_z)
        n  = tanh(x W_n + h U_n + b_n)
        h' = z * h + (1 - z) * n

    Its paper measures that all cells store about the same per parameter, and that they differ in
    trainability.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Collins, Sohl-Dickstein, Sussillo 2017, Capacity and Trainability in RNNs, arXiv:1611.09913.

    Attributes:
        forget_bias: the paper's forget bias.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    keep: ClassVar[str] = "z"
    forget_bias: Bias = 1.0

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
        n = jnp.tanh(x @ p["W_n"] + h @ p["U_n"] + p["b_n"])
        return z * h + (1 - z) * n
