"""The contract of a remedy: a penalty on how the network passes gradients back, and when it is minimised."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.errors import UserError
from gru_lab.models import Model, Network
from gru_lab.models.recurrent import RecurrentNetwork
from gru_lab.schema import Registry, Schema
from gru_lab.tasks import Batch
from gru_lab.typing import Array

Loss = Callable[[Array], Array]  # the network's outputs -> the training loss
Descend = Callable[[Any, int], Any]  # (parameters, updates) -> parameters after that many updates on the penalty alone


@dataclass(frozen=True, kw_only=True)
class Remedy(Schema):
    """A measure of training against vanishing and exploding gradients. A subclass's fields are its settings.

    It writes `penalty`, and the one of the three hooks that says when the penalty is minimised: before training,
    between two updates, or beside the loss. All are pure and used under `jit`, `vmap` and `lax.map`.
    """

    group: ClassVar[str] = "remedy"
    draws: ClassVar[bool] = False  # whether it minimises its penalty on batches of its own

    def check_model(self, model: Model) -> None:
        """Raise `UserError` for a model on whose recurrent layers the penalty cannot be measured."""
        if not model.needs_cell:
            raise UserError(f"remedy is {name_of(self)!r}: it works on recurrent layers, and this model has none")
        if getattr(model, "bidirectional", False):
            raise UserError(
                f"remedy is {name_of(self)!r}: it works on layers of one direction, and model.bidirectional is true"
            )
        if getattr(model, "blocks", False):
            raise UserError(
                f"remedy is {name_of(self)!r}: it works on layers that stand on each other, and these stand in blocks; "
                "take model.norm=none, and leave out model.residual, model.glu and model.mlp"
            )

    def penalty(self, network: Network, batch: Batch, loss: Loss) -> Array:
        """The number that is minimised: over all recurrent layers, on one batch whose loss is `loss(outputs)`."""
        raise NotImplementedError

    def before_training(self, params: Any, descend: Descend) -> Any:
        """The parameters with which training begins."""
        return params

    def before_update(self, params: Any, update: Array, descend: Descend) -> Any:
        """The parameters to which an update is applied; `update` counts those before it."""
        return params

    def beside_loss(self, gradient: Any, update: Array, of_penalty: Callable[[], Any]) -> Any:
        """The gradient of an update from the loss's, and from the penalty's, `of_penalty()`."""
        return gradient


def of_layers(network: Network) -> RecurrentNetwork:
    """The network, whose layers a penalty is measured on; `UserError` for one that is built otherwise."""
    if not isinstance(network, RecurrentNetwork):
        raise UserError(f"remedy works on the layers of model=recurrent, and the network is a {type(network).__name__}")
    return network


def when(due: Array, then: Callable[[Any], Any], value: Any) -> Any:
    """`then(value)` where it is due, else the value: what is not due costs nothing.

    Under `vmap` a `lax.cond` would run both branches for every member at every update. Members train in step, so it is
    due for all or for none: one answer serves all of them, and a member that has stopped keeps its own value.
    """
    return lax.cond(
        _for_any_member(due),
        lambda v: jax.tree.map(lambda new, old: jnp.where(due, new, old), then(v), v),
        lambda v: v,
        value,
    )


@jax.custom_batching.custom_vmap
def _for_any_member(due: Array) -> Array:
    return due


@_for_any_member.def_vmap
def _(size: int, batched: Any, due: Array) -> tuple[Array, bool]:
    return jnp.any(due), False


def scheduled(update: Array, every: int, until: int | None) -> Array:
    """True when something that happens every so many updates, and before update `until`, is due."""
    due = update % every == 0
    return due if until is None else due & (update < until)


_registry = Registry("remedy", Remedy, "gru_lab.training.remedies")
register, names, get, create, name_of, exported = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
    _registry.exported,
)
