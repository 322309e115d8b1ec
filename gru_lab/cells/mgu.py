"""The minimal gated unit (Zhou 2016) and its leaner variants (Heck and Salem 2017)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.typing import Array, Float, Key, Params


@register("mgu")
@dataclass(frozen=True, kw_only=True)
class MGU(GatedCell):
    """Minimal gated unit: a GRU whose one gate both resets and updates.

        f  = sigmoid(x W_f + h U_f + b_f)      mgu;  mgu1 drops x W_f, mgu2 also b_f, mgu3 keeps b_f alone
        n  = tanh(x W_n + (f * h) U_n + b_n)
        h' = (1 - f) * h + f * n

    Two thirds of the GRU's weights. In spite of its name the forget gate f writes.
    Shapes: x (inputs,), h (hidden,), W_g (inputs, hidden), U_g (hidden, hidden), b_g (hidden,).
    Source: Zhou et al. 2016, Minimal Gated Unit for Recurrent Neural Networks, arXiv:1603.09420; mgu1-3:
    Heck & Salem 2017, arXiv:1701.03452.

    Attributes:
        variant: what the gate sees.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"
    write: ClassVar[str] = "f"
    variant: Literal["mgu", "mgu1", "mgu2", "mgu3"] = "mgu"

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of f and n, as far as the variant has them."""
        W, U, b = {
            "mgu": ("fn", "fn", "fn"),
            "mgu1": ("n", "fn", "fn"),
            "mgu2": ("n", "fn", "n"),
            "mgu3": ("n", "n", "fn"),
        }[self.variant]
        params = gates(self.initializer, key, W, inputs, self.hidden, U=U, b=b)
        return self.remember(params, key) if "f" in b else params

    def check(self) -> None:
        """`gate_init` and `forget_bias` must be the defaults in a variant without b_f."""
        if self.variant == "mgu2" and (self.gate_init != "constant" or self.forget_bias):
            self.refuse("variant", "its gate has no bias, so gate_init and forget_bias have nothing to set")

    def gate_values(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate f."""
        p, h = params, state
        f = jnp.zeros_like(h)
        if "W_f" in p:
            f += x @ p["W_f"]
        if "U_f" in p:
            f += h @ p["U_f"]
        return {"f": sigmoid(f + p.get("b_f", 0.0))}

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, h = params, state
        f = self.gate_values(params, state, x)["f"]
        n = jnp.tanh(x @ p["W_n"] + (f * h) @ p["U_n"] + p["b_n"])
        return (1 - f) * h + f * n
