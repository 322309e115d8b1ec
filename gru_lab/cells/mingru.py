"""minGRU and minLSTM: the gates see the input only, so time runs in parallel (Feng et al. 2024)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


def _positive(v: Array) -> Array:
    """G(v) = v + 1/2 for v >= 0, sigmoid(v) below: the candidate of the form in logarithms."""
    return jnp.where(v >= 0, v + 0.5, sigmoid(v))


@register("mingru")
@dataclass(frozen=True, kw_only=True)
class MinGRU(GatedCell):
    """minGRU: a GRU without h in its gates and candidate, so that h' is linear in h.

        z  = sigmoid(x W_z + b_z)
        n  = x W_n + b_n             candidate="linear";    G(x W_n + b_n), candidate="positive"
        h' = (1 - z) * h + z * n

    What is left of the GRU when it must train in O(log T) by a parallel scan. z writes. G(v) = v + 1/2 for v
    >= 0 and sigmoid(v) below, as the paper's version in logarithms needs.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), b_g (hidden,).
    Source: Feng et al. 2024, Were RNNs All We Needed?, arXiv:2410.01201, section 3.1 and appendix B.

    Attributes:
        candidate: what n passes through.
    """

    witness: ClassVar[str] = "a: minGRU-pytorch 0.2.1"
    write: ClassVar[str] = "z"
    candidate: Literal["linear", "positive"] = "linear"

    def init(self, key: Key, inputs: int) -> Params:
        """W, b of z and n."""
        return self.remember(gates(self.initializer, key, "zn", inputs, self.hidden, U=""), key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate z."""
        return {"z": sigmoid(x @ params["W_z"] + params["b_z"])}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        z = self.gate_values(params, state, x)["z"]
        n = x @ params["W_n"] + params["b_n"]
        return (1 - z) * state + z * (n if self.candidate == "linear" else _positive(n))


@register("minlstm")
@dataclass(frozen=True, kw_only=True)
class MinLSTM(GatedCell):
    """minLSTM: an LSTM without h in its gates, without output gate, and with gates that sum to one.

        f  = sigmoid(x W_f + b_f),    i = sigmoid(x W_i + b_i)
        n  = x W_n + b_n             candidate="linear";    G(x W_n + b_n), candidate="positive"
        h' = f / (f + i) * h + i / (f + i) * n

    As the minGRU, with two gates whose ratio decides: f / (f + i) = sigmoid(log f - log i), which holds its value
    where both gates underflow.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), b_g (hidden,).
    Source: Feng et al. 2024, Were RNNs All We Needed?, arXiv:2410.01201, section 3.2 and appendix B.

    Attributes:
        candidate: what n passes through.
    """

    witness: ClassVar[str] = "a: minGRU-pytorch 0.2.1"
    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"
    candidate: Literal["linear", "positive"] = "linear"

    def init(self, key: Key, inputs: int) -> Params:
        """W, b of f, i and n."""
        return self.remember(gates(self.initializer, key, "fin", inputs, self.hidden, U=""), key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates f / (f + i) and i / (f + i)."""
        f, i = (log_sigmoid(x @ params[f"W_{g}"] + params[f"b_{g}"]) for g in "fi")
        return {"f": sigmoid(f - i), "i": sigmoid(i - f)}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        gate = self.gate_values(params, state, x)
        n = x @ params["W_n"] + params["b_n"]
        return gate["f"] * state + gate["i"] * (n if self.candidate == "linear" else _positive(n))
