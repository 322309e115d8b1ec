"""The unitary evolution RNN of Arjovsky, Shah and Bengio (2016)."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, scheme
from gru_lab.typing import Array, Float, Inexact, Key, Params


@register("urnn")
@dataclass(frozen=True, kw_only=True)
class UnitaryRNN(Cell):
    """Unitary RNN: a complex state rotated by a product of cheap unitary maps.

        U(h) = D_3 R_2 F^-1 D_2 P R_1 F D_1 h
        h'   = modrelu(U(h) + x V, b_h)
        modrelu(v, b) = v / |v| relu(|v| + b)

    D_k turns the phases, diag(exp(i theta_k)); R_k reflects, I - 2 r_k r_k^* / |r_k|^2; F is the discrete
    Fourier transform; P a fixed permutation, numpy's RandomState(hidden).permutation. The first cell whose
    gradients can neither vanish nor explode in the recurrent map; 7 parameters per unit instead of `hidden`.
    The state is complex, the layer above sees (Re h, Im h), and the first state is learned (h0).
    Shapes: x (inputs,), h complex (hidden,), V (inputs, 2 hidden: real, imaginary), theta (3, hidden),
    r (2, 2 hidden), b_h (hidden,), h0 (2 hidden,).
    Source: Arjovsky, Shah, Bengio 2016, Unitary Evolution Recurrent Neural Networks, arXiv:1511.06464; code:
    amarshah/complex_RNN, whose last version scales the units and has the Fourier transforms commented out.

    Attributes:
        initializer: the scheme that draws V.
    """

    witness: ClassVar[str] = "c: amarshah/complex_RNN/models.py, complex_RNN, at 0fbd1f0"

    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """V, theta from U(-pi, pi), r from U(-1, 1), b_h from U(-0.01, 0.01), h0 from U(+-sqrt(3 / (2 hidden)))."""
        H, (kV, kt, kr, k0, kb) = self.hidden, jax.random.split(key, 5)
        draw, edge = scheme(self.initializer, H), (1.5 / H) ** 0.5
        return {
            "V": draw.kernel(kV, (inputs, 2 * H)),
            "theta": jax.random.uniform(kt, (3, H), minval=-jnp.pi, maxval=jnp.pi),
            "r": jax.random.uniform(kr, (2, 2 * H), minval=-1.0, maxval=1.0),
            "b_h": jax.random.uniform(kb, (H,), minval=-0.01, maxval=0.01),
            "h0": jax.random.uniform(k0, (2 * H,), minval=-edge, maxval=edge),
        }

    def initial_state(self, params: Params) -> Inexact[Array, " H"]:
        """The learned h0."""
        return self._complex(params["h0"])

    def _complex(self, halves: Array) -> Array:
        return jax.lax.complex(halves[..., : self.hidden], halves[..., self.hidden :])

    def turn(self, params: Params, h: Inexact[Array, " H"]) -> Inexact[Array, " H"]:
        """U(h), which keeps the norm of h."""
        theta, r = params["theta"], self._complex(params["r"])
        D = jax.lax.complex(jnp.cos(theta), jnp.sin(theta))

        def reflect(n: int, v: Array) -> Array:
            return v - 2 * r[n] * (jnp.sum(jnp.conj(r[n]) * v) / jnp.sum(jnp.abs(r[n]) ** 2).astype(v.dtype))

        order = np.random.RandomState(self.hidden).permutation(self.hidden)
        v = reflect(0, jnp.fft.fft(D[0] * h))[order]
        return D[2] * reflect(1, jnp.fft.ifft(D[1] * v))

    def step(self, params: Params, state: Inexact[Array, " H"], x: Float[Array, " I"]) -> Inexact[Array, " H"]:
        """One step of the equations above."""
        v = self.turn(params, state) + self._complex(x @ params["V"])
        size = jnp.sqrt(jnp.real(v) ** 2 + jnp.imag(v) ** 2 + 1e-12)  # the gradient of |v| at 0 would be nan
        return v * (jax.nn.relu(size + params["b_h"]) / size).astype(v.dtype)

    def read(self, state: Inexact[Array, " H"]) -> Float[Array, " O"]:
        """(Re h, Im h)."""
        return jnp.concatenate([jnp.real(state), jnp.imag(state)])
