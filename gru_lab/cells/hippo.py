"""HiPPO-LegS: memory of the whole past by scaled Legendre polynomials (Gu et al. 2020)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import GatedCell, gates
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Key, Params


@register("hippo")
@dataclass(frozen=True, kw_only=True)
class HiPPO(GatedCell):
    """HiPPO-LegS: a gated RNN reads a memory that holds all of the past as scaled Legendre coefficients.

        f  = x e_x + h e_h + b_f                                  graph="code"
        c' = memory(c, f)
        z  = sigmoid(x W_z + c' V_z + b_z)
        n  = tanh(x W_n + c' V_n + b_n)
        h' = (1 - z) * h + z * n

        z  = sigmoid(x W_z + h U_z + c V_z + b_z)                 graph="paper"
        n  = tanh(x W_n + h U_n + c V_n + b_n)
        h' = (1 - z) * h + z * n,   f = h' e_h
        c' = memory(c, f)

        memory(c, f) = (f, 0, ..., 0)                                      the first step
        memory(c, f) = (I + A / 2t)^-1 ((I - A / 2t) c + B f / t)          t = 1, 2, ... steps before
        A_jk = sqrt((2j+1)(2k+1)) if j > k, j + 1 if j = k, 0 if j < k;    B_j = sqrt(2j+1)

    c holds the projection of f so far onto polynomials: no time scale has to be chosen, and its gradient
    decays as 1/t instead of exponentially. Discretised by the bilinear rule; a constant f gives c = (f, 0, ...)
    at every step. The paper draws a step that reads the memory before it writes to it; the authors' code, the
    default here, writes first, and its h has no matrix from h. (That code also stops the clock at 1,024 steps.)
    The layer above sees h. State (h, c, t), t in float32 at least.
    Shapes: x (inputs,), h (hidden,), c (order,), f and t (), W_g (inputs, hidden), U_g (hidden, hidden),
    V_g (order, hidden), b_g (hidden,), e_x (inputs,), e_h (hidden,), b_f ().
    Source: Gu et al. 2020, HiPPO, arXiv:2008.07669, theorem 2, equations 3-4 and figure 2; code:
    HazyResearch/hippo-code.

    Attributes:
        order: the number of Legendre coefficients; as many as there are units if null.
        graph: what comes first, and what it sees.
    """

    witness: ClassVar[str] = "c: HazyResearch/hippo-code/model/memory.py, MemoryCell.forward and LSICell, at 7752388"
    drift: ClassVar[str] = "its state holds the number of steps"
    write: ClassVar[str] = "z"
    order: Size | None = None
    graph: Literal["code", "paper"] = "code"

    @property
    def _size(self) -> int:
        return self.order or self.hidden

    def init(self, key: Key, inputs: int) -> Params:
        """W, V, b of z and n, and U where the graph has it; e_h; e_x and b_f where f sees x."""
        code, (kV, kx, kh) = self.graph == "code", jax.random.split(jax.random.fold_in(key, 1), 3)
        params = gates(self.initializer, key, "zn", inputs, self.hidden, U="" if code else "zn")
        V = gates(self.initializer, kV, "zn", self._size, self.hidden, U="", b="")
        params |= {name.replace("W", "V"): v for name, v in V.items()}
        edge = (3.0 / (self.hidden + (inputs if code else 0))) ** 0.5
        params["e_h"] = jax.random.uniform(kh, (self.hidden,), minval=-edge, maxval=edge)
        if code:
            params["e_x"] = jax.random.uniform(kx, (inputs,), minval=-edge, maxval=edge)
            params["b_f"] = jnp.zeros(())
        return self.remember(params, key)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h, c and t."""
        zeros = super().initial_state(params)
        return zeros, jnp.zeros(self._size, zeros.dtype), jnp.zeros((), jnp.promote_types(zeros.dtype, jnp.float32))

    def _memory(self, c: Array, t: Array, f: Array) -> Array:
        rows, roots = np.arange(self._size), np.sqrt(2.0 * np.arange(self._size) + 1)
        lower = np.where(rows[:, None] > rows[None, :], roots[:, None] * roots[None, :], np.diag(rows + 1.0))
        A, B, j, first = (jnp.asarray(a, t.dtype) for a in (lower, roots, rows, np.eye(self._size)[0]))
        k = jnp.maximum(t, 1)
        b, D = 2 * k * c - A @ c + 2 * B * f, 2 * k + j + 1
        # (2k I + A) c' = b, row by row. Row j sees those above it as s_{j-1}, the sum of B_i c'_i up to j - 1, which is
        # affine in the sum before it: s_j = ((2k - j) s_{j-1} + B_j b_j) / D_j. LAPACK takes four times as long for
        # it, and its kernels can deadlock inside a larger program on a CPU.
        _, s = lax.associative_scan(lambda x, y: (x[0] * y[0], y[0] * x[1] + y[1]), ((2 * k - j) / D, B * b / D))
        later = (b - B * jnp.concatenate([jnp.zeros_like(s[:1]), s[:-1]])) / D
        return jnp.where(t == 0, first * f, later).astype(c.dtype)

    def _written(self, params: Params, state: Any, x: Array) -> Array:
        h, c, t = state
        return self._memory(c, t, x @ params["e_x"] + h @ params["e_h"] + params["b_f"])

    def _affine(self, g: str, params: Params, h: Array, c: Array, x: Array) -> Array:
        a = x @ params[f"W_{g}"] + c @ params[f"V_{g}"] + params[f"b_{g}"]
        return a if self.graph == "code" else a + h @ params[f"U_{g}"]

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gate z."""
        h, c, _ = state
        seen = self._written(params, state, x) if self.graph == "code" else c
        return {"z": sigmoid(self._affine("z", params, h, seen, x))}

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        h, c, t = state
        if self.graph == "code":
            c = self._written(params, state, x)
        z = sigmoid(self._affine("z", params, h, c, x))
        h = (1 - z) * h + z * jnp.tanh(self._affine("n", params, h, c, x))
        if self.graph == "paper":
            c = self._memory(c, t, h @ params["e_h"])
        return h, c, t + 1

    def read(self, state: Any) -> Float[Array, " H"]:
        """The units h."""
        return state[0]
