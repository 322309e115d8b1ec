"""A network of two recurrent layers: one reads a sequence, the other writes its translation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.cells import Cell, name_of
from gru_lab.models import attention
from gru_lab.models.layers import Bidirectional, Recurrent
from gru_lab.models.model import Model, Network, Spec, register
from gru_lab.recurrence import Method, PerSequence, Sequential, unroll
from gru_lab.recurrence.stack import dropped
from gru_lab.schema import CONTINUOUS, Range, Size, UserError
from gru_lab.typing import Array, Float, Int, Key, Params, State


@register("encoder_decoder")
@dataclass(frozen=True, kw_only=True)
class EncoderDecoder(Model):
    """One cell reads the source, another of its kind writes the target, a symbol per step.

        h_1 ... h_S   the encoder's outputs; in both directions, side by side, if `bidirectional`
        s_0           the encoder's final state, of its backward direction if it has one
        s_t           step(s_(t-1), [E y_(t-1), c_t])
        answers       E' tanh([s_t, c_t, E y_(t-1)] W + b) + b'

    `attention` says where the context c_t comes from:

        additive   a look at all outputs of the encoder, as s_(t-1) asks (Bahdanau et al. 2015, arXiv:1409.0473)
        dot        the same with products for scores (Luong et al. 2015, arXiv:1508.04025, "general")
        none       the encoder's last output, the same at every step (Cho et al. 2014, arXiv:1406.1078)

    Without `input_feeding` the context reaches the answers alone, and it is s_t that asks. Symbols enter as learned
    vectors of `embedding` numbers; with `tied` E' is E (Press & Wolf 2017, arXiv:1608.05859). In training a share
    `dropout` is dropped of both embeddings and of what the answers are made from.

    Attributes:
        attention: where the context of an answer comes from.
        bidirectional: whether the encoder reads in both directions.
        input_feeding: whether the decoder's step sees the context, or the answers alone.
        embedding: the numbers of a symbol's vector.
        tied: whether answers are compared with the embedding.
        dropout: the share that is dropped in training.
    """

    reads_pairs: ClassVar[bool] = True

    attention: Literal["additive", "dot", "none"] = "additive"
    bidirectional: bool = True
    input_feeding: bool = True
    embedding: Size = 128
    tied: bool = False
    dropout: Annotated[float, Range(0, 0.99), CONTINUOUS] = 0.0

    def build(self, cell: Cell | None, spec: Spec, rngs: nnx.Rngs) -> "EncoderDecoderNetwork":
        """See `Model.build`."""
        self.check_cell(cell)
        self.check_spec(spec)
        assert cell is not None
        return EncoderDecoderNetwork(cell, spec, self, rngs=rngs)


class Source(NamedTuple):
    """A batch of sources as the decoder knows them, and the state with which it begins."""

    memory: attention.Memory
    last: Float[Array, "B V"]
    state: State


class EncoderDecoderNetwork(Network):
    """An encoder, a decoder and attention; inputs are `(source, target)`, symbols (batch, time), the target so far.

    Symbol 0 of a source stands behind its end, and so does what is not within `lengths`.
    """

    def __init__(self, cell: Cell, spec: Spec, model: EncoderDecoder, *, rngs: nnx.Rngs) -> None:
        self.spec, self.model, self.cell = spec, model, cell
        dtype, width = jnp.result_type(float), model.embedding  # the dtype of the cell's parameters
        self.source_embedding = nnx.Embed(spec.inputs, width, param_dtype=dtype, rngs=rngs)
        self.target_embedding = nnx.Embed(spec.outputs, width, param_dtype=dtype, rngs=rngs)
        self.encoder = (Bidirectional if model.bidirectional else Recurrent)(cell, width, rngs=rngs)
        values = self.encoder.outputs
        self.decoder = Recurrent(cell, width + values if model.input_feeding else width, rngs=rngs)
        queries, drawn = self.decoder.outputs, {}
        if model.attention != "none":
            drawn = attention.init(model.attention, rngs.params(), queries, values, queries)
        self.attention = nnx.Dict({name: nnx.Param(value) for name, value in drawn.items()})
        self.deep = nnx.Linear(queries + values + width, width, param_dtype=dtype, rngs=rngs)
        self.readout = None if model.tied else nnx.Linear(width, spec.outputs, param_dtype=dtype, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros(spec.outputs, dtype)) if model.tied else None
        self._check_states()

    def _check_states(self) -> None:
        """The decoder must be able to begin where the encoder ended."""
        pair = [jax.eval_shape(self.cell.initial_state, each.each[-1].weights) for each in self.recurrent]
        if pair[0] != pair[1]:
            raise UserError(
                f"cell is {name_of(self.cell)!r}: the shape of its state depends on its inputs, so that a decoder "
                "cannot begin with the state of an encoder"
            )

    @property
    def recurrent(self) -> tuple[Recurrent | Bidirectional, ...]:
        """The encoder and the decoder."""
        return self.encoder, self.decoder

    @property
    def parts(self) -> dict[str, Any]:
        """See `Network.parts`."""
        return {
            "embeddings": nnx.List([self.source_embedding, self.target_embedding]),
            "encoder": self.encoder,
            "decoder": self.decoder,
            "attention": self.attention,
            "readout": nnx.List([each for each in (self.deep, self.readout, self.bias) if each is not None]),
        }

    def encode(
        self,
        source: Int[Array, "B S"],
        lengths: Int[Array, " B"] | None = None,
        *,
        key: Key | None = None,
        dropout: Array | float = 0.0,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Source:
        """The source as the decoder knows it."""
        counts_BS = source != 0
        if lengths is not None:
            counts_BS &= jnp.arange(source.shape[1])[None] < lengths[:, None]
        read = counts_BS.sum(axis=1).astype(jnp.int32)
        xs_BSE = _thinned(self.source_embedding(source), key, 0, dropout)
        finals, outputs = [], []
        for direction, each in enumerate(self.encoder.each):
            final, hs = unroll(each.cell, each.weights, xs_BSE, lengths=read, reverse=bool(direction), method=method)
            finals.append(final)
            outputs.append(hs)
        values_BSV = jnp.concatenate(outputs, axis=-1)
        last_BV = jnp.concatenate([jax.vmap(self.cell.read)(final) for final in finals], axis=-1)
        keys_BSA = values_BSV @ self._attention["U_a"] if self._attention else values_BSV[..., :0]
        return Source(attention.Memory(values_BSV, keys_BSA, counts_BS), last_BV, finals[-1])

    @property
    def _attention(self) -> Params:
        """The parameters of attention as its functions take them; empty where there is none."""
        return {name: param[...] for name, param in self.attention.items()}

    def _attending(self, source: Source) -> tuple[attention.Attending, Params]:
        """The decoder's cell with a look before each step, and its parameters."""
        params = {"cell": self.decoder.weights, "attention": self._attention, "memory": PerSequence(source.memory)}
        return attention.Attending(cell=self.cell), params

    def __call__(
        self,
        inputs: tuple[Int[Array, "B T"], Int[Array, "B T"]],
        lengths: Int[Array, " B"] | None = None,
        *,
        key: Key | None = None,
        rates: Mapping[str, Array | float] | None = None,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B T O"]:
        """See `Network.__call__`: the answers at every step, given the target so far."""
        dropout = dict(rates or {}).get("dropout", self.model.dropout)
        source = self.encode(inputs[0], lengths, key=key, dropout=dropout, method=method)
        ys_BTE = _thinned(self.target_embedding(inputs[1]), key, 1, dropout)
        hs_BTO, contexts_BTV = self._decoded(source, ys_BTE, method)
        return self._answers(hs_BTO, contexts_BTV, ys_BTE, key, dropout)

    def _decoded(self, source: Source, ys_BTE: Array, method: Method) -> tuple[Array, Array]:
        """The decoder's outputs and contexts at every step."""
        time, outputs = ys_BTE.shape[1], self.decoder.outputs
        if self._attention and self.model.input_feeding:
            cell, params = self._attending(source)
            start = source.state, jnp.zeros_like(source.last)
            both_BTX = unroll(cell, params, ys_BTE, start, method=method)[1]
            return both_BTX[..., :outputs], both_BTX[..., outputs:]
        fixed_BTV = jnp.broadcast_to(source.last[:, None], (len(source.last), time, source.last.shape[-1]))
        xs_BTI = jnp.concatenate([ys_BTE, fixed_BTV], axis=-1) if self.model.input_feeding else ys_BTE
        _, hs_BTO = unroll(self.cell, self.decoder.weights, xs_BTI, source.state, method=method)
        if not self._attention:
            return hs_BTO, fixed_BTV
        looks = jax.vmap(jax.vmap(attention.look, (None, 0, None)), (None, 0, 0))
        return hs_BTO, looks(self._attention, hs_BTO, source.memory)

    def _answers(self, hs: Array, contexts: Array, ys: Array, key: Key | None = None, dropout: Any = 0.0) -> Array:
        """The answers from outputs, contexts and embedded symbols (..., numbers)."""
        seen = _thinned(jnp.tanh(self.deep(jnp.concatenate([hs, contexts, ys], axis=-1))), key, 2, dropout)
        if self.readout is not None:
            return self.readout(seen)
        assert self.bias is not None
        return self.target_embedding.attend(seen) + self.bias[...]

    def advance(self, source: Source, state: State, symbols: Int[Array, " B"]) -> tuple[State, Float[Array, "B O"]]:
        """The decoder's state and answers after one more symbol; it begins with `source.state`."""
        ys_BE = self.target_embedding(symbols)
        if self._attention and self.model.input_feeding:
            contexts_BV = self._look(source, state)
            state = self._step(state, jnp.concatenate([ys_BE, contexts_BV], axis=-1))
        else:
            fed = self.model.input_feeding
            state = self._step(state, jnp.concatenate([ys_BE, source.last], axis=-1) if fed else ys_BE)
            contexts_BV = self._look(source, state) if self._attention else source.last
        return state, self._answers(jax.vmap(self.cell.read)(state), contexts_BV, ys_BE)

    def _step(self, state: State, xs_BI: Array) -> State:
        return jax.vmap(self.cell.step, (None, 0, 0))(self.decoder.weights, state, xs_BI)

    def _look(self, source: Source, state: State) -> Array:
        queries_BQ = jax.vmap(self.cell.read)(state)
        return jax.vmap(attention.look, (None, 0, 0))(self._attention, queries_BQ, source.memory)

    def attention_weights(
        self, inputs: tuple[Int[Array, "B T"], Int[Array, "B T"]], lengths: Int[Array, " B"] | None = None
    ) -> Float[Array, "B T S"]:
        """The share of each source symbol in the context of each step, given the target so far.

        Raises:
            UserError: if the network has no attention.
        """
        if not self._attention:
            raise UserError("model.attention is 'none': such a network looks at its last state alone")
        source = self.encode(inputs[0], lengths)
        hs_BTO, _ = self._decoded(source, self.target_embedding(inputs[1]), Sequential())
        queries_BTQ = hs_BTO
        if self.model.input_feeding:  # the state of the step before asks
            first_BQ = jax.vmap(self.cell.read)(source.state)
            queries_BTQ = jnp.concatenate([first_BQ[:, None], hs_BTO[:, :-1]], axis=1)
        shares = jax.vmap(jax.vmap(attention.weights, (None, 0, None)), (None, 0, 0))
        return shares(self._attention, queries_BTQ, source.memory)


def _thinned(xs: Array, key: Key | None, n: int, rate: Array | float) -> Array:
    """Dropout of the n-th kind; without a key nothing is dropped."""
    return xs if key is None else dropped(jax.random.fold_in(key, n), xs, rate)
