"""The bistable recurrent cell and its neuromodulated form (Vecoven, Ernst, Drion 2021)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("brc")
@dataclass(frozen=True, kw_only=True)
class BRC(GatedCell):
    """Bistable recurrent cell: where a > 1 a unit has two stable states, and so remembers for ever.

        a  = 1 + tanh(x W_a + u_a * h + b_a)   neuromodulated=True:  h U_a for u_a * h
        c  = sigmoid(x W_c + u_c * h + b_c)    neuromodulated=True:  h U_c for u_c * h
        h' = c * h + (1 - c) * tanh(x W_n + a * h)

    A memory by dynamics rather than by a gate that stays open: taken from neurons that latch. In the brc each
    unit sees only itself; in the nbrc (`neuromodulated`) the gates see all units.
    The biases are in the authors' code and not in the paper; they begin at 0, unless `gate_init` or `forget_bias`
    says otherwise of b_c.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), u_g (hidden,), U_g (hidden, hidden), b_g (hidden,).
    Source: Vecoven, Ernst, Drion 2021, A bio-inspired bistable recurrent cell, arXiv:2006.05252; code:
    nvecoven/BRC.

    Attributes:
        neuromodulated: whether the gates see all units.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    keep: ClassVar[str] = "c"
    neuromodulated: bool = False

    def init(self, key: Key, inputs: int) -> Params:
        """W of a, c, n; U of a and c, or u of ones; b of a and c."""
        U = "ac" if self.neuromodulated else ""
        params = gates(self.initializer, key, "acn", inputs, self.hidden, U=U, b="ac")
        if not self.neuromodulated:
            params |= {"u_a": jnp.ones(self.hidden), "u_c": jnp.ones(self.hidden)}
        return self.remember(params, key)

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate c, and a, which lies in (0, 2)."""
        p, h = params, state
        seen = {g: h @ p[f"U_{g}"] if self.neuromodulated else p[f"u_{g}"] * h for g in "ac"}
        a = 1 + jnp.tanh(x @ p["W_a"] + seen["a"] + p["b_a"])
        return {"a": a, "c": sigmoid(x @ p["W_c"] + seen["c"] + p["b_c"])}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        h, gate = state, self.gate_values(params, state, x)
        n = jnp.tanh(x @ params["W_n"] + gate["a"] * h)
        return gate["c"] * h + (1 - gate["c"]) * n
