"""The gated recurrent unit of Cho et al. (2014)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates, scheme
from gru_lab.typing import Array, Float, Key, Params


@register("gru")
@dataclass(frozen=True, kw_only=True)
class GRU(GatedCell):
    """Gated recurrent unit: a reset gate r chooses what the candidate n sees, an update gate z what stays.

        r  = sigmoid(x W_r + h U_r + b_r)
        z  = sigmoid(x W_z + h U_z + b_z)
        n  = tanh(x W_n + b_n + r * (h U_n + b_hn))     reset="after"
        n  = tanh(x W_n + b_n + (r * h) U_n)            reset="before"
        h' = z * h + (1 - z) * n                        update="keep"
        h' = (1 - z) * h + z * n                        update="write"
        r  = z                                          tied=True

    One state and two gates where the LSTM has two states and three. z keeps the state in Cho 2014, PyTorch,
    Keras and Flax, and overwrites it in Chung 2014 and Haiku.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g and b_hn (hidden,).
    Source: Cho et al. 2014, arXiv:1406.1078, equations 5-8 ("after" is its version 1, "before" its
    version 3); Chung et al. 2014, arXiv:1412.3555.

    Attributes:
        reset: whether r acts after the recurrent product (as in PyTorch and cuDNN) or before it.
        update: whether z keeps the state or writes it.
        recurrent_bias: whether there is a b_hn; only inside the reset it differs from b_n, so
            `reset="before"` has none.
        tied: one gate for both, r = z (with `reset="before", update="write"` this is the MGU).
    """

    witness: ClassVar[str] = 'a: torch.nn; keras and haiku (reset="before")'

    reset: Literal["after", "before"] = "after"
    update: Literal["keep", "write"] = "keep"
    recurrent_bias: bool = True
    tied: bool = False

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of the gates r, z and the candidate n, and b_hn, by the scheme of `initializer`."""
        letters = "zn" if self.tied else "rzn"
        params = gates(self.initializer, key, letters, inputs, self.hidden)
        if self.reset == "after" and self.recurrent_bias:
            k = jax.random.fold_in(key, 3)
            params["b_hn"] = scheme(self.initializer, self.hidden).bias(k, (self.hidden,))
        keeps = self.update == "keep"
        return self.remember(params, key, keep="z" if keeps else "", write="" if keeps else "z")

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates r and z."""
        p, h = params, state
        z = sigmoid(x @ p["W_z"] + h @ p["U_z"] + p["b_z"])
        r = z if self.tied else sigmoid(x @ p["W_r"] + h @ p["U_r"] + p["b_r"])
        return {"r": r, "z": z}

    def retention(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """See `GatedCell.retention`."""
        z = self.gate_values(params, state, x)["z"]
        return z if self.update == "keep" else 1 - z

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        gate = self.gate_values(params, state, x)
        r, z = gate["r"], gate["z"]
        if self.reset == "after":
            n = jnp.tanh(x @ p["W_n"] + p["b_n"] + r * (h @ p["U_n"] + p.get("b_hn", 0.0)))
        else:
            n = jnp.tanh(x @ p["W_n"] + p["b_n"] + (r * h) @ p["U_n"])
        return z * h + (1 - z) * n if self.update == "keep" else (1 - z) * h + z * n
