"""A small causal Transformer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import nn

from gru_lab.cells import Cell
from gru_lab.models.blocks import MLP, norm_of
from gru_lab.models.feedforward import Feedforward, joined
from gru_lab.models.model import Auto, Model, Spec, register
from gru_lab.recurrence.stack import dropped
from gru_lab.schema import CONTINUOUS, Depth, Range, Size, continuous
from gru_lab.typing import Array, Float, Key

BASE = 10_000.0  # of the wavelengths of rotary positions, as RoFormer and LLaMA have it


@register("transformer")
@dataclass(frozen=True, kw_only=True)
class TransformerModel(Model):
    """Blocks of causal self-attention and of a network per step, each around a residual, normalised on the way in.

        x  = x + Attention(norm(x))
        x' = x + MLP(norm(x))

    A norm and a linear readout stand behind the last block; symbols enter as learned vectors, vectors through a linear
    layer. The defaults are the blocks of LLaMA (Touvron et al. 2023, arXiv:2302.13971): RMSNorm, rotary positions, a
    gated MLP, no biases. `norm="layer", mlp="gelu", bias=True` are those of GPT-2 (Radford et al. 2019) and of
    PyTorch's `TransformerEncoderLayer(norm_first=True)`. Attention over T steps takes heads x T x T numbers.
    Sources: Vaswani et al. 2017, arXiv:1706.03762; pre-norm: Xiong et al. 2020, arXiv:2002.04745.

    Attributes:
        width: numbers per step between the blocks; `auto` follows `parameters`, and is 64 without such a budget.
        units: hidden units of the MLP; `auto` follows `parameters`, and is else 8/3 of the width if it is gated, 4
            times the width if not (Shazeer 2020, arXiv:2002.05202, section 3: as many parameters).
        layers: the number of blocks.
        heads: of each attention, of the even size next to width / heads, so that any width goes with any heads.
        positions: how steps are told apart beside their order: see `rotated`; `none` knows the causal mask alone.
        norm: RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467) or LayerNorm.
        mlp: `gated` W3 (silu(W1 x) * W2 x), or `gelu` W2 gelu(W1 x).
        bias: whether linear layers and LayerNorms between embedding and readout have biases.
        dropout: the share that is dropped in training, of what enters the first block and of what each half of a block
            adds.
    """

    needs_cell: ClassVar[bool] = False
    sized_by: ClassVar[tuple[str, ...]] = ("width", "units")

    width: Auto[Size] = "auto"
    units: Auto[Size] = "auto"
    layers: Depth = 2
    heads: Size = 4
    positions: Literal["rotary", "none"] = "rotary"
    norm: Literal["rms", "layer"] = "rms"
    mlp: Literal["gated", "gelu"] = "gated"
    bias: bool = False
    dropout: Annotated[float, Range(0, 0.99), CONTINUOUS] = 0.0

    def build(self, cell: Cell | None, spec: Spec, rngs: nnx.Rngs) -> "TransformerNetwork":
        """See `Model.build`."""
        self.check_cell(cell)
        return TransformerNetwork(self, spec, rngs=rngs)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Width, size of a head, and hidden units of the MLP."""
        width = 64 if self.width == "auto" else self.width
        factor = 8 / 3 if self.mlp == "gated" else 4
        units = max(1, round(factor * width)) if self.units == "auto" else self.units
        return width, 2 * -(-width // (2 * self.heads)), units


class TransformerNetwork(Feedforward):
    """Embedding, blocks, a norm and a linear readout; see `TransformerModel`."""

    def __init__(self, model: TransformerModel, spec: Spec, *, rngs: nnx.Rngs) -> None:
        self.spec, self.model = spec, model
        width, dtype = model.sizes[0], jnp.result_type(float)
        enter = nnx.Embed if spec.symbols else nnx.Linear
        self.embedding = enter(spec.inputs, width, param_dtype=dtype, rngs=rngs)
        self.blocks = nnx.List([Block(model, rngs=rngs) for _ in range(model.layers)])
        self.norm = norm_of(model.norm, width, model.bias, rngs=rngs)
        self.readout = nnx.Linear(width, spec.outputs, param_dtype=dtype, rngs=rngs)

    @property
    def parts(self) -> dict[str, Any]:
        """See `Network.parts`."""
        return {"embedding": self.embedding, "blocks": self.blocks, "norm": self.norm, "readout": self.readout}

    def encode(self, inputs: Any) -> Float[Array, "B T W"]:
        """See `Feedforward.encode`."""
        return self.embedding(inputs if self.spec.symbols else joined(inputs))

    def body(
        self, xs: Float[Array, "B T W"], key: Key | None, rates: Mapping[str, Array | float]
    ) -> Float[Array, "B T W"]:
        """See `Feedforward.body`."""
        share = (continuous(self.model) | dict(rates))["dropout"]

        def thinned(xs: Array, n: int) -> Array:
            return xs if key is None else dropped(jax.random.fold_in(key, n), xs, share)

        xs = thinned(xs, 0)
        for n, block in enumerate(self.blocks):
            xs = xs + thinned(block.attention(block.before_attention(xs)), 2 * n + 1)
            xs = xs + thinned(block.mlp(block.before_mlp(xs)), 2 * n + 2)
        return self.norm(xs)


class Block(nnx.Module):
    """The parts of one block: attention and MLP, each with its norm."""

    def __init__(self, model: TransformerModel, *, rngs: nnx.Rngs) -> None:
        width, size, units = model.sizes
        self.before_attention = norm_of(model.norm, width, model.bias, rngs=rngs)
        self.attention = Attention(width, model.heads, size, model.bias, model.positions == "rotary", rngs=rngs)
        self.before_mlp = norm_of(model.norm, width, model.bias, rngs=rngs)
        self.mlp = MLP(width, units, model.mlp, model.bias, rngs=rngs)


class Attention(nnx.Module):
    """Causal self-attention of several heads, over vectors (batch, time, width)."""

    def __init__(self, width: int, heads: int, size: int, bias: bool, rotary: bool, *, rngs: nnx.Rngs) -> None:
        self.heads, self.rotary = heads, rotary
        options = {"use_bias": bias, "param_dtype": jnp.result_type(float), "rngs": rngs}
        self.query = nnx.Linear(width, heads * size, **options)
        self.key = nnx.Linear(width, heads * size, **options)
        self.value = nnx.Linear(width, heads * size, **options)
        self.out = nnx.Linear(heads * size, width, **options)

    def __call__(self, xs: Float[Array, "B T W"]) -> Float[Array, "B T W"]:
        """The values that each step takes from itself and from the steps before it."""
        query, key, value = (
            product(xs).reshape(*xs.shape[:2], self.heads, -1) for product in (self.query, self.key, self.value)
        )
        if self.rotary:
            query, key = rotated(query), rotated(key)
        return self.out(attended(query, key, value).reshape(*xs.shape[:2], -1))


def attended(
    query: Float[Array, "B T H D"], key: Float[Array, "B T H D"], value: Float[Array, "B T H D"]
) -> Float[Array, "B T H D"]:
    """The values of each step and of those before it, weighed by softmax(query key / sqrt(D)).

    `jax.nn.dot_product_attention` takes its softmax in float32 whatever is given, too coarse for checks in float64.
    Source: Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    time, size = query.shape[1], query.shape[-1]
    logits_BHTS = jnp.einsum("bthd,bshd->bhts", query, key) * size**-0.5
    past_TS = jnp.tril(jnp.ones((time, time), bool))
    return jnp.einsum("bhts,bshd->bthd", nn.softmax(logits_BHTS, where=past_TS), value)


def rotated(xs: Float[Array, "B T H D"]) -> Float[Array, "B T H D"]:
    """Rotary positions: the numbers 2i and 2i + 1 of a head turned together by t 10000^(-2i / D) at step t.

    So the product of a query with a key depends on how many steps lie between them. Neighbours are turned together, as
    in RoFormer and GPT-J; GPT-NeoX and LLaMA turn i with i + D / 2, which is the same after a permutation of the rows
    of both projections.
    Source: Su et al. 2021, RoFormer, arXiv:2104.09864, equation 34.

    >>> xs = jnp.ones((1, 3, 1, 2))
    >>> bool(jnp.allclose(rotated(xs)[0, 2, 0], jnp.array([jnp.cos(2) - jnp.sin(2), jnp.cos(2) + jnp.sin(2)])))
    True
    """
    time, size = xs.shape[1], xs.shape[-1]
    angles_TI = jnp.arange(time)[:, None] * BASE ** (-jnp.arange(0, size, 2) / size)
    cos, sin = (f(angles_TI)[:, None].astype(xs.dtype) for f in (jnp.cos, jnp.sin))
    even, odd = xs[..., ::2], xs[..., 1::2]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(xs.shape)
