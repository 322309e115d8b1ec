"""Wrappers of cells against code of others: what their `witness` names."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gru_lab import cells
from gru_lab.cells.wrappers import LayerNorm, RecurrentDropout, Zoneout

INPUTS, HIDDEN, RATE = 3, 5, 0.4


def drawn(cell, dtype=np.float64):
    """Parameters, a state and an input, far from their first values."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: cell.init(key, INPUTS), jax.random.key(0))
    params = {name: jnp.asarray(rng.standard_normal(s.shape), dtype) for name, s in shapes.items()}
    state = jax.tree.map(
        lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape), dtype), jax.eval_shape(cell.initial_state, shapes)
    )
    return params, state, jnp.asarray(rng.standard_normal(INPUTS), dtype)


@pytest.mark.parametrize("training", [True, False])
def test_zoneout_equals_its_authors_wrapper(training):
    """ZoneoutWrapper.__call__, lines 37-57; TensorFlow's dropout divides what it keeps by the share of it."""
    with jax.enable_x64(True):
        inner = cells.create("lstm", hidden=HIDDEN)
        params, state, x = drawn(inner)
        key = jax.random.key(7)
        told = []
        for part, old, new in zip(jax.random.split(key, 2), state, inner.step(params, state, x), strict=True):
            if training:
                mask = ~jax.random.bernoulli(part, RATE, old.shape)
                told.append((1 - RATE) * (mask * (new - old) / (1 - RATE)) + old)
            else:
                told.append(RATE * old + (1 - RATE) * new)
        given = Zoneout(cell=inner, rate=RATE).step(params, state, (x, key) if training else x)
        np.testing.assert_allclose(np.stack(given), np.stack(told), rtol=0, atol=1e-12)


def test_layer_norm_is_that_of_flax_on_every_product():
    with jax.enable_x64(True):
        cell = LayerNorm(cell=cells.create("lstm", hidden=HIDDEN))
        p, (h, c), x = drawn(cell)

        def normalised(n, product):
            layer = nnx.LayerNorm(HIDDEN, epsilon=1e-5, use_bias=False, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
            layer.scale[...] = p[f"gain_{n}"]
            return layer(product)

        # the gains stand in the order of the products in the step
        a = {
            k: normalised(2 * n, x @ p[f"W_{k}"]) + normalised(2 * n + 1, h @ p[f"U_{k}"]) + p[f"b_{k}"]
            for n, k in enumerate("ifgo")
        }
        told_c = jax.nn.sigmoid(a["f"]) * c + jax.nn.sigmoid(a["i"]) * jnp.tanh(a["g"])
        given_h, given_c = cell.step(p, (h, c), x)
        np.testing.assert_allclose(given_c, told_c, rtol=0, atol=1e-12)
        np.testing.assert_allclose(given_h, jax.nn.sigmoid(a["o"]) * jnp.tanh(told_c), rtol=0, atol=1e-12)


def test_recurrent_dropout_equals_that_of_keras():
    keras = pytest.importorskip("keras")
    cell = RecurrentDropout(cell=cells.create("rnn", hidden=HIDDEN), rate=RATE)
    params, h, x = drawn(cell, np.float32)
    key = jax.random.key(3)
    theirs = keras.layers.SimpleRNNCell(HIDDEN, recurrent_dropout=RATE)
    theirs.build((1, INPUTS))
    theirs.set_weights([np.asarray(params[name]) for name in ("W_h", "U_h", "b_h")])
    theirs._recurrent_dropout_mask = jax.random.bernoulli(key, 1 - RATE, (1, HIDDEN)[1:])[None] / (1 - RATE)
    told, _ = theirs(x[None], [h[None]], training=True)
    np.testing.assert_allclose(cell.step(params, h, (x, key)), np.asarray(told)[0], rtol=0, atol=1e-6)
