"""A network of recurrent layers of one cell and a linear readout."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.cells.wrappers import Zoneout
from gru_lab.data import at_end
from gru_lab.models.blocks import Around, Norm, PerStep, fold, norm_of
from gru_lab.models.layers import Bidirectional, Recurrent
from gru_lab.models.model import Model, Network, Spec, register
from gru_lab.recurrence import Method, Sequential, unroll, unroll_stack
from gru_lab.recurrence.stack import dropped
from gru_lab.schema import CONTINUOUS, Count, Depth, Positive, Range, continuous
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

    Layers may stand in blocks, as linear recurrences are meant to be stacked:

        norm               on the way into every layer and MLP, and behind the last block
        residual           each layer and each MLP is added to what it sees
        glu                a GELU and a gated linear unit behind every layer
        mlp                a network per step behind every layer, of `expansion` times the width hidden units

    `norm="layer", residual=True, glu=True` is the block of S5 and of the LRU (Orvieto et al. 2023, arXiv:2303.06349),
    `norm="rms", residual=True, mlp="gated"` that of Griffin (De et al. 2024, arXiv:2402.19427) around its recurrence.
    With any of them a linear layer brings what enters to the `width` of the blocks, the cell's `hidden` if it is 0;
    `dropout` then acts on what a layer and an MLP add.

    Attributes:
        layers: the number of layers on top of each other.
        bidirectional: whether each also reads backwards.
        dropout: the share that is dropped between two layers.
        input_dropout: of the inputs of the first layer.
        output_dropout: of the outputs of the last one.
        state_dropout: of the output that a layer's next step sees.
        masks: each step has masks of its own, or all steps of a sequence share them.
        zoneout: the probability with which a unit of the state keeps its old value.
        embedding: the numbers of a symbol's vector; one-hot at 0.
        norm: the norm on the way into every layer and MLP.
        residual: whether each layer and MLP is added to what it sees.
        glu: whether a gated linear unit stands behind every layer.
        mlp: the network per step behind every layer.
        expansion: its hidden units, as a multiple of the width.
        width: the width of the blocks; the cell's `hidden` at 0.
    """

    layers: Depth = 1
    bidirectional: bool = False
    dropout: Share = 0.0
    input_dropout: ShareOrNone = None
    output_dropout: ShareOrNone = None
    state_dropout: ShareOrNone = None
    masks: Literal["step", "sequence"] = "step"
    zoneout: Annotated[float, Range(0, 0.99)] = 0.0
    embedding: Count = 0
    norm: Norm = "none"
    residual: bool = False
    glu: bool = False
    mlp: PerStep = "none"
    expansion: Positive = 3.0
    width: Count = 0

    @property
    def blocks(self) -> bool:
        """True if anything stands around the layers."""
        return self.norm != "none" or self.residual or self.glu or self.mlp != "none"

    def check(self) -> None:
        """`dropout` needs two layers or blocks, `width` needs blocks, and one kind of noise on the state is enough."""
        if self.width and not self.blocks:
            self.refuse("width", "it is that of blocks: take 0, or a norm, a residual, a glu or an mlp")
        if self.dropout > 0 and self.layers == 1 and not self.blocks:
            self.refuse("dropout", "it acts between layers, and model.layers is 1: take 0, or more layers")
        if self.zoneout and self.state_dropout is not None:
            self.refuse("state_dropout", "take null with model.zoneout, which acts on the state, too")

    def build(self, cell: Cell | None, spec: Spec, rngs: nnx.Rngs) -> "RecurrentNetwork":
        """See `Model.build`."""
        self.check_cell(cell)
        assert cell is not None
        network = BlockNetwork if self.blocks else RecurrentNetwork
        return network(Zoneout(cell=cell, rate=self.zoneout) if self.zoneout else cell, spec, self, rngs=rngs)


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

    def around_last(
        self, inputs: Float[Array, "B T I"] | Int[Array, "B T"], lengths: Int[Array, " B"] | None = None
    ) -> tuple[Float[Array, "B T X"], Callable[[Float[Array, "B O"]], Float[Array, "B A"]]]:
        """The inputs of the last recurrent layer, and a function from its last outputs to those of the network.

        Without dropout. The layer's outputs are those after the last step in the forward direction: of a bidirectional
        layer the other half comes from the inputs.
        """
        xs_BTI, below = self.encode(inputs), [layer.directions for layer in self.layers][:-1]
        xs_BTX = unroll_stack(self.cell, below, xs_BTI, lengths=lengths)[1] if below else xs_BTI
        return xs_BTX, lambda last_BO: self.readout(self._both_ways(last_BO, xs_BTX, lengths))

    def _both_ways(
        self, last_BO: Float[Array, "B O"], xs_BTX: Float[Array, "B T X"], lengths: Int[Array, " B"] | None
    ) -> Float[Array, "B D"]:
        for params in self.layers[-1].directions[1:]:
            final, hs_BTO = unroll(self.cell, params, xs_BTX, lengths=lengths, reverse=True)
            back_BO = jax.vmap(self.cell.read)(final) if self.spec.readout == "last" else at_end(hs_BTO, lengths)
            last_BO = jnp.concatenate([last_BO, back_BO], axis=-1)
        return last_BO

    def encode(self, inputs: Float[Array, "B T I"] | Int[Array, "B T"]) -> Float[Array, "B T X"]:
        """The inputs of the first layer: vectors as they are, symbols embedded or one-hot."""
        if not self.spec.symbols:
            return inputs
        return self.embedding(inputs) if self.embedding else jax.nn.one_hot(inputs, self.spec.inputs)


class BlockNetwork(RecurrentNetwork):
    """Recurrent layers in blocks, between a linear layer and a readout; see `RecurrentModel`."""

    def __init__(self, cell: Cell, spec: Spec, model: RecurrentModel, *, rngs: nnx.Rngs) -> None:
        self.spec, self.cell, self.model = spec, cell, model
        dtype, embeds = jnp.result_type(float), spec.symbols and model.embedding > 0
        width = model.width or cell.hidden
        self.embedding = nnx.Embed(spec.inputs, model.embedding, param_dtype=dtype, rngs=rngs) if embeds else None
        self.enter = nnx.Linear(model.embedding if embeds else spec.inputs, width, param_dtype=dtype, rngs=rngs)
        layer = Bidirectional if model.bidirectional else Recurrent
        self.layers = nnx.List([layer(cell, width, rngs=rngs) for _ in range(model.layers)])
        parts = {"norm": model.norm, "residual": model.residual, "glu": model.glu, "mlp": model.mlp, "rngs": rngs}
        units = max(1, round(model.expansion * width))
        self.around = nnx.List([Around(width, each.outputs, units=units, **parts) for each in self.layers])
        self.norm = None if model.norm == "none" else norm_of(model.norm, width, rngs=rngs)
        self.readout = nnx.Linear(width, spec.outputs, param_dtype=dtype, rngs=rngs)

    @property
    def parts(self) -> dict[str, Any]:
        """See `Network.parts`."""
        around = {"enter": self.enter, "recurrent": self.layers, "blocks": self.around, "norm": self.norm}
        return {"embedding": self.embedding} | around | {"readout": self.readout}

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
        share = continuous(self.model) | dict(rates or {})
        *_, (_, _, xs_BTW) = self._blocks(inputs, lengths, key, share, method)
        ends = at_end(xs_BTW, lengths) if self.spec.readout == "last" else xs_BTW
        ends = self._thinned(key, (2 * len(self.layers) + 1,), self._normed(ends), share, "output_dropout")
        return self.readout(ends)

    def around_last(
        self, inputs: Float[Array, "B T I"] | Int[Array, "B T"], lengths: Int[Array, " B"] | None = None
    ) -> tuple[Float[Array, "B T X"], Callable[[Float[Array, "B O"]], Float[Array, "B A"]]]:
        """See `RecurrentNetwork.around_last`."""
        *_, (xs_BTW, seen_BTW, _) = self._blocks(inputs, lengths, None, continuous(self.model), Sequential())
        end_BW, block = at_end(xs_BTW, lengths), self.around[-1]

        def after(last_BO: Array) -> Array:
            return self.readout(self._normed(block.after(end_BW, self._both_ways(last_BO, seen_BTW, lengths))))

        return seen_BTW, after

    def encode(self, inputs: Float[Array, "B T I"] | Int[Array, "B T"]) -> Float[Array, "B T W"]:
        """The vectors that enter the first block."""
        return self.enter(super().encode(inputs))

    def _blocks(
        self,
        inputs: Array,
        lengths: Int[Array, " B"] | None,
        key: Key | None,
        share: Mapping[str, Array | float],
        method: Method,
    ) -> Iterator[tuple[Array, Array, Array]]:
        """Of each block what enters it, what its layer sees, and what comes out."""
        xs_BTW = self.encode(inputs)
        xs_BTW = self._thinned(key, (0,), xs_BTW, share, "input_dropout")
        for n, (layer, block) in enumerate(zip(self.layers, self.around, strict=True)):
            seen_BTW = block.seen(xs_BTW)
            hs_BTO = unroll_stack(
                self.cell,
                [layer.directions],
                seen_BTW,
                lengths=lengths,
                state_dropout=share.get("state_dropout", 0.0),
                same_mask=self.model.masks == "sequence",
                key=None if key is None else fold(key, 2 * n + 1),
                method=method,
            )[1]

            def thinned(ys: Array, half: int, n: int = n) -> Array:
                return self._thinned(key, (2 * n + 2, half), ys, share, "dropout")

            out_BTW = block.after(xs_BTW, hs_BTO, thinned)
            yield xs_BTW, seen_BTW, out_BTW
            xs_BTW = out_BTW

    def _thinned(self, key: Key | None, place: tuple[int, ...], xs: Array, share: Mapping, name: str) -> Array:
        if key is None:
            return xs
        return dropped(fold(key, *place), xs, share.get(name, 0.0), self.model.masks == "sequence")

    def _normed(self, xs: Array) -> Array:
        return xs if self.norm is None else self.norm(xs)
