"""Masks with gaps: against Keras, against a loop that leaves the masked steps out, and with NaN behind them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import UserError, cells, unroll
from gru_lab.recurrence import Reference, Sequential

BATCH, TIME, INPUTS, HIDDEN = 3, 7, 2, 4
MASK = np.array([[1, 1, 0, 1, 0, 0, 1], [0, 0, 1, 1, 1, 0, 0], [0] * 7], bool)  # gaps inside, before, after, all
XS = np.random.default_rng(0).standard_normal((BATCH, TIME, INPUTS)).astype("float32")
METHODS = [Sequential(store="gates"), Sequential(remat_every=3), Reference()]


def drawn(name, **fields):
    cell = cells.create(name, hidden=HIDDEN, **fields)
    params = cell.init(jax.random.key(0), INPUTS)
    draw = np.random.default_rng(1)
    return cell, {n: p + 0.3 * draw.standard_normal(p.shape).astype(p.dtype) for n, p in params.items()}


def keras_weights(params, gates):
    """Kernel, recurrent kernel and bias as Keras lays them out."""
    kernel, recurrent, bias = (np.concatenate([params[f"{w}_{g}"] for g in gates], -1) for w in "WUb")
    if "b_hn" in params:  # the GRU's second row of biases
        bias = np.stack([bias, np.concatenate([0 * params["b_n"], 0 * params["b_n"], params["b_hn"]])])
    return [kernel, recurrent, bias]


@pytest.mark.parametrize(
    "method", [METHODS[0], *(pytest.param(m, marks=pytest.mark.slow) for m in METHODS[1:])], ids=str
)
@pytest.mark.parametrize(("name", "gates"), [("gru", "zrn"), ("lstm", "ifgo")])
def test_gaps_are_those_of_keras(name, gates, method):
    keras = pytest.importorskip("keras")
    cell, params = drawn(name)
    for reverse in (False, True):
        for outputs in ("zero", "repeat"):
            kind = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}[name]
            options = {"go_backwards": reverse, "zero_output_for_mask": outputs == "zero"}
            layer = keras.layers.RNN(kind(HIDDEN), return_sequences=True, return_state=True, **options)
            layer.build(XS.shape)
            layer.set_weights(keras_weights(params, gates))
            theirs, *theirs_final = layer(XS, mask=MASK)
            theirs = np.asarray(theirs)[:, ::-1] if reverse else np.asarray(theirs)  # Keras's stand in its own order
            masks = {"mask": jnp.asarray(MASK), "masked_outputs": outputs, "reverse": reverse}
            final, hs = unroll(cell, params, jnp.asarray(XS), **masks, method=method)
            np.testing.assert_allclose(hs, theirs, atol=1e-6)
            for ours, other in zip(jax.tree.leaves(final), theirs_final, strict=True):
                np.testing.assert_allclose(ours, other, atol=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_mask_leaves_steps_out(method, float64):
    """Against a loop by hand over the steps that count, with `lengths` and `resets` beside the mask."""
    cell, params = drawn("lstm")
    xs = jnp.asarray(XS, jnp.float64)
    lengths, resets = jnp.array([6, 7, 7]), jnp.zeros((BATCH, TIME), bool).at[0, 2].set(True)
    masks = {"lengths": lengths, "mask": jnp.asarray(MASK), "resets": resets}
    final, hs, states = unroll(cell, params, xs, **masks, states=True, method=method)
    repeated = unroll(cell, params, xs, **masks, masked_outputs="repeat", method=method)[1]
    for b in range(BATCH):
        state = cell.initial_state(params)
        for t in range(TIME):
            state = cell.initial_state(params) if resets[b, t] else state
            counts = MASK[b, t] and t < lengths[b]
            state = cell.step(params, state, xs[b, t]) if counts else state
            np.testing.assert_allclose(hs[b, t], cell.read(state) if counts else 0, atol=1e-12)
            np.testing.assert_allclose(repeated[b, t], cell.read(state), atol=1e-12)
            for leaf, expected in zip(states, state, strict=True):
                np.testing.assert_allclose(leaf[b, t], expected, atol=1e-12)
        for leaf, expected in zip(final, state, strict=True):
            np.testing.assert_allclose(leaf[b], expected, atol=1e-12)


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("outputs", ["zero", "repeat"])
def test_nan_behind_a_mask_reaches_nothing(method, outputs, float64):
    cell, params = drawn("gru")
    params = jax.tree.map(lambda p: jnp.asarray(p, jnp.float64), params)

    def loss(params, xs):
        final, hs = unroll(cell, params, xs, mask=jnp.asarray(MASK), masked_outputs=outputs, method=method)
        return jnp.sin(hs).sum() + final.sum()

    clean = jnp.asarray(XS, jnp.float64)
    dirty = jnp.where(MASK[..., None], clean, jnp.nan)
    found, expected = (jax.jit(jax.value_and_grad(loss, (0, 1)))(params, xs) for xs in (dirty, clean))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not found[1][1][~MASK].any(), "no gradient flows to masked inputs"


def test_a_mask_of_another_shape_is_refused():
    cell, params = drawn("rnn")
    with pytest.raises(UserError, match=r"mask is bool\[3, 5\]: it must be bool\[3, 7\], false where a step does not"):
        unroll(cell, params, jnp.asarray(XS), mask=jnp.ones((BATCH, 5), bool))
