"""The STAckable Recurrent cell of Turkoglu et al. (2021)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("star")
@dataclass(frozen=True, kw_only=True)
class STAR(GatedCell):
    """STAR: a cell whose gradient keeps its size across layers as well as across time.

        z  = tanh(x W_z + b_z)
        k  = sigmoid(x W_k + h U_k + b_k)
        w  = sigmoid(x W_k + h U_k + b_k + beta)
        h' = tanh((1 - k) * h + w * z)

    Derived from the gradients of stacked LSTMs, which vanish with depth. k writes, and w is k as it scales what
    is written: the same in the paper (beta = 0), more than is let go in the authors' code (beta = 1, chrono
    biases), which is the default here.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_k (hidden, hidden), b_g (hidden,).
    Source: Turkoglu et al. 2021, Gating Revisited: Deep Multi-layer RNNs That Can Be Trained,
    arXiv:1911.11033; code: 0zgur0/STAckable-Recurrent-network.

    Attributes:
        beta: how much more is written than let go; 0 is the paper's cell.
    """

    witness: ClassVar[str] = (
        "a: torchrecurrent 0.2.5 (beta=0); c: 0zgur0/STAckable-Recurrent-network/star.py, STARCell, at 811d1f9"
    )
    write: ClassVar[str] = "k"
    gate_init: Literal["constant", "chrono", "ugi"] = "chrono"
    initializer: SchemeName = "orthogonal"
    beta: float = 1.0

    def init(self, key: Key, inputs: int) -> Params:
        """W, b of z and k, and U_k."""
        return self.remember(gates(self.initializer, key, "zk", inputs, self.hidden, U="k"), key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate k, and what it becomes for the write, w."""
        s = x @ params["W_k"] + state @ params["U_k"] + params["b_k"]
        return {"k": sigmoid(s), "w": sigmoid(s + self.beta)}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        gate = self.gate_values(params, state, x)
        z = jnp.tanh(x @ params["W_z"] + params["b_z"])
        return jnp.tanh((1 - gate["k"]) * state + gate["w"] * z)
