"""The minimal RNN of Chen (2017)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("minimalrnn")
@dataclass(frozen=True, kw_only=True)
class MinimalRNN(GatedCell):
    """Minimal RNN: the input is mapped into a latent space, and a gate mixes it into the state.

        z  = tanh(x W_z + b_z)
        u  = sigmoid(h U_u + z V_u + b_u)
        h' = u * h + (1 - u) * z

    Its only recurrent matrix is the gate's, simple enough for a mean-field theory of how to initialise it.
    Shapes: x (inputs,), h and z (hidden,), W_z (inputs, hidden), U_u and V_u (hidden, hidden), b (hidden,).
    Source: Chen 2017, MinimalRNN, arXiv:1711.06788; the theory: Chen, Pennington, Schoenholz 2018,
    arXiv:1806.05394.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    keep: ClassVar[str] = "u"

    def init(self, key: Key, inputs: int) -> Params:
        """W_z, b_z; U_u, V_u, b_u."""
        params = gates(self.initializer, key, "z", inputs, self.hidden, U="u", b="zu")
        (V,) = gates(self.initializer, key, "V", self.hidden, self.hidden, U="", b="").values()
        return self.remember(params | {"V_u": V}, key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate u."""
        return {"u": self._gate(params, state, self._latent(params, x))}

    def _latent(self, params: Params, x: Array) -> Array:
        return jnp.tanh(x @ params["W_z"] + params["b_z"])

    def _gate(self, params: Params, h: Array, z: Array) -> Array:
        return sigmoid(h @ params["U_u"] + z @ params["V_u"] + params["b_u"])

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        z = self._latent(params, x)
        u = self._gate(params, state, z)
        return u * state + (1 - u) * z
