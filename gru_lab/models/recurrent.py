"""A network of recurrent layers of one cell and a linear readout."""

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.data import at_end
from gru_lab.models.layers import Bidirectional, Recurrent
from gru_lab.models.model import Model, Network, Spec, register
from gru_lab.recurrence import Method, Sequential, unroll, unroll_stack
from gru_lab.schema import CONTINUOUS, Count, Range, Size
from gru_lab.typing import Array, Float, Int, Key

Share = Annotated[float, Range(0, 0.99), CONTINUOUS]


@register("recurrent")
@dataclass(frozen=True, kw_only=True)
class RecurrentModel(Model):
    """`layers` recurrent layers on top of each other, each also backwards in time if `bidirectional`.

    In training `dropout` is the share of outputs dropped between two of them. Symbols enter as learned vectors of
    `embedding` numbers, or one-hot if it is 0.
    """

    layers: Size = 1
    bidirectional: bool = False
    dropout: Share = 0.0
    embedding: Count = 0

    def check(self) -> None:
        """`dropout` must be 0 where there is one layer."""
        if self.dropout > 0 and self.layers == 1:
            self.refuse("dropout", "it acts between layers, and model.layers is 1: take 0, or more layers")

    def build(self, cell: Cell | None, spec: Spec, rngs: nnx.Rngs) -> "RecurrentNetwork":
        """See `Model.build`."""
        self.check_cell(cell)
        assert cell is not None
        return RecurrentNetwork(
            cell,
            spec,
            layers=self.layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            embedding=self.embedding,
            rngs=rngs,
        )


class RecurrentNetwork(Network):
    """Recurrent layers of one cell and a linear readout; inputs are vectors (batch, time, inputs), or symbols."""

    def __init__(
        self,
        cell: Cell,
        spec: Spec,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        embedding: int = 0,
        rngs: nnx.Rngs,
    ) -> None:
        self.spec = spec
        embeds = spec.symbols and embedding > 0
        dtype = jnp.result_type(float)  # that of the cell's parameters
        self.embedding = nnx.Embed(spec.inputs, embedding, param_dtype=dtype, rngs=rngs) if embeds else None
        width = embedding if embeds else spec.inputs
        self.cell, self.dropout = cell, dropout
        stack = []
        for _ in range(layers):
            stack.append((Bidirectional if bidirectional else Recurrent)(cell, width, rngs=rngs))
            width = stack[-1].outputs
        self.layers = nnx.List(stack)
        self.readout = nnx.Linear(width, spec.outputs, param_dtype=dtype, rngs=rngs)

    @property
    def recurrent(self) -> tuple[Recurrent | Bidirectional, ...]:
        """See `Network.recurrent`."""
        return tuple(self.layers)

    @property
    def parts(self) -> dict[str, nnx.Module | None]:
        """See `Network.parts`."""
        return {"embedding": self.embedding, "recurrent": self.layers, "readout": self.readout}

    def __call__(
        self,
        inputs: Float[Array, "B T I"] | Int[Array, "B T"],
        lengths: Int[Array, " B"] | None = None,
        *,
        key: Key | None = None,
        dropout: Float[Array, ""] | float | None = None,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B ..."]:
        """See `Network.__call__`."""
        layers = [layer.directions for layer in self.layers]
        rate = self.dropout if dropout is None else dropout
        options = {"lengths": lengths, "dropout": rate, "key": key, "method": method}
        finals, hs_BTO = unroll_stack(self.cell, layers, self.encode(inputs), **options)
        if self.spec.readout == "every":
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
        """The inputs of the last recurrent layer, without dropout."""
        xs_BTI, below = self.encode(inputs), [layer.directions for layer in self.layers][:-1]
        return unroll_stack(self.cell, below, xs_BTI, lengths=lengths, method=method)[1] if below else xs_BTI

    def after_last(
        self,
        last_BO: Float[Array, "B O"],
        xs_BTX: Float[Array, "B T X"],
        lengths: Int[Array, " B"] | None = None,
    ) -> Float[Array, "B A"]:
        """The outputs after the last step, given the last layer's there in the forward direction.

        `xs_BTX` is what that layer sees: of a bidirectional one the other half of the output comes from there.
        """
        for params in self.layers[-1].directions[1:]:
            final, hs_BTO = unroll(self.cell, params, xs_BTX, lengths=lengths, reverse=True)
            back_BO = jax.vmap(self.cell.read)(final) if self.spec.readout == "last" else at_end(hs_BTO, lengths)
            last_BO = jnp.concatenate([last_BO, back_BO], axis=-1)
        return self.readout(last_BO)

    def encode(self, inputs: Float[Array, "B T I"] | Int[Array, "B T"]) -> Float[Array, "B T X"]:
        """The inputs of the first layer: vectors as they are, symbols embedded or one-hot."""
        if not self.spec.symbols:
            return inputs
        return self.embedding(inputs) if self.embedding else jax.nn.one_hot(inputs, self.spec.inputs)
