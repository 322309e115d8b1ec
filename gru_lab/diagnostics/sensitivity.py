"""The curse of memory: the longer a cell remembers, the more its states and its loss move with its parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell
from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, register
from gru_lab.diagnostics.dynamics import counted, last_state, real
from gru_lab.recurrence.checks import check_lengths, check_params
from gru_lab.schema import Size
from gru_lab.typing import Array, Float, Int, Params


def state_sensitivity(
    cell: Cell,
    params: Params,
    xs: Float[Array, "B T I"],
    lengths: Int[Array, " B"] | None = None,
    *,
    normalised: bool = False,
    probes: int | None = None,
) -> dict[str, Float[Array, " B"]]:
    """The squared sensitivity |dh_T/dp|^2 of the last state to every parameter p by name: a Frobenius norm.

    `h` is the whole state as real numbers. `normalised` divides by |h_T|^2: what is left is not the size of the
    state but how steeply it depends on p. All parameters are measured, and those that act on the state (U, or the
    bias of a gate that keeps) are the ones that the memory makes steep.

    Exact if `probes` is None or at least the size of the state, by one vector-Jacobian product per number of
    the state; else unbiased, the mean over that many random directions v ~ N(0, 1): E|v dh/dp|^2 = |dh/dp|^2.

    Source: Zucchet & Orvieto 2024, Recurrent neural networks: vanishing and exploding gradients are not the end of
    the story, arXiv:2405.21064, the curse of memory.

    >>> from gru_lab import cells
    >>> cell = cells.RNN(hidden=4)
    >>> squares = state_sensitivity(cell, cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 10, 3)))
    >>> {name: value.shape for name, value in sorted(squares.items())}
    {'U_h': (2,), 'W_h': (2,), 'b_h': (2,)}
    """
    check_params(params)
    check_lengths(lengths, *xs.shape[:2])
    return _state_sensitivity(params, xs, lengths, cell=cell, normalised=normalised, probes=probes)


@partial(jax.jit, static_argnames=("cell", "normalised", "probes"))
def _state_sensitivity(
    params: Params, xs: Array, lengths: Array | None, *, cell: Cell, normalised: bool, probes: int | None
) -> dict[str, Array]:
    def sequence(xs_TI: Array, counts_T: Array) -> dict[str, Array]:
        state_D, pull = jax.vjp(lambda params: real(last_state(cell, params, xs_TI, counts_T)), params)
        size = state_D.size
        if probes is None or probes >= size:
            directions = jnp.eye(size, dtype=state_D.dtype)
        else:
            directions = jax.random.normal(jax.random.key(0), (probes, size), state_D.dtype) / probes**0.5
        squares = _squares(jax.vmap(lambda v: pull(v)[0])(directions))
        return {name: value / (jnp.sum(state_D**2) if normalised else 1) for name, value in squares.items()}

    return jax.vmap(sequence)(*counted(xs, lengths))


def loss_sensitivity(
    cell: Cell,
    params: Params,
    xs: Float[Array, "B T I"],
    loss: Callable[[Array], Array],
    lengths: Int[Array, " B"] | None = None,
) -> dict[str, Float[Array, " B"]]:
    """The squared sensitivity |dL/dp|^2 of each sequence's loss to every parameter p by name.

    `loss` maps the outputs after the last steps (batch, outputs) to one number, a sum over sequences, whose parts do
    not see each other.

    >>> from gru_lab import cells
    >>> cell = cells.RNN(hidden=4)
    >>> squares = loss_sensitivity(cell, cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 10, 3)), jnp.sum)
    >>> {name: value.shape for name, value in sorted(squares.items())}
    {'U_h': (2,), 'W_h': (2,), 'b_h': (2,)}
    """
    check_params(params)
    check_lengths(lengths, *xs.shape[:2])
    batch = xs.shape[0]
    xs, counts_BT = counted(xs, lengths)

    # every sequence gets a copy of the parameters, so that one gradient of the sum holds the gradients of the parts
    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), params)

    def total(copies: Params) -> Array:
        return loss(jax.vmap(lambda *example: cell.read(last_state(cell, *example)))(copies, xs, counts_BT))

    return jax.vmap(lambda gradient: _squares(jax.tree.map(lambda leaf: leaf[None], gradient)))(jax.grad(total)(copies))


def _squares(gradients: dict[str, Any]) -> dict[str, Array]:
    """The sum of the squares of all numbers of each parameter."""
    return {
        name: jnp.asarray(sum(jnp.sum(jnp.abs(leaf) ** 2) for leaf in jax.tree.leaves(gradient)))
        for name, gradient in gradients.items()
    }


def one_unit_sensitivity(eigenvalue: Float[Array, " N"], normalised: bool = False) -> Float[Array, " N"]:
    """E|dh/dl|^2 of one linear unit h' = l h + x with white noise of variance 1, once its start is forgotten.

        E|dh/dl|^2          = sum_k k^2 l^(2k-2) = (1 + l^2) / (1 - l^2)^3
        E|h|^2              = 1 / (1 - l^2)
        E|dh/dl|^2 / E|h|^2 = (1 + l^2) / (1 - l^2)^2        normalised

    With time scale 1 / (1 - l) the state grows by the power 1/2 of it, the sensitivity by 3/2: remembering makes
    learning delicate though no gradient explodes, and keeping the state's size, as the normalisation does, mends only
    a part.
    Source: Zucchet & Orvieto 2024, arXiv:2405.21064; the sums are derivatives of geometric ones.

    >>> one_unit_sensitivity(jnp.array([0.0, 0.5]), normalised=True).round(2).tolist()
    [1.0, 2.22...]
    """
    square = eigenvalue**2
    return (1 + square) / (1 - square) ** (2 if normalised else 3)


@register("sensitivity")
@dataclass(frozen=True, kw_only=True)
class Sensitivity(Diagnostic):
    """For every parameter p, `state_p` and `loss_p` (): the root mean square over the sequences of |dh/dp|, |dL/dp|.

    Attributes:
        normalised: whether |dh/dp| is divided by |h|.
        probes: random directions in which the state's sensitivity is measured.
    """

    normalised: bool = False
    probes: Size = 16

    def measure(self, layer: Layer) -> dict[str, Array]:
        """See `Diagnostic.measure`."""
        cell, params, xs, lengths, loss = layer
        states = state_sensitivity(cell, params, xs, lengths, normalised=self.normalised, probes=self.probes)
        losses = loss_sensitivity(cell, params, xs, loss, lengths)
        squares = {f"state_{name}": value for name, value in states.items()}
        squares |= {f"loss_{name}": value for name, value in losses.items()}
        return {name: jnp.sqrt(value.mean()) for name, value in squares.items()}
