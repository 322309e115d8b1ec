"""A network of recurrent layers: inputs or symbols in, one answer a sequence or a step out."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.models.recurrent import Bidirectional, Recurrent
from gru_lab.recurrence import Method, Sequential, unroll, unroll_stack
from gru_lab.schema import LATER, Count, Range, Schema, Size
from gru_lab.typing import Array, Float, Int, Key

Share = Annotated[float, Range(0, 0.99)]


@dataclass(frozen=True)
class Model(Schema):
    """The settings of a network around its cell.

    `layers` recurrent layers on top of each other, each also backwards in time if `bidirectional`; in training
    `dropout` is the share of outputs dropped between two of them. Symbols enter as learned vectors of `embedding`
    numbers, or one-hot if it is 0. `parameters` is a budget: with `cell.hidden=auto` the hidden size is the one that
    comes nearest to that many trainable numbers in the whole network.
    """

    group: ClassVar[str] = "model"

    layers: Size = 1
    bidirectional: bool = field(default=False, metadata=LATER)
    dropout: Share = field(default=0.0, metadata=LATER)
    embedding: Count = 0
    parameters: Size | None = None

    def check(self) -> None:
        """Dropout needs two layers to be between."""
        if self.dropout > 0 and self.layers == 1:
            self.refuse("dropout", "it acts between layers, and model.layers is 1: take 0, or more layers")


@dataclass(frozen=True)
class Shape:
    """What a network must take in and give out; a task's `inputs`, `symbols`, `outputs` and `readout`."""

    inputs: int
    outputs: int
    symbols: bool
    readout: Literal["last", "every"]


class Network(nnx.Module):
    """Recurrent layers of one cell and a linear readout.

    Inputs are vectors (batch, time, inputs) or symbols (batch, time); outputs are (batch, outputs) where the readout
    is of the last step, else (batch, time, outputs).
    """

    def __init__(self, cell: Cell, model: Model, shape: Shape, *, rngs: nnx.Rngs) -> None:
        self.shape = shape
        embeds = shape.symbols and model.embedding > 0
        self.embedding = nnx.Embed(shape.inputs, model.embedding, rngs=rngs) if embeds else None
        width = model.embedding if embeds else shape.inputs
        self.cell, self.dropout = cell, model.dropout
        layers = []
        for _ in range(model.layers):
            layers.append((Bidirectional if model.bidirectional else Recurrent)(cell, width, rngs=rngs))
            width = layers[-1].outputs
        self.layers = nnx.List(layers)
        self.readout = nnx.Linear(width, shape.outputs, rngs=rngs)

    def __call__(
        self,
        inputs: Float[Array, "B T I"] | Int[Array, "B T"],
        lengths: Int[Array, " B"] | None = None,
        *,
        key: Key | None = None,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B ..."]:
        """The network's answers; with a random `key`, as in training, dropout is on."""
        layers = [layer.directions for layer in self.layers]
        options = {"lengths": lengths, "dropout": self.dropout, "key": key, "method": method}
        finals, hs_BTO = unroll_stack(self.cell, layers, self.encode(inputs), **options)
        if self.shape.readout == "every":
            return self.readout(hs_BTO)
        lasts = [jax.vmap(self.cell.read)(final) for final in finals[-1]]
        return self.readout(jnp.concatenate(lasts, axis=-1))

    def below_last(
        self,
        inputs: Float[Array, "B T I"] | Int[Array, "B T"],
        lengths: Int[Array, " B"] | None = None,
        *,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B T X"]:
        """What the last recurrent layer sees, without dropout."""
        xs_BTI, below = self.encode(inputs), [layer.directions for layer in self.layers][:-1]
        return unroll_stack(self.cell, below, xs_BTI, lengths=lengths, method=method)[1] if below else xs_BTI

    def after_last(
        self,
        last_BO: Float[Array, "B O"],
        xs_BTX: Float[Array, "B T X"],
        lengths: Int[Array, " B"] | None = None,
    ) -> Float[Array, "B A"]:
        """The answers after the last step, given the last layer's output there in the forward direction.

        `xs_BTX` is what that layer sees: of a bidirectional one the other half of the output comes from there.
        """
        for params in self.layers[-1].directions[1:]:
            final, hs_BTO = unroll(self.cell, params, xs_BTX, lengths=lengths, reverse=True)
            back_BO = jax.vmap(self.cell.read)(final) if self.shape.readout == "last" else _at_end(hs_BTO, lengths)
            last_BO = jnp.concatenate([last_BO, back_BO], axis=-1)
        return self.readout(last_BO)

    def encode(self, inputs: Float[Array, "B T I"] | Int[Array, "B T"]) -> Float[Array, "B T X"]:
        """What the first layer sees: vectors as they are, symbols embedded or one-hot."""
        if not self.shape.symbols:
            return inputs
        return self.embedding(inputs) if self.embedding else jax.nn.one_hot(inputs, self.shape.inputs)


def _at_end(hs_BTO: Array, lengths: Array | None) -> Array:
    """What stands at each sequence's last step."""
    ends_B = jnp.full(len(hs_BTO), hs_BTO.shape[1]) if lengths is None else lengths
    return jnp.take_along_axis(hs_BTO, (ends_B - 1)[:, None, None], axis=1)[:, 0]


def count_parameters(cell: Cell, model: Model, shape: Shape) -> dict[str, int]:
    """How many trainable numbers a network has, by part: `embedding`, `recurrent`, `readout`; nothing is computed."""
    network = nnx.eval_shape(lambda: Network(cell, model, shape, rngs=nnx.Rngs(0)))

    def size(module: nnx.Module | None) -> int:
        return 0 if module is None else sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))

    parts = {"embedding": network.embedding, "recurrent": network.layers, "readout": network.readout}
    return {name: size(part) for name, part in parts.items() if part is not None}


__all__ = ["Model", "Network", "Shape", "count_parameters"]
