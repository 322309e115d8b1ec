"""The closed-form continuous-time network of Hasani et al. (2022)."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates, scheme
from gru_lab.schema import Positive, Size
from gru_lab.typing import Array, Float, Key, Params


@register("cfc")
@dataclass(frozen=True, kw_only=True)
class CfC(Cell):
    """Closed-form continuous time: the solution of a liquid neuron's equation, approximated, instead of a solver.

        s  = 1.7159 tanh(0.666 (x W_s + h U_s + b_s))
        f  = tanh(s W_f + b_f),    g = tanh(s W_g + b_g)
        t  = sigmoid(elapsed (s W_a + b_a) + s W_b + b_b)
        h' = (1 - t) * f + t * g

    A network of two layers per step, whose gate t knows how much time has passed; with samples at equal distances, as
    here, that is a constant.
    Shapes: x (inputs,), h (hidden,), s (backbone,), W_s (inputs, backbone), U_s (hidden, backbone), b_s (backbone,),
    other W_g (backbone, hidden), b_g (hidden,).
    Source: Hasani et al. 2022, Closed-form continuous-time neural networks, Nature Machine Intelligence 4,
    arXiv:2106.13898, equation 10; code: mlech26l/ncps.

    Attributes:
        backbone: the number of units of s; as many as h has if null (the authors' package has 128).
        elapsed: the time between two samples.
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = "a: ncps 1.0.1"

    backbone: Size | None = None
    elapsed: Positive = 1.0
    initializer: SchemeName = "glorot"

    def init(self, key: Key, inputs: int) -> Params:
        """W_s, U_s, b_s; W and b of f, g, a and b."""
        kU, kW = jax.random.split(jax.random.fold_in(key, 1))
        units = self.backbone or self.hidden
        params = gates(self.initializer, kW, "s", inputs, units, U="")
        params["U_s"] = scheme(self.initializer, units).kernel(kU, (self.hidden, units))
        return params | gates(self.initializer, key, "fgab", units, self.hidden, U="")

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p = params
        s = 1.7159 * jnp.tanh(0.666 * (x @ p["W_s"] + state @ p["U_s"] + p["b_s"]))
        f, g, a, b = (s @ p[f"W_{k}"] + p[f"b_{k}"] for k in "fgab")
        t = sigmoid(self.elapsed * a + b)
        return (1 - t) * jnp.tanh(f) + t * jnp.tanh(g)
