"""The long short-term memory of Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates, scheme
from gru_lab.typing import Array, Float, Key, Params


@register("lstm")
@dataclass(frozen=True)
class LSTM(Cell):
    """Long short-term memory: three gates guard a cell c that carries the gradient additively.

        i  = sigmoid(x W_i + h U_i + p_i * c + b_i)
        f  = sigmoid(x W_f + h U_f + p_f * c + b_f)
        g  = tanh(x W_g + h U_g + b_g)
        c' = f * c + i * g
        o  = sigmoid(x W_o + h U_o + p_o * c' + b_o)
        h' = o * tanh(c')

    The state is (h, c). The peepholes p exist only with `peephole=True`. `forget_bias` is added to b_f when it is
    drawn (Gers 2000; Jozefowicz 2015 advise 1), not at run time.
    Shapes: x (inputs,), h and c (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g and p_g (hidden,).
    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8); Gers et al. 2000, Neural Computation 12(10);
    the peepholes: Gers et al. 2002, JMLR 3.
    """

    forget_bias: float = 1.0
    peephole: bool = False
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of i, f, g, o by the scheme of `initializer`, `forget_bias` added to b_f; p as the biases."""
        params = gates(self.initializer, key, "ifgo", inputs, self.hidden)
        params["b_f"] += self.forget_bias
        if self.peephole:
            bias = scheme(self.initializer, self.hidden).bias
            for n, gate in enumerate("ifo", start=4):
                params[f"p_{gate}"] = bias(jax.random.fold_in(key, n), (self.hidden,))
        return params

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and c."""
        zeros = super().initial_state(params)
        return zeros, zeros

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p = params
        h, c = state

        def peep(gate: str, cell: Array) -> Array | float:
            return p[f"p_{gate}"] * cell if self.peephole else 0.0

        i = sigmoid(x @ p["W_i"] + h @ p["U_i"] + peep("i", c) + p["b_i"])
        f = sigmoid(x @ p["W_f"] + h @ p["U_f"] + peep("f", c) + p["b_f"])
        g = jnp.tanh(x @ p["W_g"] + h @ p["U_g"] + p["b_g"])
        c = f * c + i * g
        o = sigmoid(x @ p["W_o"] + h @ p["U_o"] + peep("o", c) + p["b_o"])
        return o * jnp.tanh(c), c

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h; c stays inside."""
        return state[0]
