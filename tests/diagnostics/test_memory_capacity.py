"""Linear memory capacity, held to Jaeger's theorems: linear networks reach their size, and nothing exceeds it."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells
from gru_lab.diagnostics import memory_capacity
from gru_lab.schema import UserError

HIDDEN = 20


@dataclass(frozen=True)
class Linear(cells.Cell):
    """h' = h W + x v."""

    def step(self, params, state, x):
        return state @ params["W"] + x[0] * params["v"]


def network(W, v):
    return Linear(hidden=HIDDEN), {"W": jnp.asarray(W, jnp.float32), "v": jnp.asarray(v, jnp.float32)}


def test_a_delay_line_recalls_every_input_that_it_holds_and_no_other():
    cell, params = network(np.eye(HIDDEN, k=1), np.eye(HIDDEN)[0])
    found = memory_capacity(cell, params, jax.random.key(0))
    np.testing.assert_allclose(found.recalled, np.arange(2 * HIDDEN) < HIDDEN, atol=1e-4)
    assert HIDDEN - 1e-3 < found.capacity <= HIDDEN


@pytest.mark.parametrize("seed", range(3))
def test_a_scaled_orthogonal_network_comes_near_its_size_and_never_above(seed):
    W = 0.95 * jax.random.orthogonal(jax.random.key(seed), HIDDEN)
    cell, params = network(W, jax.random.normal(jax.random.key(seed + 10), (HIDDEN,)))
    found = memory_capacity(cell, params, jax.random.key(seed), lags=200, steps=8000)
    assert 0.85 * HIDDEN < found.capacity <= HIDDEN
    assert (found.recalled <= 1).all() and (found.recalled >= 0).all()


def test_a_nonlinearity_costs_memory_and_a_dead_cell_has_none():
    cell = cells.create("rnn", hidden=HIDDEN)
    params = cell.init(jax.random.key(0), 1)
    params["U_h"] *= 0.9  # a state that forgets nothing at all would be the sum of too much
    small, large = (memory_capacity(cell, params, jax.random.key(0), amplitude=a).capacity for a in (0.01, 3.0))
    assert 1 < large < 0.8 * small < HIDDEN
    dead = jax.tree.map(jnp.zeros_like, params)
    assert memory_capacity(cell, dead, jax.random.key(0)).capacity == 0


def test_recall_is_that_of_a_least_squares_fit(float64):
    """One unit, h' = l h + u: w h is the best guess of u_{t-k}, and r^2 = (1 - l^2) l^2k."""
    cell, params = Linear(hidden=1), {"W": jnp.full((1, 1), 0.7, jnp.float64), "v": jnp.ones(1, jnp.float64)}
    found = memory_capacity(cell, params, jax.random.key(0), lags=6, steps=200000)
    np.testing.assert_allclose(found.recalled, (1 - 0.49) * 0.49 ** np.arange(6), atol=5e-3)


def test_what_cannot_be_asked_is_said_in_a_sentence():
    cell = cells.create("gru", hidden=4)
    params = cell.init(jax.random.key(0), 1)
    with pytest.raises(UserError, match="steps is 90: it must be at least 102, for 50 lags and 4 outputs"):
        memory_capacity(cell, params, jax.random.key(0), lags=50, steps=90)
