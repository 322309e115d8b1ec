"""Gradient flow: how much of the loss's gradient reaches the states further and further back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell
from gru_lab.cells.wrappers import Wrapper
from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, Whole, register
from gru_lab.recurrence import Method, Sequential, unroll
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Int, Params, State


@dataclass(frozen=True, kw_only=True)
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

    >>> from gru_lab import cells
    >>> cell = cells.GRU(hidden=4)
    >>> norms = gradient_flow(cell, cell.init(jax.random.key(0), 3), jnp.ones((2, 20, 3)), lambda h: jnp.sum(h**2))
    >>> norms.shape, bool(decay_rate(norms[0]) < 0)  # a fresh GRU forgets
    ((2, 20), True)
    """
    return stack_gradient_flow(cell, [params], xs, loss, lengths, method)[0]


def stack_gradient_flow(
    cell: Cell,
    layers: Sequence[Params],
    xs: Float[Array, "B T I"],
    loss: Callable[[Array], Array],
    lengths: Int[Array, " B"] | None = None,
    method: Method = Sequential(),  # noqa: B008 (frozen)
) -> Float[Array, "L B T"]:
    """`gradient_flow` of every layer of a stack, the lowest first: entry [l, b, k] is |dL/dh_t| of layer l.

    `layers` holds the parameters of each layer, all in the forward direction; `loss` sees the outputs of the last one
    after the last steps. What a lower state does to the loss through the layers above counts.

    >>> from gru_lab import cells
    >>> cell = cells.RNN(hidden=4)
    >>> layers = [cell.init(jax.random.key(0), inputs=3), cell.init(jax.random.key(1), inputs=4)]
    >>> stack_gradient_flow(cell, layers, jnp.ones((2, 20, 3)), jnp.sum).shape
    (2, 2, 20)
    """
    batch, time = xs.shape[:2]
    nudged = Nudged(cell=cell)

    def still(params: Params) -> Any:
        start = cell.initial_state(params)
        return jax.tree.map(lambda leaf: jnp.zeros((batch, time, *leaf.shape), leaf.dtype), start)

    def loss_of(nudges: list[Any]) -> Array:
        hs, final = xs, None
        for params, nudge in zip(layers, nudges, strict=True):
            final, hs = unroll(nudged, params, (hs, nudge), lengths=lengths, method=method, check_values=True)
        return loss(jax.vmap(cell.read)(final))

    gradients = jax.grad(loss_of)([still(params) for params in layers])
    return jnp.stack([by_lag(gradient, lengths) for gradient in gradients])


def input_gradient_flow(
    loss: Callable[[Array], Array], xs: Float[Array, "B T I"], lengths: Int[Array, " B"] | None = None
) -> Float[Array, "B T"]:
    """The norms |dL/dx_t| against the lag: `gradient_flow` of a network without a state.

    `loss` maps the vectors that enter the network to one number, a sum over sequences. An input reaches the loss on
    every way there is, as a state does. Lags longer than a sequence are NaN.

    >>> norms = input_gradient_flow(lambda xs: jnp.sum(xs[:, -1] ** 2), jnp.ones((1, 3, 4)))
    >>> norms[0].tolist()
    [4.0, 0.0, 0.0]
    """
    return by_lag(jax.grad(loss)(xs), lengths)


def by_lag(gradient: Any, lengths: Int[Array, " B"] | None = None) -> Float[Array, "B T"]:
    """The norm of a gradient with leaves (batch, time, ...), against the steps back from each sequence's last."""
    batch, time = jax.tree.leaves(gradient)[0].shape[:2]
    ends_B = jnp.full(batch, time) if lengths is None else lengths
    steps_BT = ends_B[:, None] - 1 - jnp.arange(time)
    leaves = [leaf.reshape(batch, time, -1) for leaf in jax.tree.leaves(gradient)]
    squares_BT = jnp.asarray(sum(jnp.sum(jnp.abs(leaf) ** 2, axis=-1) for leaf in leaves))
    norms_BT = jnp.sqrt(jnp.take_along_axis(squares_BT, jnp.maximum(steps_BT, 0), axis=1))
    return jnp.where(steps_BT >= 0, norms_BT, jnp.nan)


def decay_rate(norms: Float[Array, " T"]) -> Float[Array, ""]:
    """The slope of log norm against the lag by least squares, in nats per step: below 0 the gradient vanishes.

    Only lags whose norm is finite and a normal number count, as a gradient that underflows has lost its rate. NaN if
    they are fewer than two.

    >>> round(float(decay_rate(jnp.exp(-0.1 * jnp.arange(50.0)))), 5)
    -0.1
    """
    return slope(jnp.where(norms >= jnp.finfo(norms.dtype).tiny, jnp.log(norms), jnp.nan))


def slope(logs: Float[Array, " T"]) -> Float[Array, ""]:
    """The slope of a curve against the lag by least squares over its finite part; NaN if that is below two points."""
    usable = jnp.isfinite(logs)
    lags = jnp.arange(logs.size, dtype=logs.dtype)
    lags = jnp.where(usable, lags - (lags * usable).sum() / usable.sum(), 0)
    return (lags * jnp.where(usable, logs, 0)).sum() / (lags**2).sum()


def horizon(norms: Float[Array, " T"], below: float = 1e-3) -> Float[Array, ""]:
    """The gradient horizon: the first lag from which the norm stays under `below` of the norm at lag 0.

    A norm that dips and comes back has not vanished, so that the last lag at or above counts. If the norm is not
    under at the longest lag measured, this is the number of lags: the horizon is at least that. Lags that are NaN
    (longer than the sequence) do not count; NaN if the norm at lag 0 is not finite, 0 if it is 0.

    >>> float(horizon(0.5 ** jnp.arange(50.0)))  # 2^-10 is the first below a thousandth
    10.0
    """
    lags = jnp.arange(1, norms.size + 1)
    reached = jnp.max(jnp.where(norms >= below * norms[0], lags, 0)).astype(norms.dtype)
    return jnp.where(jnp.isfinite(norms[0]), jnp.where(norms[0] > 0, reached, 0), jnp.nan)


@register("gradient_flow")
@dataclass(frozen=True, kw_only=True)
class GradientFlow(Diagnostic):
    """`norm` (lags,): the norm of dL/dh against the lag, the mean over the sequences that reach so far back.

    Of a network without a state that of dL/dx, x being the vectors that enter it. With its
    `decay_rate` and its `horizon`, each one number.

    Attributes:
        lags: the number of lags, from 0 on; all that the inputs have if None.
    """

    usual_sequences: ClassVar[int] = 64

    lags: Size | None = None

    def measure(self, layer: Layer) -> dict[str, Array]:
        """See `Diagnostic.measure`."""
        self._check_lags(layer.xs.shape[1])
        return self._of(gradient_flow(layer.cell, layer.params, layer.xs, layer.loss, layer.lengths))

    def measure_whole(self, network: Whole) -> dict[str, Array]:
        """See `Diagnostic.measure_whole`: the gradient with respect to what enters the network."""
        self._check_lags(network.xs.shape[1])
        return self._of(input_gradient_flow(network.loss, network.xs, network.lengths))

    def _check_lags(self, time: int) -> None:
        if self.lags is not None and self.lags > time:
            self.refuse("lags", f"it must be at most {time}, the number of steps in the inputs")

    def _of(self, norms_BT: Float[Array, "B T"]) -> dict[str, Array]:
        norm = jnp.nanmean(norms_BT[:, : self.lags], axis=0)
        return {"norm": norm, "decay_rate": decay_rate(norm), "horizon": horizon(norm)}
