"""The simple recurrent unit of Lei et al. (2018)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("sru")
@dataclass(frozen=True, kw_only=True)
class SRU(GatedCell):
    """Simple recurrent unit: all matrix products see the input only; recurrence is element-wise.

        f  = sigmoid(x W_f + v_f * c + b_f)
        r  = sigmoid(x W_r + v_r * c + b_r)
        c' = f * c + (1 - f) * (x W_n)
        h' = r * c' + (1 - r) * (x W_s)

    As fast as a convolution: the products of all steps are one. r is a highway around the recurrence; the
    paper passes x itself where it is as wide as the state, W_s makes it so. State (h, c). At first the gates'
    weights have half the variance of the others, and the highway is scaled so that depth keeps the variance.
    Shapes: x (inputs,), h and c (hidden,), W_g (inputs, hidden), v_g and b_g (hidden,).
    Source: Lei et al. 2018, Simple Recurrent Units for Highly Parallelizable Recurrence, arXiv:1709.02755,
    section 3; code: asappresearch/sru.

    Attributes:
        highway_bias: added to b_r when it is drawn; below 0 begins nearer to the highway.
        rescale: whether W_s begins scaled by sqrt(1 + 2 exp(highway_bias)), as in the paper; the authors' package
            has it as an option that is off.
    """

    witness: ClassVar[str] = "a: sru 2.6.0"
    keep: ClassVar[str] = "f"
    initializer: SchemeName = "lecun"
    highway_bias: float = 0.0
    rescale: bool = True

    def init(self, key: Key, inputs: int) -> Params:
        """W of f, r, n, s; b and v (from U(-sqrt 1.5, sqrt 1.5), of variance 1/2) of f and r."""
        params = gates(self.initializer, key, "frns", inputs, self.hidden, U="", b="fr")
        edge = 1.5**0.5
        v = jax.random.uniform(jax.random.fold_in(key, 1), (2, self.hidden), minval=-edge, maxval=edge)
        for n, g in enumerate("fr"):
            params[f"W_{g}"] *= 0.5**0.5
            params[f"v_{g}"] = v[n]
        params["W_s"] *= math.sqrt(1 + 2 * math.exp(self.highway_bias)) if self.rescale else 1.0
        params["b_r"] += self.highway_bias
        return self.remember(params, key)

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
