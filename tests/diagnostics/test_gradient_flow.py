"""The gradient against the lag, held to the definition: the loss as a function of one state, stepped on by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells, unroll
from gru_lab.diagnostics import decay_rate, gradient_flow, horizon, stack_gradient_flow

TIME, LENGTHS = 7, (7, 4)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_norms_are_those_of_the_gradient_with_respect_to_each_state(name, float64):
    cell = cells.create(name, hidden=5)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), cell.init(jax.random.key(0), 3))
    xs_BTI = jax.random.normal(jax.random.key(1), (len(LENGTHS), TIME, 3), jnp.float64)
    norms_BT = gradient_flow(cell, params, xs_BTI, lambda outputs: jnp.sum(jnp.sin(outputs)), jnp.array(LENGTHS))
    for b, length in enumerate(LENGTHS):
        states = [cell.initial_state(params)]
        for x in xs_BTI[b, :length]:
            states.append(cell.step(params, states[-1], x))
        for lag in range(length):

            def loss(state, b=b, first=length - lag, length=length):
                for x in xs_BTI[b, first:length]:
                    state = cell.step(params, state, x)
                return jnp.sum(jnp.sin(cell.read(state)))

            gradient = jax.grad(loss)(states[length - lag])
            expected = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
            np.testing.assert_allclose(norms_BT[b, lag], expected, rtol=1e-10)
        assert jnp.isnan(norms_BT[b, length:]).all(), "there is no state further back than the sequence"


def test_norms_of_a_lower_layer_count_what_it_does_through_the_layers_above(float64):
    cell = cells.create("lstm", hidden=4)
    low, high = (cell.init(jax.random.key(n), width) for n, width in ((0, 3), (1, 4)))
    xs_BTI = jax.random.normal(jax.random.key(2), (len(LENGTHS), TIME, 3))
    flows = stack_gradient_flow(cell, [low, high], xs_BTI, lambda out: jnp.sum(jnp.sin(out)), jnp.array(LENGTHS))
    for b, length in enumerate(LENGTHS):
        lows, highs = [cell.initial_state(low)], [cell.initial_state(high)]
        for x in xs_BTI[b, :length]:
            lows.append(cell.step(low, lows[-1], x))
            highs.append(cell.step(high, highs[-1], cell.read(lows[-1])))
        for lag in range(length):
            at = length - lag

            def loss(state, b=b, at=at, length=length, above=highs[at - 1]):
                above = cell.step(high, above, cell.read(state))
                for x in xs_BTI[b, at:length]:
                    state = cell.step(low, state, x)
                    above = cell.step(high, above, cell.read(state))
                return jnp.sum(jnp.sin(cell.read(above)))

            gradient = jax.grad(loss)(lows[at])
            expected = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
            np.testing.assert_allclose(flows[0, b, lag], expected, rtol=1e-10)
    tops = gradient_flow(
        cell,
        high,
        unroll(cell, low, xs_BTI, lengths=jnp.array(LENGTHS))[1],
        lambda out: jnp.sum(jnp.sin(out)),
        jnp.array(LENGTHS),
    )
    np.testing.assert_allclose(flows[1], tops, rtol=1e-12)


def test_the_decay_rate_is_the_slope_of_what_can_be_seen():
    norms = np.full(60, np.nan, np.float32)
    norms[:50] = 3 * np.exp(-2.0 * np.arange(50))  # underflows to 0 from lag 45
    np.testing.assert_allclose(decay_rate(jnp.array(norms)), -2, rtol=1e-5)
    assert jnp.isnan(decay_rate(jnp.array([1.0, jnp.inf, jnp.nan, 0.0])))
    noisy = np.exp(np.random.RandomState(0).randn(30))
    np.testing.assert_allclose(decay_rate(jnp.array(noisy)), np.polyfit(np.arange(30), np.log(noisy), 1)[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("norms", "expected"),
    [
        ([5, 1, 4e-3, 1e-3], 2),  # 4e-3 is under 1e-3 of 5
        ([1, 1e-4, 1, 1e-4, 1e-5], 3),  # a dip is not the end
        ([1, 0.5, 0.2], 3),  # never under: at least as long as was measured
        ([1, 0.5, 1e-9, np.nan], 2),
        ([1, 0.5, np.nan, np.nan], 2),
        ([1, 9, np.inf, np.inf], 4),  # an exploding gradient reaches back as far as one looks
        ([0, 0, 0], 0),
        ([np.inf, 1, 1], np.nan),
    ],
)
def test_the_horizon_is_where_the_norm_falls_for_good(norms, expected):
    np.testing.assert_equal(float(horizon(jnp.array(norms, jnp.float32))), float(expected))
