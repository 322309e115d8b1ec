"""The gradient of an update: weight noise, and a batch in parts whose gradients are added."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.data import Batch, Sum
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


def loss_and_gradient(loss: Loss, params: Any, batch: Batch, key: Key, parts: int = 1) -> tuple[Array, Any]:
    """The mean loss over a batch, and its gradient, computed for `parts` equal parts of it one after the other.

    Sums over the parts are divided by what counts in the whole batch, so that parts with more padding weigh less.

    >>> batch = Batch(inputs=jnp.ones((4, 1, 1)), targets=jnp.arange(4.0), weights=jnp.array([1.0, 1.0, 1.0, 0.0]))
    >>> def loss(w, batch, key):
    ...     return Sum(jnp.sum(batch.weights * (w - batch.targets) ** 2), jnp.sum(batch.weights))
    >>> [round(float(x), 4) for x in loss_and_gradient(loss, jnp.array(0.0), batch, jax.random.key(0), parts=2)]
    [1.6667, -2.0]
    """
    if parts == 1:
        return jax.value_and_grad(lambda p: loss(p, batch, key).mean)(params)

    def of_part(n: Array, part: Batch) -> tuple[Sum, Any]:
        def total(params: Any) -> tuple[Array, Sum]:
            sums = loss(params, part, jax.random.fold_in(key, n))
            return sums.total, sums

        gradient, sums = jax.grad(total, has_aux=True)(params)
        return sums, gradient

    def add(carry: Any, each: tuple[Array, Batch]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, carry, of_part(*each)), None

    cut = jax.tree.map(lambda leaf: leaf.reshape(parts, leaf.shape[0] // parts, *leaf.shape[1:]), batch)
    numbers = jnp.arange(parts)
    shapes = jax.eval_shape(of_part, *jax.tree.map(lambda leaf: leaf[0], (numbers, cut)))
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    (sums, gradient), _ = lax.scan(add, nothing, (numbers, cut))
    return sums.mean, jax.tree.map(lambda leaf: leaf / jnp.where(sums.count > 0, sums.count, 1), gradient)
