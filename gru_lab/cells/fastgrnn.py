"""FastRNN and FastGRNN, made for microcontrollers (Kusupati 2018)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import GatedCell, SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("fastrnn")
@dataclass(frozen=True, kw_only=True)
class FastRNN(Cell):
    """FastRNN: a vanilla RNN behind a residual connection with two learned scalar weights.

        n  = tanh(x W_h + h U_h + b_h)
        h' = sigmoid(alpha) n + sigmoid(beta) h

    Two scalars are enough to train a vanilla RNN stably. Its biases begin at 1, as in the authors' code.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), U_h (hidden, hidden), b_h (hidden,), alpha and
    beta ().
    Source: Kusupati et al. 2018, FastGRNN, arXiv:1901.02358, section 3.1; code: microsoft/EdgeML.

    Attributes:
        alpha: the scalar alpha at first; sigmoid(-3) is 0.05.
        beta: the scalar beta at first; sigmoid(3) is 0.95.
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"

    alpha: float = -3.0
    beta: float = 3.0
    initializer: SchemeName = "edgeml"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, U_h, b_h, alpha, beta."""
        params = gates(self.initializer, key, "h", inputs, self.hidden)
        return params | {"alpha": jnp.asarray(self.alpha), "beta": jnp.asarray(self.beta)}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        n = jnp.tanh(x @ p["W_h"] + h @ p["U_h"] + p["b_h"])
        return sigmoid(p["alpha"]) * n + sigmoid(p["beta"]) * h


@register("fastgrnn")
@dataclass(frozen=True, kw_only=True)
class FastGRNN(GatedCell):
    """FastGRNN: a gate that shares its matrices with the candidate, so that it costs one bias.

        a  = x W + h U
        z  = sigmoid(a + b_z)
        n  = tanh(a + b_n)
        h' = z * h + (sigmoid(zeta) (1 - z) + sigmoid(nu)) * n

    A gated cell at the price of a vanilla RNN; the paper's low-rank, sparse, quantised weights are not done
    here. Its biases begin at 1, as in the authors' code.
    Shapes: x (inputs,), h (hidden,), W_a (inputs, hidden), U_a (hidden, hidden), b_g (hidden,), zeta and nu
    ().
    Source: Kusupati et al. 2018, FastGRNN, arXiv:1901.02358, section 3.2; code: microsoft/EdgeML.

    Attributes:
        zeta: the scalar zeta at first.
        nu: the scalar nu at first.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    keep: ClassVar[str] = "z"
    initializer: SchemeName = "edgeml"
    zeta: float = 1.0
    nu: float = -4.0

    def init(self, key: Key, inputs: int) -> Params:
        """W_a, U_a, b_z, b_n, zeta, nu."""
        params = gates(self.initializer, key, "a", inputs, self.hidden, b="zn")
        return self.remember(params, key) | {"zeta": jnp.asarray(self.zeta), "nu": jnp.asarray(self.nu)}

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate z."""
        return {"z": self._gate(params, x @ params["W_a"] + state @ params["U_a"])}

    def _gate(self, params: Params, a: Array) -> Array:
        return sigmoid(a + params["b_z"])

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        a = x @ p["W_a"] + h @ p["U_a"]
        z, n = self._gate(params, a), jnp.tanh(a + p["b_n"])
        return z * h + (sigmoid(p["zeta"]) * (1 - z) + sigmoid(p["nu"])) * n
