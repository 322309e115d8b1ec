"""The curse of memory: one linear unit, whose sensitivity is known in closed form, and dense Jacobians."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells
from gru_lab.diagnostics import loss_sensitivity, one_unit_sensitivity, state_sensitivity
from gru_lab.diagnostics.dynamics import real

TIME, LENGTHS = 4, (4, 2)


@dataclass(frozen=True)
class OneUnit(cells.Cell):
    """h' = l h + x."""

    hidden: int = 1

    def step(self, params, state, x):
        return params["l"] * state + x


@pytest.mark.parametrize("eigenvalue", [0.5, 0.8, -0.9])
def test_one_linear_unit_is_as_sensitive_as_its_closed_form_says(eigenvalue, float64):
    time, batch = 150, 4000
    params = {"l": jnp.full(1, eigenvalue, jnp.float64)}
    xs = jax.random.normal(jax.random.key(0), (batch, time, 1), jnp.float64)
    found = state_sensitivity(OneUnit(), params, xs)["l"]
    k = np.arange(1, time)  # dh/dl = sum_k k l^(k-1) x_{T-k}
    np.testing.assert_allclose(found, (np.asarray(xs[:, -2::-1, 0]) @ (k * eigenvalue ** (k - 1.0))) ** 2, rtol=1e-9)
    expected = one_unit_sensitivity(jnp.array([eigenvalue]))
    np.testing.assert_allclose(found.mean(), expected[0], rtol=0.1)  # four standard errors
    variance = 1 / (1 - eigenvalue**2)
    np.testing.assert_allclose(one_unit_sensitivity(jnp.array([eigenvalue]), normalised=True), expected / variance)


def test_the_closed_form_is_the_sum_of_its_series():
    k = np.arange(1, 4000)
    for eigenvalue in (0.0, 0.3, 0.99):
        series = np.sum(k**2 * eigenvalue ** (2 * k - 2.0))
        np.testing.assert_allclose(one_unit_sensitivity(jnp.array([eigenvalue]))[0], series, rtol=1e-4)


@pytest.mark.parametrize("name", ["gru", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lstm", "lru"))])
def test_sensitivities_are_those_of_dense_jacobians(name, float64):
    cell = cells.create(name, hidden=3)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), cell.init(jax.random.key(0), 2))
    xs = jax.random.normal(jax.random.key(1), (2, TIME, 2), jnp.float64)
    padded, lengths = xs.at[1, LENGTHS[1] :].set(jnp.nan), jnp.array(LENGTHS)
    states = state_sensitivity(cell, params, padded, lengths)
    relative = state_sensitivity(cell, params, padded, lengths, normalised=True)
    losses = loss_sensitivity(cell, params, padded, lambda outputs: jnp.sum(jnp.sin(outputs)), lengths)
    for b, length in enumerate(LENGTHS):

        def last(params, b=b, length=length):
            state = cell.initial_state(params)
            for x in xs[b, :length]:
                state = cell.step(params, state, x)
            return state

        def dense(params, last=last):
            state = last(params)
            return real(state), jnp.sum(jnp.sin(cell.read(state)))

        jacobians, gradients = jax.jit(jax.jacfwd(dense))(params)
        for p in params:
            np.testing.assert_allclose(states[p][b], jnp.sum(jacobians[p] ** 2), rtol=1e-6)
            np.testing.assert_allclose(losses[p][b], jnp.sum(gradients[p] ** 2), rtol=1e-6)
            size = jnp.sum(real(last(params)) ** 2)
            np.testing.assert_allclose(relative[p][b] * size, states[p][b], rtol=1e-6)


def test_random_directions_give_the_norm_in_the_mean():
    cell = cells.create("gru", hidden=60)
    params = cell.init(jax.random.key(0), 2)
    xs = jax.random.normal(jax.random.key(1), (8, 12, 2))
    exact, guessed = (state_sensitivity(cell, params, xs, probes=probes) for probes in (None, 50))
    for p in params:
        np.testing.assert_allclose(guessed[p].mean(), exact[p].mean(), rtol=0.4)
        assert (guessed[p] != exact[p]).any()
