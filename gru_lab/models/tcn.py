"""The temporal convolutional network of Bai et al. (2018)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from gru_lab.cells import Cell
from gru_lab.models.feedforward import Feedforward, joined
from gru_lab.models.model import Auto, Model, Spec, register
from gru_lab.recurrence.stack import dropped
from gru_lab.schema import CONTINUOUS, Count, Range, Size, continuous
from gru_lab.typing import Array, Float, Key


@register("tcn")
@dataclass(frozen=True, kw_only=True)
class TCNModel(Model):
    """Residual blocks of two causal convolutions each, dilated by 1, 2, 4, ... from block to block.

        y  = dropout(relu(conv(dropout(relu(conv(x))))))
        x' = relu(x + y)

    A 1x1 convolution takes the place of x where its width is another. Convolutions are weight-normalised. An output
    depends on the last `1 + 2 (kernel - 1) (2^levels - 1)` inputs, the receptive field, and on no others: what must be
    remembered for longer cannot be learned. The defaults, with a field of 3,061 steps, are the authors' for the adding
    problem; symbols enter one-hot, or as learned vectors of `embedding` numbers.
    Source: Bai, Kolter & Koltun 2018, arXiv:1803.01271, section 3, and the code they released. That draws the weights
    of all convolutions but the 1x1 as PyTorch does, U(-1, 1) / sqrt(kernel inputs): its N(0, 0.01^2) is undone by the
    weight norm, and stays for the 1x1 and the readout alone.

    Attributes:
        width: channels; `auto` follows `parameters`, and is 30 without such a budget.
        wider: channels more in all, dealt out to the convolutions one each from the first on, so that a budget is met
            between two widths; `auto` follows `parameters`, and is 0 without such a budget.
        levels: the number of blocks.
        kernel: the inputs of a convolution in time.
        embedding: numbers of a learned vector per symbol; 0 is one-hot.
        dropout: the share that is dropped in training behind every convolution.
        masks: each step has a mask of its own, as in the authors' code, or all steps of a sequence have the same, so
            that whole channels are dropped, as in the paper.
    """

    needs_cell: ClassVar[bool] = False
    sized_by: ClassVar[tuple[str, ...]] = ("width", "wider")

    width: Auto[Size] = "auto"
    wider: Auto[Count] = "auto"
    levels: Annotated[int, Range(1, 24)] = 8
    kernel: Annotated[int, Range(2, 1024)] = 7
    embedding: Count = 0
    dropout: Annotated[float, Range(0, 0.99), CONTINUOUS] = 0.0
    masks: Literal["step", "sequence"] = "step"

    def build(self, cell: Cell | None, spec: Spec, rngs: nnx.Rngs) -> "TCNNetwork":
        """See `Model.build`."""
        self.check_cell(cell)
        return TCNNetwork(self, spec, rngs=rngs)

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of every convolution, two per block.

        >>> TCNModel(width=6, wider=3, levels=2).channels
        (7, 7, 7, 6)
        """
        width = 30 if self.width == "auto" else self.width
        each, more = divmod(0 if self.wider == "auto" else self.wider, 2 * self.levels)
        return tuple(width + each + (n < more) for n in range(2 * self.levels))

    @property
    def receptive_field(self) -> int:
        """The number of inputs, the newest among them, that an output depends on.

        >>> TCNModel().receptive_field
        3061
        """
        return 1 + 2 * (self.kernel - 1) * (2**self.levels - 1)


class TCNNetwork(Feedforward):
    """Residual blocks of dilated convolutions and a linear readout; see `TCNModel`."""

    def __init__(self, model: TCNModel, spec: Spec, *, rngs: nnx.Rngs) -> None:
        self.spec, self.model = spec, model
        dtype = jnp.result_type(float)
        embeds = spec.symbols and model.embedding > 0
        self.embedding = nnx.Embed(spec.inputs, model.embedding, param_dtype=dtype, rngs=rngs) if embeds else None
        width, blocks = model.embedding if embeds else spec.inputs, []
        for n in range(model.levels):
            channels = model.channels[2 * n : 2 * n + 2]
            blocks.append(Block(width, channels, model.kernel, 2**n, rngs=rngs))
            width = channels[-1]
        self.blocks = nnx.List(blocks)
        self.readout = _small(width, spec.outputs, rngs=rngs)

    @property
    def parts(self) -> dict[str, Any]:
        """See `Network.parts`."""
        return {"embedding": self.embedding, "blocks": self.blocks, "readout": self.readout}

    def encode(self, inputs: Any) -> Float[Array, "B T X"]:
        """See `Feedforward.encode`."""
        if not self.spec.symbols:
            return joined(inputs)
        return self.embedding(inputs) if self.embedding else jax.nn.one_hot(inputs, self.spec.inputs)

    def body(
        self, xs: Float[Array, "B T X"], key: Key | None, rates: Mapping[str, Array | float]
    ) -> Float[Array, "B T C"]:
        """See `Feedforward.body`."""
        share, same = (continuous(self.model) | dict(rates))["dropout"], self.model.masks == "sequence"

        def thinned(xs: Array, n: int) -> Array:
            return xs if key is None else dropped(jax.random.fold_in(key, n), xs, share, same)

        for n, block in enumerate(self.blocks):
            ys = thinned(jax.nn.relu(block.first(xs)), 2 * n)
            ys = thinned(jax.nn.relu(block.second(ys)), 2 * n + 1)
            xs = jax.nn.relu(ys + (xs if block.across is None else block.across(xs)))
        return xs


class Block(nnx.Module):
    """The convolutions of a residual block."""

    def __init__(self, inputs: int, channels: tuple[int, ...], kernel: int, dilation: int, *, rngs: nnx.Rngs) -> None:
        self.first = Convolution(inputs, channels[0], kernel, dilation, rngs=rngs)
        self.second = Convolution(channels[0], channels[1], kernel, dilation, rngs=rngs)
        self.across = None if inputs == channels[1] else _small(inputs, channels[1], rngs=rngs)


class Convolution(nnx.Module):
    """A causal, dilated, weight-normalised convolution over vectors (batch, time, inputs).

        y_t = b + sum_j x_(t - (K - 1 - j) d) W_j,    W = g v / |v|

    `v` is (K, inputs, outputs); the norm is over the inputs in all of time, per output, and g begins as |v|. Before the
    first step the inputs are zero.
    Source of the weight norm: Salimans & Kingma 2016, arXiv:1602.07868.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int, *, rngs: nnx.Rngs) -> None:
        self.dilation, draw, dtype = dilation, uniform(kernel * inputs), jnp.result_type(float)
        v = draw(rngs.params(), (kernel, inputs, outputs), dtype)
        self.v, self.g = nnx.Param(v), nnx.Param(_norm(v))
        self.b = nnx.Param(draw(rngs.params(), (outputs,), dtype))

    def __call__(self, xs: Float[Array, "B T I"]) -> Float[Array, "B T O"]:
        """The outputs of every step."""
        v = self.v[...]
        before = (len(v) - 1) * self.dilation
        ys = lax.conv_general_dilated(
            xs, self.g[...] / _norm(v) * v, (1,), [(before, 0)], rhs_dilation=(self.dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )  # fmt: skip
        return ys + self.b[...]


def uniform(inputs: int) -> nnx.Initializer:
    """Draws from U(-1, 1) / sqrt(inputs), as PyTorch's convolutions begin."""
    bound = inputs**-0.5
    return lambda key, shape, dtype=None, out_sharding=None: jax.random.uniform(
        key, shape, dtype or jnp.result_type(float), -bound, bound
    )


def _small(inputs: int, outputs: int, *, rngs: nnx.Rngs) -> nnx.Linear:
    """A linear layer, and so a 1x1 convolution, with weights from N(0, 0.01^2)."""
    options = {"kernel_init": nnx.initializers.normal(0.01), "bias_init": uniform(inputs), "rngs": rngs}
    return nnx.Linear(inputs, outputs, param_dtype=jnp.result_type(float), **options)


def _norm(v: Float[Array, "K I O"]) -> Float[Array, " O"]:
    return jnp.sqrt(jnp.sum(v**2, axis=(0, 1)))
