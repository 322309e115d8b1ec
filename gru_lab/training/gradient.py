"""The gradient of an update: weight noise, and a batch in parts whose gradients are added."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.data import Batch, Sum, sequences
from gru_lab.training.parts import over_parts
from gru_lab.typing import Array, Key

Loss = Callable[[Any, Batch, Key], Sum]  # (parameters, batch, key of what is random in the network) -> loss


def noisy(params: Any, deviation: Array | float, key: Key) -> Any:
    """The parameters with Gaussian noise of a standard deviation, each number's its own.

    Source: Graves 2011, Practical Variational Inference for Neural Networks, section 3.2; Jim, Giles & Horne 1996.
    """
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noise = [deviation * jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, [leaf + each for leaf, each in zip(leaves, noise, strict=True)])


def loss_and_gradient(loss: Loss, params: Any, batch: Batch, key: Key, accumulate: int = 1) -> tuple[Array, Any]:
    """The mean loss over a batch, and its gradient, computed for equal parts of it one after the other.

    Sums over the parts are divided by what counts in the whole batch, so that parts with more padding weigh less.

    >>> batch = Batch(inputs=jnp.ones((4, 1, 1)), targets=jnp.arange(4.0), weights=jnp.array([1.0, 1.0, 1.0, 0.0]))
    >>> def loss(w, batch, key):
    ...     return Sum(jnp.sum(batch.weights * (w - batch.targets) ** 2), jnp.sum(batch.weights))
    >>> [round(float(x), 4) for x in loss_and_gradient(loss, jnp.array(0.0), batch, jax.random.key(0), accumulate=2)]
    [1.6667, -2.0]
    """
    if accumulate == 1:
        return jax.value_and_grad(lambda p: loss(p, batch, key).mean)(params)
    return _mean(_totals(loss, params, batch, key, accumulate))


def spread_loss_and_gradient(
    loss: Loss, params: Any, pieces: Batch, key: Key, accumulate: int = 1
) -> tuple[Array, Any]:
    """`loss_and_gradient` for a batch in pieces, each on its own device where there are several.

    `pieces` are those of `cut`; gradients are added once, see `over_parts`. Each piece has a random key of its own, and
    is computed in `accumulate` steps.
    """
    keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(jnp.arange(len(jax.tree.leaves(pieces)[0])))

    def totals(each: tuple[Batch, Key]) -> tuple[Sum, Any]:
        piece, piece_key = each
        return _totals(loss, params, piece, piece_key, accumulate)

    return _mean(over_parts(totals, (pieces, keys)))


def _mean(totals: tuple[Sum, Any]) -> tuple[Array, Any]:
    """The mean loss and its gradient from the sums and the gradient of the total."""
    sums, gradient = totals
    return sums.mean, jax.tree.map(lambda leaf: leaf / jnp.where(sums.count > 0, sums.count, 1), gradient)


def _totals(loss: Loss, params: Any, batch: Batch, key: Key, accumulate: int) -> tuple[Sum, Any]:
    """The sums of the loss over a batch, and the gradient of their total."""

    def of_part(part: Batch, key: Key) -> tuple[Sum, Any]:
        def total(params: Any) -> tuple[Array, Sum]:
            sums = loss(params, part, key)
            return sums.total, sums

        gradient, sums = jax.grad(total, has_aux=True)(params)
        return sums, gradient

    if accumulate == 1:
        return of_part(batch, key)

    def add(carry: Any, each: tuple[Array, Batch]) -> tuple[Any, None]:
        n, part = each
        return jax.tree.map(jnp.add, carry, of_part(part, jax.random.fold_in(key, n))), None

    size = sequences(batch) // accumulate
    pieces = jax.tree.map(lambda leaf: leaf.reshape(accumulate, size, *leaf.shape[1:]), batch)
    numbers = jnp.arange(accumulate)
    first = jax.tree.map(lambda leaf: leaf[0], pieces)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(of_part, first, key))
    return lax.scan(add, nothing, (numbers, pieces))[0]
