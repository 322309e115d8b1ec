"""Gradient flossing of Engelken (2023): Lyapunov exponents pushed towards zero, before training and during it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from gru_lab.diagnostics.dynamics import size
from gru_lab.diagnostics.lyapunov import exponents
from gru_lab.models import Network
from gru_lab.schema import Count, Size
from gru_lab.tasks import Batch
from gru_lab.training.remedies.remedy import Descend, Loss, Remedy, of_layers, register, scheduled, when
from gru_lab.typing import Array


@register("flossing")
@dataclass(frozen=True, kw_only=True)
class Flossing(Remedy):
    """The leading Lyapunov exponents must be zero: what changes by rate 0 neither vanishes nor explodes.

        penalty = sum_i lambda_i^2,    i = 1 .. k

    The exponents are those of finite time along the task's own inputs, a mean over sequences; gradients go through the
    QRs. The penalty is minimised alone, as in the source: for `before` updates before training, and during it for
    `updates` updates after every `every` of training. Each time the experiment's optimiser begins anew, on batches of
    its own; none of these updates counts as one of training. Several layers: the sum of theirs, each on the inputs it
    has at that moment.
    Source: Engelken 2023, arXiv:2312.17306, equations of section 3 and its published program (QR at every step, one
    sequence an update, an optimiser apart from the loss's).

    Attributes:
        k: how many exponents; all of a state that has fewer.
        before: how many updates on the penalty alone before training.
        every: how many updates of training lie between two phases during it; no such phase if None.
        updates: how many updates on the penalty alone each of these phases has.
        until: from which update of training on there is none any more; never if None.
        sequences: how many sequences of a batch are used.
    """

    draws: ClassVar[bool] = True

    k: Size = 8
    before: Count = 100
    every: Size | None = None
    updates: Size = 100
    until: Size | None = None
    sequences: Size = 1

    def penalty(self, network: Network, batch: Batch, loss: Loss) -> Array:
        """See `Remedy.penalty`."""
        inputs, lengths = batch.inputs[: self.sequences], batch.lengths
        lengths = None if lengths is None else lengths[: self.sequences]
        stack = of_layers(network)
        xs, total = stack.encode(inputs), jnp.zeros(())
        for layer in stack.layers:
            xs, weights = jax.lax.stop_gradient(xs), layer.weights
            k = min(self.k, size(layer.cell, weights))
            rates_BK = exponents(layer.cell, weights, xs, k, lengths, orthogonalise_every=1)
            total += jnp.sum(rates_BK**2, axis=1).mean()
            _, xs = layer(xs, lengths=lengths)
        return total

    def before_training(self, params: Any, descend: Descend) -> Any:
        """See `Remedy.before_training`."""
        return descend(params, self.before) if self.before else params

    def before_update(self, params: Any, update: Array, descend: Descend) -> Any:
        """See `Remedy.before_update`."""
        if self.every is None:
            return params
        due = scheduled(update, self.every, self.until) & (update > 0)
        return when(due, lambda p: descend(p, self.updates), params)
