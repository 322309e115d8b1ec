"""Parts of blocks: norms, gated linear units, networks per step, and what stands around a recurrent layer."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import nn

from gru_lab.typing import Array, Float

EPSILON = 1e-5  # under the root of a norm, as PyTorch and LLaMA 2 have it

Norm = Literal["none", "rms", "layer"]
PerStep = Literal["none", "gated", "gelu"]


class MLP(nnx.Module):
    """A network of one hidden layer per step: `gated` W3 (silu(W1 x) * W2 x), or `gelu` W2 gelu(W1 x).

    Source: Shazeer 2020, arXiv:2002.05202.
    """

    def __init__(
        self, width: int, units: int, kind: Literal["gated", "gelu"], bias: bool = True, *, rngs: nnx.Rngs
    ) -> None:
        options: dict[str, Any] = {"use_bias": bias, "param_dtype": jnp.result_type(float), "rngs": rngs}
        self.gate = nnx.Linear(width, units, **options) if kind == "gated" else None
        self.up = nnx.Linear(width, units, **options)
        self.down = nnx.Linear(units, width, **options)

    def __call__(self, xs: Float[Array, "... W"]) -> Float[Array, "... W"]:
        """The outputs of every step."""
        up = self.up(xs)
        return self.down(nn.gelu(up, approximate=False) if self.gate is None else nn.silu(self.gate(xs)) * up)


class GLU(nnx.Module):
    """A GELU and a gated linear unit: `W1 g * sigmoid(W2 g)` of `g = gelu(x)`.

    Source: Dauphin et al. 2017, arXiv:1612.08083; behind a recurrence in S5 (Smith et al. 2023) and the LRU.
    """

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        dtype = jnp.result_type(float)
        self.value = nnx.Linear(width, width, param_dtype=dtype, rngs=rngs)
        self.gate = nnx.Linear(width, width, param_dtype=dtype, rngs=rngs)

    def __call__(self, xs: Float[Array, "... W"]) -> Float[Array, "... W"]:
        """The outputs of every step."""
        xs = nn.gelu(xs, approximate=False)
        return self.value(xs) * nn.sigmoid(self.gate(xs))


def norm_of(
    kind: Literal["rms", "layer"], width: int, bias: bool = True, *, rngs: nnx.Rngs
) -> nnx.RMSNorm | nnx.LayerNorm:
    """A norm over the numbers of a step."""
    options: dict[str, Any] = {"epsilon": EPSILON, "param_dtype": jnp.result_type(float), "rngs": rngs}
    return nnx.RMSNorm(width, **options) if kind == "rms" else nnx.LayerNorm(width, use_bias=bias, **options)


class Around(nnx.Module):
    """The parts of a block around a recurrent layer: a norm before it, what follows it, and an MLP with its norm.

    y  = GLU(W layer(norm(x)))          W only where the layer's outputs are not as many as x; GLU where asked for
    x  = x + y    (or y without a residual)
    x' = x + MLP(norm(x))               (or MLP(norm(x)))
    """

    def __init__(
        self,
        width: int,
        outputs: int,
        *,
        norm: Norm,
        residual: bool,
        glu: bool,
        mlp: PerStep,
        units: int,
        rngs: nnx.Rngs,
    ) -> None:
        dtype = jnp.result_type(float)
        self.residual = residual
        self.before = None if norm == "none" else norm_of(norm, width, rngs=rngs)
        self.map = None if outputs == width else nnx.Linear(outputs, width, param_dtype=dtype, rngs=rngs)
        self.glu = GLU(width, rngs=rngs) if glu else None
        self.before_mlp = None if mlp == "none" or norm == "none" else norm_of(norm, width, rngs=rngs)
        self.mlp = None if mlp == "none" else MLP(width, units, mlp, rngs=rngs)

    def seen(self, xs: Float[Array, "... W"]) -> Float[Array, "... W"]:
        """The inputs of the recurrent layer."""
        return xs if self.before is None else self.before(xs)

    def after(self, xs: Float[Array, "... W"], hs: Float[Array, "... O"], thinned: Any = None) -> Float[Array, "... W"]:
        """The outputs of the block, from its inputs and the outputs of the layer; `thinned(ys, n)` is dropout."""
        thinned = thinned or (lambda ys, n: ys)
        ys = hs if self.map is None else self.map(hs)
        ys = thinned(ys if self.glu is None else self.glu(ys), 0)
        xs = xs + ys if self.residual else ys
        if self.mlp is None:
            return xs
        ys = thinned(self.mlp(xs if self.before_mlp is None else self.before_mlp(xs)), 1)
        return xs + ys if self.residual else ys


def fold(key: Any, *numbers: int) -> Any:
    """A random key of a place, from that of the whole."""
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key
