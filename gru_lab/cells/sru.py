"""The simple recurrent unit of Lei et al. (2018)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("sru")
@dataclass(frozen=True)
class SRU(GatedCell):
    """Simple recurrent unit: all matrix products see the input only; recurrence is element-wise.

        f  = sigmoid(x W_f + v_f * c + b_f)
        r  = sigmoid(x W_r + v_r * c + b_r)
        c' = f * c + (1 - f) * (x W_n)
        h' = r * c' + (1 - r) * (x W_s)

    As fast as a convolution: the products of all steps are one. r is a highway around the recurrence; the
    paper passes x itself where it is as wide as the state, W_s makes it so. State (h, c).
    Shapes: x (inputs,), h and c (hidden,), W_g (inputs, hidden), v_g and b_g (hidden,).
    Source: Lei et al. 2018, Simple Recurrent Units for Highly Parallelizable Recurrence, arXiv:1709.02755,
    section 3.
    """

    keep: ClassVar[str] = "f"

    def init(self, key: Key, inputs: int) -> Params:
        """W of f, r, n, s; b and v (from U(-1, 1) / sqrt(hidden)) of f and r."""
        params = gates(self.initializer, key, "frns", inputs, self.hidden, U="", b="fr")
        v = jax.random.uniform(jax.random.fold_in(key, 1), (2, self.hidden), minval=-1.0) * self.hidden**-0.5
        return self.remember(params | {"v_f": v[0], "v_r": v[1]}, key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and c."""
        zeros = super().initial_state(params)
        return zeros, zeros

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates f and r."""
        p, (_, c) = params, state
        return {g: sigmoid(x @ p[f"W_{g}"] + p[f"v_{g}"] * c + p[f"b_{g}"]) for g in "fr"}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, gate = params, self.gate_values(params, state, x)
        c = gate["f"] * state[1] + (1 - gate["f"]) * (x @ p["W_n"])
        return gate["r"] * c + (1 - gate["r"]) * (x @ p["W_s"]), c

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h."""
        return state[0]
