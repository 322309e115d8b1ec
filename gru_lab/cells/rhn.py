"""The recurrent highway network of Zilly et al. (2017)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Range
from gru_lab.typing import Array, Float, Key, Params


@register("rhn")
@dataclass(frozen=True, kw_only=True)
class RHN(Cell):
    """Recurrent highway network: several highway layers between one time step and the next.

        s_0 = h;   for l = 1 .. depth:
        n   = tanh([l = 1] x W_n + s U_n_l + b_n_l)
        t   = sigmoid([l = 1] x W_t + s U_t_l + b_t_l)
        s_l = t * n + (1 - t) * s_(l-1)
        h'  = s_depth

    Depth in time: most cells apply one nonlinear layer per time step, this one `depth` of them. Transform and
    carry gates are coupled, as in the paper's experiments.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g_l (hidden, hidden), b_g_l (hidden,).
    Source: Zilly et al. 2017, Recurrent Highway Networks, arXiv:1607.03474, equations 6-9.

    Attributes:
        depth: the number of highway layers per step.
        transform_bias: added to b_t when it is drawn; below 0 carries at first.
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = "c: jzilly/RecurrentHighwayNetworks/rhn.py, RHNCell, at 264cfe7"

    depth: Annotated[int, Range(1, 13)] = 2
    transform_bias: float = -2.0
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W of n and t; U and b of n and t for every layer 1 .. depth."""
        letters = "".join(chr(ord("a") + n) for n in range(2 * self.depth))
        params = gates(self.initializer, key, "nt", inputs, self.hidden, U="", b="")
        drawn = gates(self.initializer, key, "", inputs, self.hidden, U=letters, b=letters)
        for n, letter in enumerate(letters):
            name = f"{'nt'[n % 2]}_{n // 2 + 1}"
            params[f"U_{name}"], params[f"b_{name}"] = drawn[f"U_{letter}"], drawn[f"b_{letter}"]
            if n % 2:
                params[f"b_{name}"] += self.transform_bias
        return params

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, s = params, state
        for layer in range(1, self.depth + 1):
            n = s @ p[f"U_n_{layer}"] + p[f"b_n_{layer}"]
            t = s @ p[f"U_t_{layer}"] + p[f"b_t_{layer}"]
            if layer == 1:
                n, t = n + x @ p["W_n"], t + x @ p["W_t"]
            t = sigmoid(t)
            s = t * jnp.tanh(n) + (1 - t) * s
        return s
