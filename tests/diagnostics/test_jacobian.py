"""The end-to-end Jacobian against the dense one, multiplied out step by step in NumPy."""

import functools

import jax
import jax.numpy as jnp
import kin
import numpy as np
import pytest

from gru_lab import cells
from gru_lab.diagnostics import log_singular_values, log_spectral_norms
from gru_lab.diagnostics.dynamics import real, real_map
from gru_lab.schema import UserError

TIME, LENGTHS, LAGS = 7, (7, 4), (6, 1, 3, 0)


def made(name, time=TIME, hidden=4, **fields):
    cell = cells.create(name, hidden=hidden, **fields)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), cell.init(jax.random.key(0), 3))
    return cell, params, jax.random.normal(jax.random.key(1), (2, time, 3), jnp.float64)


@pytest.mark.parametrize(
    "name", ["rnn", "gru", "lstm", *kin.each(["diagonal_gru"]), pytest.param("urnn", marks=pytest.mark.slow)]
)
def test_singular_values_are_those_of_the_dense_jacobian(name, float64):
    cell, params, xs = made(name)
    padded = xs.at[1, LENGTHS[1] :].set(jnp.nan)
    found = log_singular_values(cell, params, padded, jnp.array(LENGTHS))
    norms = log_spectral_norms(cell, params, padded, LAGS, jnp.array(LENGTHS), tolerance=1e-14)
    step, first = real_map(cell, params)
    jacobian = jax.jit(jax.jacfwd(step))
    for b, length in enumerate(LENGTHS):
        state, factors = first, []
        for x in xs[b, :length]:
            factors.append(np.asarray(jacobian(state, x)))
            state = step(state, x)
        for lag in range(length):
            dense = functools.reduce(np.matmul, reversed(factors[length - lag :]), np.eye(first.size))
            values = np.linalg.svd(dense, compute_uv=False)
            np.testing.assert_allclose(np.exp(found[b, lag]), values, rtol=1e-6, atol=1e-14)
            if lag in LAGS:
                # Where the two largest nearly agree, as in a unitary network, the iteration may end between them.
                apart = values[1] < 0.99 * values[0]
                np.testing.assert_allclose(np.exp(norms[b, LAGS.index(lag)]), values[0], rtol=1e-6 if apart else 1e-3)
        assert jnp.isnan(found[b, length:]).all() and jnp.isnan(norms[b, 0]) == (length <= 6)


def test_a_complex_state_is_seen_as_two_real_numbers():
    state = (jnp.array([1 + 2j, 3 - 1j]), jnp.array([5.0]))
    np.testing.assert_array_equal(real(state), [1, 3, 2, -1, 5])
    cell = cells.create("lru", hidden=2)
    params = cell.init(jax.random.key(0), 3)
    step, first = real_map(cell, params)
    once = cell.step(params, cell.initial_state(params), jnp.ones(3))
    np.testing.assert_allclose(step(step(first, jnp.ones(3)), jnp.ones(3)), real(cell.step(params, once, jnp.ones(3))))


def test_no_lag_underflows():
    """A linear map that shrinks by the same factor a step, to far below what float32 holds."""
    cell = cells.create("leaky", hidden=2)
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), 1))
    xs = jnp.zeros((1, 3000, 1))
    found = log_singular_values(cell, params, xs)
    rate = found[0, 1, 0]
    assert rate < 0 and found[0, -1, 0] < -110, "this is to be below the smallest float32"
    np.testing.assert_allclose(found[0, :, 0], rate * np.arange(3000), rtol=1e-3)
    np.testing.assert_allclose(log_spectral_norms(cell, params, xs, (2999,))[0], found[0, 2999, :1], rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c, p, xs: log_singular_values(cells.create("lstm", hidden=257), *made_plain(257)), "has 514 numbers"),
        (lambda c, p, xs: log_singular_values(c, p, xs, k=9), "k is 9: it must be 1 to 8"),
        (lambda c, p, xs: log_spectral_norms(c, p, xs, (1, 7)), "lags has 7: each must be 0 to 6"),
        (lambda c, p, xs: log_spectral_norms(c, p | {"b_f": p["b_f"] / 0}, xs, (1,)), r"params\.b_f has values"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(call, said, float64):
    with pytest.raises(UserError, match=said):
        call(*made("lstm"))


def made_plain(hidden):
    return made("lstm", hidden=hidden)[1:]


@pytest.mark.parametrize("name", ["gru", pytest.param("lstm", marks=pytest.mark.slow)])
def test_the_scan_of_products_has_the_singular_values_of_the_loop(name, float64):
    cell, params, xs = made(name, time=200)
    lengths = jnp.array([200, 90])
    loop, scan = (log_singular_values(cell, params, xs, lengths, 1, scan=how) for how in ("sequential", "associative"))
    np.testing.assert_allclose(scan, loop, atol=1e-6)
    assert scan[0, -1, 0] < -60, "the products need a scale that is kept apart"
