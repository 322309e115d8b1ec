"""A network of recurrent layers: inputs or symbols in, one answer a sequence or a step out."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.models.recurrent import Recurrent
from gru_lab.recurrence import Method, Sequential
from gru_lab.schema import Count, Schema, Size
from gru_lab.typing import Array, Float, Int


@dataclass(frozen=True)
class Model(Schema):
    """The settings of a network around its cell.

    `layers` recurrent layers on top of each other; symbols enter as learned vectors of `embedding` numbers, or
    one-hot if it is 0. `parameters` is a budget: with `cell.hidden=auto` the hidden size is the one that comes
    nearest to that many trainable numbers in the whole network.
    """

    group: ClassVar[str] = "model"

    layers: Size = 1
    embedding: Count = 0
    parameters: Size | None = None


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
        layers = []
        for _ in range(model.layers):
            layers.append(Recurrent(cell, width, rngs=rngs))
            width = layers[-1].outputs
        self.layers = nnx.List(layers)
        self.readout = nnx.Linear(width, shape.outputs, rngs=rngs)

    def __call__(
        self,
        inputs: Float[Array, "B T I"] | Int[Array, "B T"],
        lengths: Int[Array, " B"] | None = None,
        *,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B ..."]:
        """The network's answers."""
        xs_BTI = self.below_last(inputs, lengths, method=method)
        last_BH, hs_BTH = self.layers[-1](xs_BTI, lengths=lengths, method=method)
        return self.readout(last_BH if self.shape.readout == "last" else hs_BTH)

    def below_last(
        self,
        inputs: Float[Array, "B T I"] | Int[Array, "B T"],
        lengths: Int[Array, " B"] | None = None,
        *,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B T X"]:
        """What the last recurrent layer sees."""
        xs_BTI = self.encode(inputs)
        for layer in self.layers[:-1]:
            _, xs_BTI = layer(xs_BTI, lengths=lengths, method=method)
        return xs_BTI

    def encode(self, inputs: Float[Array, "B T I"] | Int[Array, "B T"]) -> Float[Array, "B T X"]:
        """What the first layer sees: vectors as they are, symbols embedded or one-hot."""
        if not self.shape.symbols:
            return inputs
        return self.embedding(inputs) if self.embedding else jax.nn.one_hot(inputs, self.shape.inputs)


def count_parameters(cell: Cell, model: Model, shape: Shape) -> dict[str, int]:
    """How many trainable numbers a network has, by part: `embedding`, `recurrent`, `readout`; nothing is computed."""
    network = nnx.eval_shape(lambda: Network(cell, model, shape, rngs=nnx.Rngs(0)))

    def size(module: nnx.Module | None) -> int:
        return 0 if module is None else sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))

    parts = {"embedding": network.embedding, "recurrent": network.layers, "readout": network.readout}
    return {name: size(part) for name, part in parts.items() if part is not None}


__all__ = ["Model", "Network", "Shape", "count_parameters"]
