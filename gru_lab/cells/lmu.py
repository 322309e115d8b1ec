"""The Legendre memory unit of Voelker, Kajic and Eliasmith (2019)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.cells.cell import Auto, Cell, register
from gru_lab.cells.initializers import SchemeName, scheme
from gru_lab.schema import Positive, Size
from gru_lab.typing import Array, Float, Key, Params


@register("lmu")
@dataclass(frozen=True, kw_only=True)
class LMU(Cell):
    """Legendre memory unit: a fixed linear memory holds the last `theta` steps as Legendre coefficients.

        u  = x e_x + h e_h + m e_m
        m' = A m + B u,   (A, B) = zero-order hold of dm/dt = (A_c m + B_c u) / theta over one step
        (A_c)_jk = (2j + 1) (-1 if j < k else (-1)^(j-k+1)),   (B_c)_j = (2j + 1) (-1)^j
        h' = tanh(x W_h + h U_h + m' V_h)

    The memory is not learned but derived: the best polynomial approximation of a sliding window. State (h,
    m).
    Shapes: x (inputs,), u (), m (order,), h (hidden,), e_x (inputs,), e_h (hidden,), e_m (order,),
    W_h (inputs, hidden), U_h (hidden, hidden), V_h (order, hidden).
    Source: Voelker, Kajic, Eliasmith 2019, Legendre Memory Units, NeurIPS, equations 1-7; code: nengo/keras-lmu.

    Attributes:
        order: the number of Legendre coefficients.
        theta: the length of the window, in steps; `auto` for the length of the task's sequences.
        initializer: the scheme that draws W, U and V; e_x and e_h are LeCun-uniform, e_m begins at 0.
    """

    witness: ClassVar[str] = "a: keras-lmu 0.9.0"

    order: Size = 16
    theta: Positive | Auto = 100.0
    initializer: SchemeName = "glorot"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, U_h, V_h, e_x, e_h, e_m."""
        draw, (kW, kU, kV, ke) = scheme(self.initializer, self.hidden), jax.random.split(key, 4)
        edge, edge_h = (3.0 / inputs) ** 0.5, (3.0 / self.hidden) ** 0.5
        return {
            "W_h": draw.kernel(kW, (inputs, self.hidden)),
            "U_h": draw.recurrent(kU, (self.hidden, self.hidden)),
            "V_h": draw.kernel(kV, (self.order, self.hidden)),
            "e_x": jax.random.uniform(ke, (inputs,), minval=-edge, maxval=edge),
            "e_h": jax.random.uniform(jax.random.fold_in(ke, 1), (self.hidden,), minval=-edge_h, maxval=edge_h),
            "e_m": jnp.zeros(self.order),
        }

    def memory(self) -> tuple[np.ndarray, np.ndarray]:
        """A (order, order) and B (order,) of one step."""
        theta = self.settled("theta")
        j, k = np.arange(self.order)[:, None], np.arange(self.order)[None, :]
        A = (2 * j + 1) * np.where(j < k, -1.0, (-1.0) ** (j - k + 1))
        B = (2 * j + 1) * (-1.0) ** j
        joint = np.zeros((self.order + 1,) * 2)  # exp [[A, B], [0, 0]] = [[A of the step, B of the step], [0, 1]]
        joint[:-1, :-1], joint[:-1, -1:] = A / theta, B / theta
        halvings = max(0, int(np.ceil(np.log2(np.abs(joint).sum(1).max() + 1))) + 4)
        term = whole = np.eye(self.order + 1)
        for n in range(1, 13):
            term = term @ (joint / 2.0**halvings) / n
            whole = whole + term
        for _ in range(halvings):
            whole = whole @ whole
        return whole[:-1, :-1], whole[:-1, -1]

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and m."""
        zeros = super().initial_state(params)
        return zeros, jnp.zeros(self.order, zeros.dtype)

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (h, m) = params, state
        A, B = (jnp.asarray(constant, h.dtype) for constant in self.memory())
        u = x @ p["e_x"] + h @ p["e_h"] + m @ p["e_m"]
        m = m @ A.T + B * u
        return jnp.tanh(x @ p["W_h"] + h @ p["U_h"] + m @ p["V_h"]), m

    def read(self, state: Any) -> Float[Array, " H"]:
        """The units h."""
        return state[0]
