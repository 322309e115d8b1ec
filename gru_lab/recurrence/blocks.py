"""Time in blocks: a sequence cut into blocks of equal length and, if the length does not divide it, a shorter rest.

The rest is what comes last in the direction of the loop: at the end of time, or at its beginning if `reverse`.
A cut sequence is the pair (blocks (n, size, ...), rest (r, ...)); either is None where there is none.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Parts = Sequence[Any]


def cut(xs: Any, size: int, reverse: bool, like: Any = None) -> Parts:
    """Leaves (time, ...) in blocks of `size`; what is shorter than two blocks stays whole, as the rest.

    `like` gives the time axis where `xs` may have no leaves.
    """
    time = jax.tree.leaves(xs if like is None else like)[0].shape[0]
    if size >= time:
        return None, xs
    rest = time % size
    blocks, left = slice(0, time - rest), slice(time - rest, None)
    if reverse:
        blocks, left = slice(rest, None), slice(0, rest)
    folded = jax.tree.map(lambda x: x[blocks].reshape(time // size, size, *x.shape[1:]), xs)
    return folded, jax.tree.map(lambda x: x[left], xs) if rest else None


def scan_blocks(body: Callable, carry: Any, parts: Parts, reverse: bool, rest_first: bool) -> tuple[Any, Parts]:
    """`lax.scan` of `body(carry, block)` over the blocks, and one call of it for the rest."""
    outs: list[Any] = [None, None]
    for k in (1, 0) if rest_first else (0, 1):
        if parts[k] is not None:
            carry, outs[k] = lax.scan(body, carry, parts[k], reverse=reverse) if k == 0 else body(carry, parts[k])
    return carry, outs


def join(parts: Parts, reverse: bool) -> Any:
    """The inverse of `cut`."""
    blocks, rest = parts
    if blocks is None:
        return rest
    blocks = jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), blocks)
    if rest is None:
        return blocks
    pair = (rest, blocks) if reverse else (blocks, rest)
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *pair)


def block_size(time: int, about: int) -> int:
    """A length of blocks near `about`, without a rest if that is possible."""
    near = [size for size in range((about + 1) // 2, 2 * about + 1) if time % size == 0]
    return min(near, key=lambda size: max(size / about, about / size), default=about)
