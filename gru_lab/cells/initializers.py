"""Initialisation: schemes for matrices and biases by name, and gates that remember from the first step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import initializers as jini

from gru_lab.cells.cell import Auto, Cell
from gru_lab.schema import CONTINUOUS, Range
from gru_lab.typing import Array, Float, Key, Params, State

Bias = Annotated[float, CONTINUOUS]
Draw = Callable[..., Array]  # (key, shape) -> array
SchemeName = Literal["pytorch", "keras", "flax", "orthogonal", "identity", "glorot", "lecun", "he", "edgeml", "np"]


class Scheme(NamedTuple):
    """The three distributions of one scheme."""

    kernel: Draw
    recurrent: Draw
    bias: Draw


def scheme(name: SchemeName, hidden: int) -> Scheme:
    """The scheme of that name for a cell of `hidden` units.

    - `pytorch`: everything from U(-1/sqrt(hidden), 1/sqrt(hidden)).
    - `keras`: Glorot-uniform input matrices, orthogonal recurrent matrices, zero biases.
    - `flax`: LeCun-normal input matrices, orthogonal recurrent matrices, zero biases.
    - `orthogonal`: orthogonal input and recurrent matrices, zero biases (Saxe 2014, arXiv:1312.6120).
    - `identity`: input matrices from N(0, 0.001^2), identity recurrent matrices, zero biases
      (Le 2015, arXiv:1504.00941; with `nonlinearity="relu"` a vanilla RNN so drawn is the IRNN).
    - `glorot`: all matrices Glorot-uniform, zero biases (TensorFlow's default where a cell names none).
    - `lecun`: LeCun-uniform input matrices, orthogonal recurrent matrices, zero biases.
    - `he`: input matrices from N(0, 2 / inputs), orthogonal recurrent matrices, zero biases.
    - `edgeml`: all matrices from N(0, 0.1^2), biases of 1 (microsoft/EdgeML).
    - `np`: recurrent matrices that are symmetric, positive definite and normalised, (R R^T / hidden + I) over its
      greatest eigenvalue, R from N(0, 1); input matrices from N(0, 1 / inputs) times sqrt(2) exp(1.2 / (max(hidden, 6)
      - 2.4)); zero biases (Talathi & Vartak 2016, arXiv:1511.03771, section 2; the np-RNN with `nonlinearity="relu"`).
    """
    bound = hidden**-0.5

    def uniform(key: Key, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

    def identity(key: Key, shape: tuple[int, ...]) -> Array:
        return jnp.eye(shape[0], shape[1])

    def positive(key: Key, shape: tuple[int, ...]) -> Array:
        R = jax.random.normal(key, shape)
        whole = R @ R.T / shape[0] + jnp.eye(shape[0])
        return whole / jnp.linalg.eigvalsh(whole)[-1]

    orthogonal = jini.orthogonal()
    wide = 2 * math.exp(2.4 / (max(hidden, 6) - 2.4))
    schemes = {
        "pytorch": Scheme(uniform, uniform, uniform),
        "keras": Scheme(jini.glorot_uniform(), orthogonal, jini.zeros),
        "flax": Scheme(jini.lecun_normal(), orthogonal, jini.zeros),
        "orthogonal": Scheme(orthogonal, orthogonal, jini.zeros),
        "identity": Scheme(jini.normal(0.001), identity, jini.zeros),
        "glorot": Scheme(jini.glorot_uniform(), jini.glorot_uniform(), jini.zeros),
        "lecun": Scheme(jini.lecun_uniform(), orthogonal, jini.zeros),
        "he": Scheme(jini.variance_scaling(2.0, "fan_in", "normal"), orthogonal, jini.zeros),
        "np": Scheme(jini.variance_scaling(wide, "fan_in", "normal"), positive, jini.zeros),
        "edgeml": Scheme(jini.normal(0.1), jini.normal(0.1), jini.ones),
    }
    return schemes[name]


def gates(
    name: SchemeName,
    key: Key,
    W: str,
    inputs: int,
    hidden: int,
    U: str | None = None,
    b: str | None = None,
) -> Params:
    """`W_g (inputs, hidden)`, `U_g (hidden, hidden)` and `b_g (hidden,)` for every gate letter g.

    `W`, `U` and `b` are the letters of the gates that have each; U and b have those of W if not given.
    """
    U, b = W if U is None else U, W if b is None else b
    draw = scheme(name, hidden)
    params: Params = {}
    letters = "".join(dict.fromkeys(W + U + b))
    for letter, k in zip(letters, jax.random.split(key, len(letters)), strict=True):
        kW, kU, kb = jax.random.split(k, 3)
        if letter in W:
            params[f"W_{letter}"] = draw.kernel(kW, (inputs, hidden))
        if letter in U:
            params[f"U_{letter}"] = draw.recurrent(kU, (hidden, hidden))
        if letter in b:
            params[f"b_{letter}"] = draw.bias(kb, (hidden,))
    return params


def chrono(key: Key, hidden: int, t_max: float | Array) -> Float[Array, " H"]:
    """Biases of a gate that keeps: b = log u, u ~ U(1, t_max - 1).

    With nothing else in the gate, f = sigmoid(b) = u / (1 + u) forgets with time scale 1 / (1 - f) = 1 + u,
    so the time scales are uniform over [2, t_max].

    Source: Tallec & Ollivier 2018, arXiv:1804.11188 (for a gate that writes, or the input gate: -b).

    >>> b = chrono(jax.random.key(0), hidden=1000, t_max=100.0)
    >>> time_scales = 1 / (1 - jax.nn.sigmoid(b))
    >>> bool((time_scales > 1.99).all()), bool((time_scales < 100.01).all())
    (True, True)
    """
    return jnp.log(jax.random.uniform(key, (hidden,), minval=1.0, maxval=t_max - 1.0))


def ugi(key: Key, hidden: int) -> Float[Array, " H"]:
    """Biases of a gate that keeps, so that its values are uniform: b = logit u, u ~ U(1/hidden, 1 - 1/hidden).

    Source: Gu et al. 2020, arXiv:1910.09890, "uniform gate initialization".
    """
    edge = min(1.0 / hidden, 0.5)
    return jax.scipy.special.logit(jax.random.uniform(key, (hidden,), minval=edge, maxval=1.0 - edge))


@dataclass(frozen=True, kw_only=True)
class GatedCell(Cell):
    """A cell with a gate that keeps (or overwrites) its state, and biases that say for how long at first.

    Attributes:
        gate_init: the biases of the keeping gate: `constant` (the scheme's, plus `forget_bias`), `chrono` (time
            scales uniform up to `t_max`) or `ugi` (gate values uniform). A gate that writes gets the negative.
        forget_bias: what `constant` adds: above 0 remembers longer.
        t_max: the longest time scale that `chrono` draws, in steps; `auto` for the length of the task's sequences.
        initializer: the scheme of all other weights.
    """

    keep: ClassVar[str] = ""  # the gate g in  state' = g * state + ...
    write: ClassVar[str] = ""  # the gate g in  state' = (1 - g) * state + ..., or the input gate beside `keep`

    gate_init: Literal["constant", "chrono", "ugi"] = "constant"
    forget_bias: Bias = 0.0
    t_max: Annotated[Annotated[float, Range(3)] | Auto, CONTINUOUS] = 100.0
    initializer: SchemeName = "keras"

    def remember(self, params: Params, key: Key, keep: str | None = None, write: str | None = None) -> Params:
        """The parameters with the biases of the keeping and writing gates set as `gate_init` says."""
        keep, write = self.keep if keep is None else keep, self.write if write is None else write
        params = dict(params)
        if self.gate_init == "constant":
            if keep:
                params[f"b_{keep}"] += self.forget_bias
            else:
                params[f"b_{write}"] -= self.forget_bias
            return params
        key = jax.random.fold_in(key, 1000)
        drawn = chrono(key, self.hidden, self.settled("t_max")) if self.gate_init == "chrono" else ugi(key, self.hidden)
        if keep:
            params[f"b_{keep}"] = drawn
        if write:
            params[f"b_{write}"] = -drawn
        return params

    def gate_values(self, params: Params, state: State, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates of one step by name, each (hidden,) in (0, 1): what `step` itself uses."""
        raise NotImplementedError

    def retention(self, params: Params, state: State, x: Float[Array, " I"]) -> Float[Array, " H"]:
        """The factor by which each unit keeps its state in one step; its time scale is 1 / (1 - retention)."""
        gate = self.gate_values(params, state, x)
        return gate[self.keep] if self.keep else 1 - gate[self.write]
