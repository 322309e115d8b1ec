"""The simplified state space layer of Smith, Warrington and Linderman (2023)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive, Size
from gru_lab.typing import Array, Float, Key, Params


@register("s5")
@dataclass(frozen=True, kw_only=True)
class S5(Cell):
    """S5: one diagonal complex state space for all units, which begins as HiPPO's memory, its step sizes learned.

        v  = x W_v
        d  = exp(log_d),    lambda = Lambda_re + i Lambda_im
        s' = exp(lambda d) * s + (v B) * (exp(lambda d) - 1) / lambda
        y' = 2 Re(s' C) + D * v

    Nothing in the recurrence depends on the input, so a parallel scan applies; the nonlinearity stands between layers.
    Of every pair of conjugate states one is carried, hence the 2. State (y, s). In the paper a linear layer makes the
    input as wide as the units; that is W_v.
    Shapes: x (inputs,), v and y (hidden,), s complex (order,), W_v (inputs, hidden), B (hidden, 2 order: real,
    imaginary), C (order, 2 hidden: real, imaginary), D (hidden,), log_d, Lambda_re and Lambda_im (order,).
    Source: Smith, Warrington, Linderman 2023, Simplified State Space Layers for Sequence Modeling, arXiv:2208.04933,
    sections 3.1-3.2 and appendix B; code: lindermanlab/S5.

    Attributes:
        order: the number of complex states, half of the paper's P.
        d_min: the least step size at first.
        d_max: the greatest step size at first; the logarithms are uniform in between.
        initializer: the scheme that draws W_v.
    """

    witness: ClassVar[str] = "c: lindermanlab/S5/s5/ssm.py, discretize_zoh and apply_ssm, at d133f4d"

    order: Size = 16
    d_min: Positive = 0.001
    d_max: Positive = 0.1
    initializer: SchemeName = "lecun"

    def check(self) -> None:
        """`d_min` must be at most `d_max`."""
        if self.d_min > self.d_max:
            self.refuse("d_min", f"it must be at most d_max, {self.d_max:g}")

    def hippo(self) -> tuple[np.ndarray, np.ndarray]:
        """The eigenvalues (order,) and eigenvectors (2 order, order) of HiPPO-LegS's normal part, one of each pair.

        The matrix is -1/2 on the diagonal plus a skew-symmetric S; i S is Hermitian.
        """
        j = np.arange(2 * self.order)
        root = np.sqrt(1 + 2 * j)
        low = np.tril(np.outer(root, root), -1) / 2
        values, vectors = np.linalg.eigh(1j * (low - low.T))  # -S times -i
        vectors *= np.abs(vectors[0]) / vectors[0]  # of the phase that eigenvectors leave open
        return -0.5 + 1j * values[: self.order], vectors[:, : self.order]

    def init(self, key: Key, inputs: int) -> Params:
        """W_v, B = V* B_0 and C = C_0 V of the eigenvectors V, D from N(0, 1), log_d, Lambda_re, Lambda_im."""
        H, P = self.hidden, self.order
        kv, kB, kC, kD, kd = jax.random.split(key, 5)
        values, vectors = self.hippo()
        V = jnp.asarray(vectors)
        lecun = jax.nn.initializers.lecun_normal()
        B = lecun(kB, (2 * P, H)).T.astype(V.dtype) @ V.conj()
        C_0 = lecun(kC, (2, 2 * P, H))  # as many inputs as states
        C = V.T @ jax.lax.complex(C_0[0], C_0[1])
        low, high = math.log(self.d_min), math.log(self.d_max)
        return gates(self.initializer, kv, "v", inputs, H, U="", b="") | {
            "B": jnp.concatenate([B.real, B.imag], axis=1),
            "C": jnp.concatenate([C.real, C.imag], axis=1),
            "D": jax.random.normal(kD, (H,)),
            "log_d": jax.random.uniform(kd, (P,), minval=low, maxval=high),
            "Lambda_re": jnp.asarray(np.real(values), V.real.dtype),
            "Lambda_im": jnp.asarray(np.imag(values), V.real.dtype),
        }

    def initial_state(self, params: Params) -> Any:
        """Zeros for y and s."""
        zeros = super().initial_state(params)
        real = jnp.zeros(self.order, zeros.dtype)
        return zeros, jax.lax.complex(real, real)

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, v, H, P = params, x @ params["W_v"], self.hidden, self.order
        B, C = (jax.lax.complex(p[g][:, :n], p[g][:, n:]) for g, n in (("B", P), ("C", H)))
        eigenvalues = jax.lax.complex(p["Lambda_re"], p["Lambda_im"])
        kept = jnp.exp(eigenvalues * jnp.exp(p["log_d"]).astype(eigenvalues.dtype))
        s = kept * state[1] + (v.astype(B.dtype) @ B) * ((kept - 1) / eigenvalues)
        return 2 * jnp.real(s @ C) + p["D"] * v, s

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output y."""
        return state[0]
