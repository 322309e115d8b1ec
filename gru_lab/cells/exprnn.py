"""The orthogonal RNN by the exponential map (Lezcano-Casado and Martinez-Rubio 2019)."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive
from gru_lab.typing import Array, Float, Key, Params


@register("exprnn")
@dataclass(frozen=True, kw_only=True)
class ExpRNN(Cell):
    """Orthogonal RNN: the recurrent matrix is the exponential of a skew-symmetric matrix, so it only rotates the state.

        A_kj = a_jk, A_jk = -a_jk  (j < k)
        h'   = modrelu(x W_h + h exp(A), b_h)
        modrelu(v, b) = sign(v) relu(|v| + b)

    Every rotation is exp(A) of some skew-symmetric A, so plain gradient descent on A stays on the orthogonal group and
    the gradient through time keeps its norm. exp(A) depends on the parameters only: it is one matrix
    exponential per sequence, provided that the recurrence hoists it out of the loop.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), a (hidden (hidden - 1) / 2,), b_h (hidden,).
    Source: Lezcano-Casado & Martinez-Rubio 2019, Cheap Orthogonal Constraints in Neural Networks,
    arXiv:1901.08428; modrelu: Arjovsky et al. 2016, arXiv:1511.06464; code: lezcano/expRNN, mode `exprnn` (its
    default is the dynamic trivialisation of 2019, which moves the base of exp every 100 updates).

    Attributes:
        rotation_rate: the factor on the learning rate of a; the authors' is a tenth.
        initializer: the scheme that draws W_h; b_h begins in U(-0.01, 0.01), and A as rotations of pairs of units
            by angles that are uniform over [-pi, pi].
    """

    witness: ClassVar[str] = "c: lezcano/expRNN/orthogonal.py, OrthogonalRNN.forward, at 00cbf56"

    rotation_rate: Positive = 0.1
    initializer: SchemeName = "he"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, b_h and a, the entries of A above its diagonal, row by row."""
        rows, columns = np.triu_indices(self.hidden, 1)
        pairs = (rows % 2 == 0) & (columns == rows + 1)
        angles = jax.random.uniform(jax.random.fold_in(key, 1), rows.shape, minval=-jnp.pi, maxval=jnp.pi)
        b = jax.random.uniform(jax.random.fold_in(key, 2), (self.hidden,), minval=-0.01, maxval=0.01)
        params = gates(self.initializer, key, "h", inputs, self.hidden, U="", b="")
        return params | {"b_h": b, "a": jnp.where(pairs, angles, 0.0)}

    def rates(self) -> dict[str, float]:
        """A slower rate for a."""
        return {"a": self.rotation_rate}

    def rotation(self, params: Params) -> Float[Array, "H H"]:
        """The orthogonal matrix exp(A), computed in float32 at least."""
        a = params["a"].astype(jnp.promote_types(params["a"].dtype, jnp.float32))
        upper = jnp.zeros((self.hidden,) * 2, a.dtype).at[np.triu_indices(self.hidden, 1)].set(a)
        return jax.scipy.linalg.expm(upper.T - upper).astype(params["a"].dtype)

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p = params
        v = x @ p["W_h"] + state @ self.rotation(params)
        return jnp.sign(v) * jax.nn.relu(jnp.abs(v) + p["b_h"])
