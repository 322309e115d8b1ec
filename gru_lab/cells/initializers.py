"""Initialisation schemes by name: how a cell draws its input matrices, recurrent matrices and biases."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
from jax.nn import initializers as jini

from gru_lab.typing import Array, Key, Params

Draw = Callable[..., Array]  # (key, shape) -> array
SchemeName = Literal["pytorch", "keras", "flax", "orthogonal"]


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
    """
    bound = hidden**-0.5

    def uniform(key: Key, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

    orthogonal = jini.orthogonal()
    schemes = {
        "pytorch": Scheme(uniform, uniform, uniform),
        "keras": Scheme(jini.glorot_uniform(), orthogonal, jini.zeros),
        "flax": Scheme(jini.lecun_normal(), orthogonal, jini.zeros),
        "orthogonal": Scheme(orthogonal, orthogonal, jini.zeros),
    }
    return schemes[name]


def gates(name: SchemeName, key: Key, letters: str, inputs: int, hidden: int) -> Params:
    """`W_g (inputs, hidden)`, `U_g (hidden, hidden)` and `b_g (hidden,)` for every gate letter g."""
    draw = scheme(name, hidden)
    params: Params = {}
    for letter, k in zip(letters, jax.random.split(key, len(letters)), strict=True):
        kW, kU, kb = jax.random.split(k, 3)
        params[f"W_{letter}"] = draw.kernel(kW, (inputs, hidden))
        params[f"U_{letter}"] = draw.recurrent(kU, (hidden, hidden))
        params[f"b_{letter}"] = draw.bias(kb, (hidden,))
    return params
