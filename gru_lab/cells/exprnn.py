"""The orthogonal RNN by the exponential map (Lezcano-Casado and Martinez-Rubio 2019)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.typing import Array, Float, Key, Params


@register("exprnn")
@dataclass(frozen=True)
class ExpRNN(Cell):
    """Orthogonal RNN: the recurrent matrix is the exponential of a skew matrix, so it only turns the state.

        A_kj = a_jk, A_jk = -a_jk  (j < k)
        h'   = modrelu(x W_h + h exp(A), b_h)
        modrelu(v, b) = sign(v) relu(|v| + b)

    Every rotation is exp(A) of some skew A, so plain gradient descent on A stays on the orthogonal group and
    the gradient through time keeps its norm. exp(A) depends on the parameters only: it is one matrix
    exponential a sequence, provided that the recurrence hoists it out of the loop.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), a (hidden (hidden - 1) / 2,), b_h (hidden,).
    Source: Lezcano-Casado & Martinez-Rubio 2019, Cheap Orthogonal Constraints in Neural Networks,
    arXiv:1901.08428; modrelu: Arjovsky et al. 2016, arXiv:1511.06464, equation 8.

    Attributes:
        initializer: the scheme that draws W_h and b_h; A begins as rotations of pairs of units by angles that
            are uniform over [-pi, pi].
    """

    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, b_h and the entries of A above its diagonal, row by row."""
        rows, columns = np.triu_indices(self.hidden, 1)
        pairs = (rows % 2 == 0) & (columns == rows + 1)
        angles = jax.random.uniform(jax.random.fold_in(key, 1), rows.shape, minval=-jnp.pi, maxval=jnp.pi)
        return gates(self.initializer, key, "h", inputs, self.hidden, U="") | {"a": jnp.where(pairs, angles, 0.0)}

    def rotation(self, params: Params) -> Float[Array, "H H"]:
        """The orthogonal matrix exp(A)."""
        upper = jnp.zeros((self.hidden,) * 2, params["a"].dtype).at[np.triu_indices(self.hidden, 1)].set(params["a"])
        return jax.scipy.linalg.expm(upper.T - upper)

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One step of the equations above."""
        p = params
        v = x @ p["W_h"] + state @ self.rotation(params)
        return jnp.sign(v) * jax.nn.relu(jnp.abs(v) + p["b_h"])
