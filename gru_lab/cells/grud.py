"""The GRU with decays for missing values of Che et al. (2018)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.nn import relu, sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.schema import UserError
from gru_lab.typing import Array, Float, Key, Params


@register("grud")
@dataclass(frozen=True, kw_only=True)
class GRUD(GatedCell):
    """GRU-D: what was not observed fades, in the input towards its mean 0 and in the state towards 0.

        a  = exp(-relu(d * w_a + b_a)),    k' = m * v + (1 - m) * k
        u  = m * v + (1 - m) * a * k'
        g  = exp(-relu(d D_h + b_d)) * h
        z  = sigmoid(u W_z + (1 - m) V_z + g U_z + b_z)
        r  = sigmoid(u W_r + (1 - m) V_r + g U_r + b_r)
        n  = tanh(u W_n + (1 - m) V_n + (r * g) U_n + b_n)
        h' = z * g + (1 - z) * n

    Values v, a mask m that is 1 where a value was observed, and the time d since the last observation of each variable.
    With `masked` an input is these three, one behind the other: x = (v, m, d), so that the number of inputs is three
    times that of the variables. Without, as every task gives them, all values are observed, one unit of time apart: m
    and d are 1. Values must be standardised: the mean to which an input fades is 0. State (h, k), k the last
    observed values. The authors' code has 1 - m and z * h, as here, where the paper has m and z * g; its sigmoids
    are hard ones by default.
    Shapes: x (inputs,), v, m, d and k (variables,), h (hidden,), w_a and b_a (variables,), D_h (variables, hidden),
    b_d (hidden,), W_g and V_g (variables, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Che et al. 2018, Recurrent Neural Networks for Multivariate Time Series with Missing Values,
    arXiv:1606.01865, equations 10-16; code: PeterChe1990/GRU-D.

    Attributes:
        masked: whether an input holds values, mask and times.
        decayed: whether z keeps the decayed state, as in the paper, or the state before its decay, as in the code.
    """

    witness: ClassVar[str] = "c: PeterChe1990/GRU-D/nn_utils/grud_layers.py, GRUDCell.call, at 9e1274a"
    keep: ClassVar[str] = "z"

    masked: bool = False
    decayed: bool = False

    def _variables(self, inputs: int) -> int:
        if self.masked and inputs % 3:
            raise UserError(f"cell.masked is True: inputs are values, mask and times, and {inputs} is no multiple of 3")
        return inputs // 3 if self.masked else inputs

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b and V of z, r, n; w_a, b_a, D_h and b_d, which begin at 0: nothing fades at first."""
        size = self._variables(inputs)
        params = gates(self.initializer, key, "zrn", size, self.hidden)
        of_mask = gates(self.initializer, jax.random.fold_in(key, 1), "zrn", size, self.hidden, U="", b="")
        params |= {name.replace("W", "V"): matrix for name, matrix in of_mask.items()}
        params |= {"w_a": jnp.zeros(size), "b_a": jnp.zeros(size)}
        params |= {"D_h": jnp.zeros((size, self.hidden)), "b_d": jnp.zeros(self.hidden)}
        return self.remember(params, key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and k."""
        return super().initial_state(params), jnp.zeros_like(params["w_a"])

    def _seen(self, params: Params, state: Any, x: Array) -> tuple[Array, Array, Array, Array]:
        """The input u, the mask of what is missing, the decayed state g, and k'."""
        p, (h, k) = params, state
        v, m, d = jnp.split(x, 3) if self.masked else (x, jnp.ones_like(x), jnp.ones_like(x))
        k = m * v + (1 - m) * k
        u = m * v + (1 - m) * jnp.exp(-relu(d * p["w_a"] + p["b_a"])) * k
        return u, 1 - m, jnp.exp(-relu(d @ p["D_h"] + p["b_d"])) * h, k

    def _affine(self, letter: str, params: Params, u: Array, missing: Array, h: Array) -> Array:
        p = params
        return u @ p[f"W_{letter}"] + missing @ p[f"V_{letter}"] + h @ p[f"U_{letter}"] + p[f"b_{letter}"]

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates z and r."""
        u, missing, g, _ = self._seen(params, state, x)
        return {letter: sigmoid(self._affine(letter, params, u, missing, g)) for letter in "zr"}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        u, missing, g, k = self._seen(params, state, x)
        gate = {letter: sigmoid(self._affine(letter, params, u, missing, g)) for letter in "zr"}
        n = jnp.tanh(self._affine("n", params, u, missing, gate["r"] * g))
        return gate["z"] * (g if self.decayed else state[0]) + (1 - gate["z"]) * n, k

    def read(self, state: Any) -> Float[Array, " H"]:
        """The state h."""
        return state[0]
