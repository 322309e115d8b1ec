"""HiPPO-LegS: memory of the whole past by scaled Legendre polynomials (Gu et al. 2020)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Key, Params


@register("hippo")
@dataclass(frozen=True)
class HiPPO(GatedCell):
    """HiPPO-LegS: a gated RNN reads a memory that holds ALL of the past as scaled Legendre coefficients.

        z  = sigmoid(x W_z + h U_z + c V_z + b_z)
        n  = tanh(x W_n + h U_n + c V_n + b_n)
        h' = (1 - z) * h + z * n
        f  = h' e
        c' = (I + A / 2t)^-1 ((I - A / 2t) c + B f / t)           t = 1, 2, ... counts the steps
        A_jk = sqrt((2j+1)(2k+1)) if j > k, j + 1 if j = k, 0 if j < k;    B_j = sqrt(2j+1)

    c holds the projection of f so far onto polynomials: there is no time scale to choose, and its gradient
    decays as 1/t instead of exponentially. Discretised by the bilinear rule. The layer above sees h. State
    (h, c, t).
    Shapes: x (inputs,), h (hidden,), c (order,), f and t (), W_g (inputs, hidden), U_g (hidden, hidden),
    V_g (order, hidden), b_g (hidden,), e (hidden,).
    Source: Gu et al. 2020, HiPPO, arXiv:2008.07669, theorem 2 and equations 3-4; the RNN around it is its
    section 2.5 with a one-gate update.

    Attributes:
        order: the number of Legendre coefficients.
    """

    write: ClassVar[str] = "z"
    order: Size = 32

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, V, b of z and n, and e."""
        params = gates(self.initializer, key, "zn", inputs, self.hidden)
        k = jax.random.fold_in(key, 1)
        V = gates(self.initializer, k, "zn", self.order, self.hidden, U="", b="")
        params |= {name.replace("W", "V"): v for name, v in V.items()}
        (e,) = gates(self.initializer, jax.random.fold_in(k, 1), "e", self.hidden, 1, U="", b="").values()
        return self.remember(params | {"e": e[:, 0]}, key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h, c and t."""
        zeros = super().initial_state(params)
        return zeros, jnp.zeros(self.order, zeros.dtype), jnp.zeros((), zeros.dtype)

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate z."""
        p, (h, c, _) = params, state
        return {"z": sigmoid(x @ p["W_z"] + h @ p["U_z"] + c @ p["V_z"] + p["b_z"])}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (h, c, t) = params, state
        z = self.gate_values(params, state, x)["z"]
        n = jnp.tanh(x @ p["W_n"] + h @ p["U_n"] + c @ p["V_n"] + p["b_n"])
        h, t = (1 - z) * h + z * n, t + 1
        j, root = np.arange(self.order), np.sqrt(2.0 * np.arange(self.order) + 1)
        lower = np.where(j[:, None] > j[None, :], root[:, None] * root[None, :], np.diag(j + 1.0))
        A, B, I = (jnp.asarray(one, h.dtype) for one in (lower, root, np.eye(self.order)))  # noqa: E741
        right = c - (A @ c) / (2 * t) + B * (h @ p["e"]) / t
        c = jax.scipy.linalg.solve_triangular(I + A / (2 * t), right, lower=True)
        return h, c, t

    def read(self, state: Any) -> Float[Array, " H"]:
        """The units h."""
        return state[0]
