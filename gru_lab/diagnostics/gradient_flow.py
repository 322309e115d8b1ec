"""Gradient flow: how much of the loss's gradient reaches the states further and further back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell
from gru_lab.cells.wrappers import Wrapper
from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, register
from gru_lab.recurrence import Method, Sequential, unroll
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Int, Params, State


@dataclass(frozen=True)
class Nudged(Wrapper):
    """A cell whose state is moved after every step by a further input: `x = (x, nudge)`, nudge shaped as the state.

    The derivative of a loss with respect to the nudge of step t is dL/dh_t, everything after t included.
    """

    def step(self, params: Params, state: State, x: Any) -> State:
        """The inner cell's step, and then the nudge."""
        x, nudge = x
        return jax.tree.map(jnp.add, self.cell.step(params, state, x), nudge)


def gradient_flow(
    cell: Cell,
    params: Params,
    xs: Float[Array, "B T I"],
    loss: Callable[[Array], Array],
    lengths: Int[Array, " B"] | None = None,
    method: Method = Sequential(),  # noqa: B008 (frozen)
) -> Float[Array, "B T"]:
    """The norms |dL/dh_t| against the lag: entry [b, k] belongs to the state k steps before sequence b's last.

    `h` is the whole recurrent state (for an LSTM h and c together), and `loss` maps the outputs after the last
    steps (batch, outputs) to one number, a sum over sequences. Lags longer than a sequence are NaN.
    Source: Arjovsky et al. 2016, arXiv:1511.06464, figure 4.
    """
    batch, time = xs.shape[:2]
    nudges = jax.tree.map(lambda leaf: jnp.zeros((batch, time, *leaf.shape), leaf.dtype), cell.initial_state(params))
    nudged = Nudged(cell=cell)

    def loss_of(nudges: Any) -> Array:
        final, _ = unroll(nudged, params, (xs, nudges), lengths=lengths, method=method)
        return loss(jax.vmap(cell.read)(final))

    gradients = jax.tree.leaves(jax.grad(loss_of)(nudges))
    squares_BT = sum(jnp.sum(jnp.abs(leaf.reshape(batch, time, -1)) ** 2, axis=-1) for leaf in gradients)
    ends_B = jnp.full(batch, time) if lengths is None else lengths
    steps_BT = ends_B[:, None] - 1 - jnp.arange(time)
    norms_BT = jnp.sqrt(jnp.take_along_axis(jnp.asarray(squares_BT), jnp.maximum(steps_BT, 0), axis=1))
    return jnp.where(steps_BT >= 0, norms_BT, jnp.nan)


@register("gradient_flow")
@dataclass(frozen=True)
class GradientFlow(Diagnostic):
    """`norm` (lags,): the norm of dL/dh against the lag, the mean over the sequences that reach so far back.

    Attributes:
        lags: how many lags, from 0 on; all that the inputs have if None.
    """

    lags: Size | None = None

    def measure(self, layer: Layer) -> dict[str, Array]:
        """See `Diagnostic.measure`."""
        time = layer.xs.shape[1]
        if self.lags is not None and self.lags > time:
            self.refuse("lags", f"it must be at most {time}, the number of steps in the inputs")
        norms_BT = gradient_flow(layer.cell, layer.params, layer.xs, layer.loss, layer.lengths)
        return {"norm": jnp.nanmean(norms_BT[:, : self.lags], axis=0)}
