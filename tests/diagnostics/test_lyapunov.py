"""Lyapunov exponents against what is known of a linear network and of the Lorenz attractor, and against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells
from gru_lab.diagnostics import exponents, growth, kaplan_yorke, lyapunov_spectrum, spectrum_of_map
from gru_lab.diagnostics.dynamics import real_map
from gru_lab.schema import UserError


def made(name, time=12, batch=2, hidden=4, **fields):
    cell = cells.create(name, hidden=hidden, **fields)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), cell.init(jax.random.key(0), 3))
    return cell, params, jax.random.normal(jax.random.key(1), (batch, time, 3), jnp.float64)


def test_a_random_linear_network_has_the_logarithms_of_its_eigenvalues(float64):
    W = jax.random.normal(jax.random.key(0), (8, 8), jnp.float64) / 8**0.5
    found = spectrum_of_map(lambda h, x: h @ W + x, jnp.zeros(8), jnp.ones((20000, 8)), 8, warmup=500)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(W))))[::-1]
    np.testing.assert_allclose(found.exponents, expected, atol=1e-3)
    assert (found.errors < 0.01).all()


def test_the_lorenz_attractor_has_its_published_exponents_and_dimension(float64):
    """0.906, 0, -14.572 and dimension 2.062: Sprott 2003, Chaos and Time-Series Analysis, appendix A."""

    def flow(u):
        x, y, z = u
        return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    def runge_kutta(u, _, dt=0.01):
        k1 = flow(u)
        k2 = flow(u + dt / 2 * k1)
        k3 = flow(u + dt / 2 * k2)
        return u + dt / 6 * (k1 + 2 * k2 + 2 * k3 + flow(u + dt * k3))

    measure = jax.jit(
        lambda u: spectrum_of_map(runge_kutta, u, jnp.zeros(80000), 3, warmup=2000, orthogonalise_every=8)
    )
    found = measure(jnp.array([1.0, 2.0, 20.0]))
    rates, errors = found.exponents / 0.01, found.errors / 0.01
    np.testing.assert_allclose(rates, [0.906, 0, -14.572], atol=0.02)
    assert (jnp.abs(rates - jnp.array([0.906, 0, -14.572])) < 5 * errors + 1e-3).all(), "the errors are no errors"
    assert (errors < 0.02).all()
    np.testing.assert_allclose(found.dimension, 2.062, atol=2e-3)


@pytest.mark.parametrize(
    "name", ["rnn", "gru", "lru", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lstm", "diagonal_gru"))]
)
def test_exponents_are_those_of_dense_jacobians(name, float64):
    """Summed over a full basis, log |R_ii| is log |det|; in part, the volume that k directions span."""
    cell, params, xs = made(name)
    step, first = real_map(cell, params)
    k = 3
    start = np.asarray(jax.random.orthogonal(jax.random.key(0), first.size, dtype=jnp.float64))[:k].T
    found = exponents(cell, params, xs, k, jnp.array([12, 7]))
    for b, length in enumerate((12, 7)):
        Q, state, total = start, first, np.zeros(k)
        for x in xs[b, :length]:
            Q, R = np.linalg.qr(np.asarray(jax.jacfwd(step)(state, x)) @ Q)
            total += np.log(np.abs(np.diag(R)))
            state = step(state, x)
        np.testing.assert_allclose(found[b], total / length, rtol=1e-6)


def test_the_eigenvalues_of_the_lru_come_in_pairs(float64):
    cell, params, xs = made("lru", time=3000, batch=1, r_min=0.5)
    found = lyapunov_spectrum(cell, params, xs, warmup=200, orthogonalise_every=1).exponents
    expected = np.sort(np.repeat(np.log(np.abs(cell.eigenvalues(params))), 2))[::-1]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.slow
def test_padding_and_the_rhythm_of_the_qr_change_nothing(float64):
    cell, params, xs = made("gru", time=11)
    lengths = jnp.array([11, 5])
    padded = xs.at[1, 5:].set(jnp.nan)
    for every in (20, 3):
        found = exponents(cell, params, padded, 2, lengths, orthogonalise_every=every)
        for b, length in enumerate(lengths):
            alone = exponents(cell, params, xs[b : b + 1, :length], 2)
            np.testing.assert_allclose(found[b], alone[0], rtol=1e-9)
    spectrum = lyapunov_spectrum(cell, params, padded, 2, lengths)
    together = (11 * found[0] + 5 * found[1]) / 16
    np.testing.assert_allclose(spectrum.exponents, np.sort(together)[::-1], rtol=1e-9)


@pytest.mark.slow
def test_exponents_can_be_trained_on(float64):
    cell, params, xs = made("lstm", time=6)

    def loss(by):
        moved = {name: leaf + by * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape) for name, leaf in params.items()}
        return jnp.sum(exponents(cell, moved, xs, 2, jnp.array([6, 4])) ** 2)

    loss = jax.jit(loss)
    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(0.0), slope, rtol=1e-6)


def test_kaplan_yorke_dimension():
    for rates, expected in [((0.906, 0.0, -14.572), 2.0622), ((-0.1, -1.0), 0), ((0.5, 0.1), 2), ((0.5, -1.0), 1.5)]:
        np.testing.assert_allclose(kaplan_yorke(jnp.array(rates)), expected, rtol=1e-4)
    np.testing.assert_allclose(kaplan_yorke(jnp.array([0.5, -jnp.inf])), 1)


def test_a_state_too_large_for_all_exponents_gives_the_leading_ones():
    cell = cells.create("diagonal_gru", hidden=600)
    params = cell.init(jax.random.key(0), 1)
    xs = jax.random.normal(jax.random.key(1), (1, 60, 1))
    with pytest.raises(UserError, match=r"600 numbers, .* k of at most 512"):
        lyapunov_spectrum(cell, params, xs)
    spectrum = lyapunov_spectrum(cell, params, xs, 3)
    assert spectrum.exponents.shape == (3,) and (jnp.diff(spectrum.exponents) <= 0).all()


def test_the_warm_up_is_left_out(float64):
    W = jax.random.normal(jax.random.key(0), (3, 3), jnp.float64)
    logs, steps = growth(lambda h, x: h @ W, jnp.zeros(3), jnp.zeros(9), 2, warmup=2, orthogonalise_every=3)
    assert logs.shape == (3, 2) and steps == (3, 3, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 9}, "k is 9: .* k must be 1 to 8"),
        ({"warmup": 12}, "warmup is 12: it must be 0 to 11"),
        ({"orthogonalise_every": 0}, "orthogonalise_every is 0: it must be at least 1"),
        ({"bad": True}, "params.b_f has values that are not finite"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(options, said, float64):
    cell, params, xs = made("lstm")
    options = dict(options)
    if options.pop("bad", False):
        params = params | {"b_f": params["b_f"] * jnp.nan}
    with pytest.raises(UserError, match=said):
        lyapunov_spectrum(cell, params, xs, **options)


@pytest.mark.parametrize("name", ["gru", pytest.param("lstm", marks=pytest.mark.slow)])
def test_the_scan_of_products_has_the_leading_exponent_of_the_loop(name, float64):
    cell, params, xs = made(name, time=300)
    lengths = jnp.array([300, 130])
    options = {"k": 1, "lengths": lengths, "warmup": 11, "orthogonalise_every": 4}
    loop, scan = (lyapunov_spectrum(cell, params, xs, **options, scan=how) for how in ("sequential", "associative"))
    for found, expected in zip(scan, loop, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.exp(300 * scan.exponents[0]) < 1e-30, "the products need a scale that is kept apart"
    with pytest.raises(UserError, match="k is 2: scan='associative' gives the leading exponent alone"):
        lyapunov_spectrum(cell, params, xs, k=2, scan="associative")
