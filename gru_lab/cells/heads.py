"""Units dealt to heads: the last head has fewer where the number of heads does not divide that of the units."""

import jax.numpy as jnp

from gru_lab.typing import Array


def width(hidden: int, heads: int) -> int:
    """The units of a head: hidden / heads, rounded up."""
    return -(-hidden // heads)


def split(v: Array, heads: int) -> Array:
    """The units of each head, (heads, width); what the last heads lack is 0."""
    d = width(v.shape[-1], heads)
    return jnp.pad(v, (0, heads * d - v.shape[-1])).reshape(heads, d)


def join(v: Array, hidden: int) -> Array:
    """The units again, (hidden,)."""
    return v.reshape(-1)[:hidden]
