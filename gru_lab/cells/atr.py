"""The addition-subtraction twin-gated network of Zhang et al. (2018)."""

from dataclasses import dataclass
from typing import ClassVar

from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("atr")
@dataclass(frozen=True, kw_only=True)
class ATR(Cell):
    """Twin-gated network: input and forget gate are the sum and the difference of the same two products.

        p  = x W_p,    q = h U_q + b_q
        i  = sigmoid(p + q),    f = sigmoid(p - q)
        h' = i * p + f * h

    Two matrices in all, the least for a gated cell with full recurrence; made for translation. The paper writes
    no bias; the authors' code has it on q.
    Shapes: x (inputs,), h (hidden,), W_p (inputs, hidden), U_q (hidden, hidden), b_q (hidden,).
    Source: Zhang et al. 2018, Simplifying NMT with Addition-Subtraction Twin-Gated Recurrent Networks,
    arXiv:1810.12546; code: bzhangGo/zero.

    Attributes:
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"

    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_p, U_q, b_q."""
        return gates(self.initializer, key, "p", inputs, self.hidden, U="q", b="q")

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p, q = x @ params["W_p"], state @ params["U_q"] + params["b_q"]
        return sigmoid(p + q) * p + sigmoid(p - q) * state
