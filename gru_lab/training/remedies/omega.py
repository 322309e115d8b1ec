"""The regulariser of Pascanu, Mikolov & Bengio (2013), against vanishing gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell
from gru_lab.diagnostics.gradient_flow import Nudged
from gru_lab.models import Network
from gru_lab.models.recurrent import RecurrentNetwork
from gru_lab.recurrence import unroll
from gru_lab.schema import CONTINUOUS, NonNegative, Size
from gru_lab.tasks import Batch
from gru_lab.training.remedies.remedy import Loss, Remedy, of_layers, register, scheduled, when
from gru_lab.typing import Array, Float, Params, State


@register("omega")
@dataclass(frozen=True, kw_only=True)
class Omega(Remedy):
    """One step back in time must keep the norm of the loss's gradient, in the direction that it has.

        Omega_k = ( |dL/dh_{k+1} dh_{k+1}/dh_k| / |dL/dh_{k+1}| - 1 )^2          loss + strength * mean_k Omega_k

    dL/dh_{k+1} is the whole gradient of the loss with respect to a state (for an LSTM h and c together). As in the
    source only the immediate derivative is taken: h_k and dL/dh_{k+1} count as constants, the parameters enter through
    the one step from h_k to h_{k+1}. Three choices where the source speaks of the vanilla network alone: h is the state
    that the cell carries, not the sum before its nonlinearity; all parameters of the step are moved, for a gated cell
    has no other lever than its gates (the source holds the nonlinearity's slope constant as well, which leaves W_rec);
    and Omega_k is a mean over steps and sequences rather than a sum, so that `strength` does not depend on the length.
    Steps that no gradient reaches are left out. Several layers: the sum of theirs.
    Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, section 3.3, equations 9 and 10.

    Attributes:
        strength: the factor of Omega (the source's alpha).
        every: how many updates lie between two at which it is added.
        until: from which update on it is left out; never if None.
    """

    strength: Annotated[NonNegative, CONTINUOUS] = 1.0
    every: Size = 1
    until: Size | None = None

    def penalty(self, network: Network, batch: Batch, loss: Loss) -> Array:
        """See `Remedy.penalty`."""
        network = of_layers(network)
        seen, adjoints = jax.lax.stop_gradient(states_and_adjoints(network, batch, loss))
        total = jnp.zeros(())
        for layer, (xs, before), adjoint in zip(network.layers, seen, adjoints, strict=True):
            ratios_BT, reached_BT = gradient_ratios(layer.cell, layer.weights, xs, before, adjoint)
            total += jnp.sum((ratios_BT - 1) ** 2 * reached_BT) / jnp.maximum(jnp.sum(reached_BT), 1)
        return total

    def beside_loss(self, gradient: Any, update: Array, of_penalty: Callable[[], Any]) -> Any:
        """The gradient of loss + strength * penalty at the updates that are due, else the loss's."""

        def added(gradient: Any) -> Any:
            return jax.tree.map(lambda g, p: g + self.strength * p, gradient, of_penalty())

        return when(scheduled(update, self.every, self.until), added, gradient)


def states_and_adjoints(
    network: RecurrentNetwork, batch: Batch, loss: Loss
) -> tuple[list[tuple[Array, State]], list[State]]:
    """For every recurrent layer its inputs with the state before each step, and dL/dh after each step.

    All have leaves (batch, time, ...); dL/dh is zero at padded steps.
    """
    size, time = batch.inputs.shape[:2]

    def still(cell: Cell, weights: Params) -> State:
        start = cell.initial_state(weights)
        return jax.tree.map(lambda leaf: jnp.zeros((size, time, *jnp.shape(leaf)), leaf.dtype), start)

    def run(nudges: list[State]) -> tuple[Array, list[tuple[Array, State]]]:
        xs = last = network.encode(batch.inputs)
        seen = []
        for layer, nudge in zip(network.layers, nudges, strict=True):
            cell, weights = layer.cell, layer.weights
            final, hs, states = unroll(Nudged(cell=cell), weights, (xs, nudge), lengths=batch.lengths, states=True)
            start = jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (size, *jnp.shape(leaf))), cell.initial_state(weights)
            )
            seen.append((xs, jax.tree.map(_shifted, start, states)))
            xs, last = hs, jax.vmap(cell.read)(final)
        return loss(network.readout(last if network.spec.readout == "last" else xs)), seen

    nudges = [still(layer.cell, layer.weights) for layer in network.layers]
    adjoints, seen = jax.grad(run, has_aux=True)(nudges)
    return seen, adjoints


def gradient_ratios(
    cell: Cell, params: Params, xs: Float[Array, "B T I"], before: State, adjoints: State
) -> tuple[Float[Array, "B T"], Array]:
    """|dL/dh_{k+1} dh_{k+1}/dh_k| / |dL/dh_{k+1}| for every step, and whether a gradient reaches it.

    `before` holds h_k and `adjoints` dL/dh_{k+1}, leaves (batch, time, ...). Differentiable in `params`.
    """

    def ratio(x: Array, h: State, adjoint: State) -> tuple[Array, Array]:
        largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(adjoint)]))
        reached = (largest > 0) & jnp.isfinite(largest)
        # A gradient of 1e-30 has a direction, though its square is zero in float32.
        scaled = jax.tree.map(lambda leaf: leaf / jnp.where(reached, largest, 1), adjoint)
        _, pullback = jax.vjp(lambda h: cell.step(params, h, x), h)
        (back,) = pullback(scaled)
        return jnp.where(reached, _norm(back) / jnp.where(reached, _norm(scaled), 1), 1), reached

    return jax.vmap(jax.vmap(ratio))(xs, before, adjoints)


def _norm(tree: State) -> Array:
    """The Euclidean norm, with gradient zero where it is zero."""
    square = sum(jnp.sum(jnp.abs(leaf) ** 2) for leaf in jax.tree.leaves(tree))
    return jnp.sqrt(jnp.where(square > 0, square, 1)) * (square > 0)


def _shifted(start: Array, after: Array) -> Array:
    """The state before each step (batch, time, ...)."""
    return jnp.concatenate([start[:, None], after[:, :-1]], axis=1)
