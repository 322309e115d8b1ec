"""A network of recurrent layers of one cell and a linear readout."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.cells.wrappers import Zoneout
from gru_lab.data import at_end
from gru_lab.models.layers import Bidirectional, Recurrent
from gru_lab.models.model import Model, Network, Spec, register
from gru_lab.recurrence import Method, Sequential, unroll, unroll_stack
from gru_lab.recurrence.stack import dropped
from gru_lab.schema import CONTINUOUS, Count, Range, Size, continuous
from gru_lab.typing import Array, Float, Int, Key

Share = Annotated[float, Range(0, 0.99), CONTINUOUS]
ShareOrNone = Annotated[Annotated[float, Range(0, 0.99)] | None, CONTINUOUS]


@register("recurrent")
@dataclass(frozen=True, kw_only=True)
class RecurrentModel(Model):
    """`layers` recurrent layers on top of each other, each also backwards in time if `bidirectional`.

    Symbols enter as learned vectors of `embedding` numbers, or one-hot if it is 0. In training a share is dropped of
    what enters, leaves and goes around in the layers; null is the same as 0 and compiles to nothing:

        dropout            of the outputs between two layers
        input_dropout      of the inputs of the first layer
        output_dropout     of the outputs of the last one
        state_dropout      of the output that a layer's next step sees (Gal & Ghahramani 2016, arXiv:1512.05287)

    `masks`: each step has masks of its own (`step`, Zaremba 2014, arXiv:1409.2329), or all steps of a sequence have the
    same (`sequence`, the variational dropout of Gal & Ghahramani 2016). With `zoneout` each unit of the state keeps its
    old value with that probability, and in evaluation that share of it (Krueger et al. 2017, arXiv:1606.01305).
    """

    layers: Size = 1
    bidirectional: bool = False
    dropout: Share = 0.0
    input_dropout: ShareOrNone = None
    output_dropout: ShareOrNone = None
    state_dropout: ShareOrNone = None
    masks: Literal["step", "sequence"] = "step"
    zoneout: Annotated[float, Range(0, 0.99)] = 0.0
    embedding: Count = 0

    def check(self) -> None:
        """`dropout` must be 0 where there is one layer, and one kind of noise on the state is enough."""
        if self.dropout > 0 and self.layers == 1:
            self.refuse("dropout", "it acts between layers, and model.layers is 1: take 0, or more layers")
        if self.zoneout and self.state_dropout is not None:
            self.refuse("state_dropout", "take null with model.zoneout, which acts on the state, too")

    def build(self, cell: Cell | None, spec: Spec, rngs: nnx.Rngs) -> "RecurrentNetwork":
        """See `Model.build`."""
        self.check_cell(cell)
        assert cell is not None
        return RecurrentNetwork(Zoneout(cell=cell, rate=self.zoneout) if self.zoneout else cell, spec, self, rngs=rngs)


class RecurrentNetwork(Network):
    """Recurrent layers of one cell and a linear readout; inputs are vectors (batch, time, inputs), or symbols."""

    def __init__(self, cell: Cell, spec: Spec, model: RecurrentModel, *, rngs: nnx.Rngs) -> None:
        self.spec = spec
        embeds = spec.symbols and model.embedding > 0
        dtype = jnp.result_type(float)  # that of the cell's parameters
        self.embedding = nnx.Embed(spec.inputs, model.embedding, param_dtype=dtype, rngs=rngs) if embeds else None
        width = model.embedding if embeds else spec.inputs
        self.cell, self.model = cell, model
        stack = []
        for _ in range(model.layers):
            stack.append((Bidirectional if model.bidirectional else Recurrent)(cell, width, rngs=rngs))
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
        rates: Mapping[str, Array | float] | None = None,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B ..."]:
        """See `Network.__call__`."""
        layers = [layer.directions for layer in self.layers]
        share, same_mask = continuous(self.model) | dict(rates or {}), self.model.masks == "sequence"

        def thinned(xs: Array, n: int, name: str) -> Array:
            return xs if key is None else dropped(jax.random.fold_in(key, n), xs, share.get(name, 0.0), same_mask)

        finals, hs_BTO = unroll_stack(
            self.cell,
            layers,
            thinned(self.encode(inputs), 0, "input_dropout"),
            lengths=lengths,
            dropout=share["dropout"],
            state_dropout=share.get("state_dropout", 0.0),
            same_mask=same_mask,
            key=key,
            method=method,
        )
        if self.spec.readout == "last":
            hs_BTO = jnp.concatenate([jax.vmap(self.cell.read)(final) for final in finals[-1]], axis=-1)
        return self.readout(thinned(hs_BTO, len(layers), "output_dropout"))

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
