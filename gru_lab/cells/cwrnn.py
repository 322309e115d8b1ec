"""The clockwork RNN of Koutnik et al. (2014)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Key, Params


@register("cwrnn")
@dataclass(frozen=True, kw_only=True)
class ClockworkRNN(Cell):
    """Clockwork RNN: groups of units that run at the periods 1, 2, 4, ... and stand still in between.

        h'_g = tanh(x W_h + h U_h + b_h)_g    if t mod 2^g = 0, for each group g
        h'_g = h_g                            otherwise
        U_h joins a group to itself and to slower ones only: (U_h)_jk = 0 if j's group is faster than k's

    The oldest way to give units a time scale: fixed, by a clock. The state is (h, t); t counts steps from 0
    and wraps at the longest period. Units are dealt to the groups evenly, fast ones first; j is the unit
    that is read, k the one that reads it.
    Shapes: x (inputs,), h (hidden,), t (), W_h (inputs, hidden), U_h (hidden, hidden), b_h (hidden,).
    Source: Koutnik et al. 2014, A Clockwork RNN, arXiv:1402.3511.

    Attributes:
        modules: the number of groups; the longest period is 2^(modules - 1). With fewer units than groups the
            slowest groups are empty.
        initializer: the scheme that draws W, U and b.
    """

    modules: Size = 4
    initializer: SchemeName = "keras"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, U_h, b_h."""
        return gates(self.initializer, key, "h", inputs, self.hidden)

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and for the clock t."""
        zeros = super().initial_state(params)
        return zeros, jnp.zeros((), zeros.dtype)

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (h, t) = params, state
        group = np.arange(self.hidden) * self.modules // self.hidden
        period = jnp.asarray(2.0**group, h.dtype)
        slower = jnp.asarray(group[:, None] >= group[None, :], h.dtype)
        new = jnp.tanh(x @ p["W_h"] + h @ (slower * p["U_h"]) + p["b_h"])
        return jnp.where(jnp.mod(t, period) == 0, new, h), jnp.mod(t + 1, 2.0 ** (self.modules - 1))

    def read(self, state: Any) -> Float[Array, " H"]:
        """The units h."""
        return state[0]
