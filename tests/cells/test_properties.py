"""What cells promise by construction: norms, bounds, time scales, memories, and equalities between cells."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gru_lab import UserError, cells
from gru_lab.cells.initializers import GatedCell

INPUTS = 3


def made(name, hidden=6, seed=0, scale=None, **fields):
    """A cell and parameters; with `scale`, every parameter is drawn anew with that deviation."""
    cell = cells.create(name, hidden=hidden, **fields)
    params = cell.init(jax.random.key(seed), INPUTS)
    if scale is not None:
        rng = np.random.default_rng(seed)
        params = {n: jnp.asarray(scale * rng.standard_normal(p.shape), p.dtype) for n, p in params.items()}
    return cell, params


@partial(jax.jit, static_argnums=0)
def run(cell, params, xs, state=None):
    """All states (time, ...) of one sequence, step by step."""
    state = cell.initial_state(params) if state is None else state
    return jax.lax.scan(lambda s, x: (new := cell.step(params, s, x), new), state, jnp.asarray(xs))[1]


def noise(time, seed=0):
    return np.random.default_rng(seed).standard_normal((time, INPUTS)).astype("float32")


# -- norms and bounds ---------------------------------------------------------------------------------------------
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_exprnn_turns_its_state_and_keeps_its_norm(seed):
    cell, params = made("exprnn", seed=seed, scale=1.0)
    np.testing.assert_allclose(cell.rotation(params) @ cell.rotation(params).T, np.eye(6), atol=1e-5)
    h = jax.random.normal(jax.random.key(seed), (6,))
    turned = cell.step(params | {"b_h": jnp.zeros(6)}, h, jnp.zeros(INPUTS))
    np.testing.assert_allclose(jnp.linalg.norm(turned), jnp.linalg.norm(h), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_urnn_turns_its_state_and_keeps_its_norm(seed):
    cell, params = made("urnn", seed=seed, scale=1.0)
    h = cell.initial_state(params)
    np.testing.assert_allclose(jnp.linalg.norm(cell.turn(params, h)), jnp.linalg.norm(h), rtol=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_lem_gru_and_their_kin_stay_within_one(seed, scale):
    for name in ("lem", "gru", "mgu", "ugrnn", "diagonal_gru", "rhn", "leaky", "minimalrnn", "brc", "star"):
        states = run(*made(name, seed=seed, scale=scale), scale * noise(40, seed))
        assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(states)) <= 1 + 1e-5, name


def test_cornn_stays_bounded_however_it_is_driven():
    for seed in range(5):
        cell, params = made("cornn", seed=seed, scale=3.0)
        y, z = run(cell, params, 10 * noise(3000, seed))  # every unit is pushed by a force within [-1, 1]
        assert jnp.abs(z).max() < 2 and jnp.abs(y).max() < 2 / cell.gamma


def test_unicornn_keeps_volume_in_state_space():
    with jax.enable_x64(True):
        cell, params = made("unicornn", scale=1.0)
        params = {n: p.astype(jnp.float64) for n, p in params.items()}
        flat = lambda s: jnp.concatenate(cell.step(params, (s[:6], s[6:]), jnp.ones(INPUTS)))  # noqa: E731
        jacobian = jax.jacobian(flat)(jnp.linspace(-1, 1, 12))
        np.testing.assert_allclose(jnp.linalg.det(jacobian), 1, rtol=1e-12)


def test_cfn_forgets_and_falls_silent_without_input():
    cell, params = made("cfn", scale=2.0)
    h = run(cell, params, np.zeros((500, INPUTS), "float32"), jnp.full(6, 5.0))
    assert jnp.abs(h[-1]).max() < 0.05 and (jnp.abs(h[1:]) <= jnp.abs(h[:-1]) + 1e-7).all()


def test_gates_of_slstm_and_mlstm_may_be_huge():
    for name in ("slstm", "mlstm"):
        for sign in (100.0, -100.0):
            cell, params = made(name)
            states = run(cell, params | {"b_i": params["b_i"] + sign}, noise(20))
            assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(states)), (name, sign)


# -- parallel form ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["mingru", "minlstm", "lru", "rglru"])
def test_linear_cells_equal_their_parallel_form(name):
    cell, params = made(name, scale=0.5)
    xs, zero = jnp.asarray(noise(37)), cell.initial_state(params)
    b = jax.vmap(lambda x: cell.step(params, zero, x))(xs)  # h' = a h + b, unit by unit
    a = jax.vmap(lambda x: cell.step(params, jnp.ones_like(zero), x))(xs) - b
    _, parallel = jax.lax.associative_scan(lambda p, q: (p[0] * q[0], q[0] * p[1] + q[1]), (a, b))
    np.testing.assert_allclose(parallel, run(cell, params, xs), rtol=0, atol=2e-5)


def test_lru_eigenvalues_begin_inside_their_ring():
    cell, params = made("lru", hidden=500, r_min=0.7, r_max=0.95)
    size = np.abs(cell.eigenvalues(params))
    assert size.min() > 0.7 - 1e-6 and size.max() < 0.95 + 1e-6
    assert abs(np.mean(size**2) - (0.7**2 + 0.95**2) / 2) < 0.02


# -- time scales at initialisation --------------------------------------------------------------------------------
GATED = [(name, {}) for name in cells.names() if issubclass(cells.get(name), GatedCell) and name != "mlstm"]
GATED += [("gru", {"update": "write"}), ("gru", {"tied": True}), ("lstm", {"forget_gate": "coupled"})]
GATED += [("lstm", {"input_gate": False}), ("mgu", {"variant": "mgu3"}), ("mut", {"variant": 3})]
GATED += [("brc", {"neuromodulated": True})]
LABELS = [f"{name}-{fields}" for name, fields in GATED]


def kept(cell, params):
    """What one step leaves of a small state where all weights but the biases are zero: the keeping gate, measured."""
    params = {n: p if n.startswith("b_") else jnp.zeros_like(p) for n, p in params.items()}
    before = cell.initial_state(params)
    small = jax.tree.map(lambda leaf: jnp.full_like(leaf, 1e-3) if leaf.shape == (cell.hidden,) else leaf, before)
    after = cell.step(params, small, jnp.zeros(INPUTS))
    held = (
        after[1]
        if isinstance(after, tuple) and cells.name_of(cell) in ("lstm", "lstmp", "mogrifier", "ran", "sru")
        else after
    )
    return np.asarray(jax.tree.leaves(held)[0]) / 1e-3


@pytest.mark.parametrize(("name", "fields"), GATED, ids=LABELS)
def test_chrono_and_ugi_give_the_time_scales_that_they_promise(name, fields):
    for gate_init in ("chrono", "ugi"):
        cell, params = made(name, hidden=400, gate_init=gate_init, t_max=50, initializer="identity", **fields)
        gate = np.asarray(cell.retention(params, cell.initial_state(params), jnp.zeros(INPUTS)), np.float64)
        if name not in ("brc", "slstm", "fastgrnn"):  # where a candidate or a normaliser moves the state as well
            np.testing.assert_allclose(kept(cell, params), gate, rtol=0, atol=1e-3)
        if gate_init == "chrono":
            scale = 1 / (1 - gate)
            assert scale.min() >= 2 - 1e-3 and scale.max() <= 50 + 1e-2
            assert abs(np.mean(scale) - 26) < 3  # uniform over [2, 50]
        else:
            assert gate.min() >= 1 / 400 - 1e-6 and gate.max() <= 1 - 1 / 400 + 1e-6
            assert np.max(np.abs(np.sort(gate) - (np.arange(400) + 0.5) / 400)) < 0.09  # uniform: Kolmogorov-Smirnov


@pytest.mark.parametrize(("name", "fields"), GATED, ids=LABELS)
def test_a_forget_bias_lengthens_memory(name, fields):
    def retention(bias):
        cell, params = made(name, gate_init="constant", forget_bias=bias, **fields)
        return cell.retention(params, cell.initial_state(params), jnp.zeros(INPUTS))

    assert (retention(2.0) > retention(0.0)).all()


def test_the_irnn_forgets_nothing_at_first():
    cell, params = made("rnn", nonlinearity="relu", initializer="identity")
    h = jnp.arange(6.0)
    np.testing.assert_array_equal(cell.step(params, h, jnp.zeros(INPUTS)), h)


# -- derived memories and clocks ----------------------------------------------------------------------------------
@pytest.mark.parametrize("degree", range(6))
def test_lmu_holds_a_polynomial_of_its_window(degree):
    """P_j(2r - 1) weighs m_j for the input r theta steps ago; held for a step, the input is half a step older."""
    cell, params = made("lmu", order=6, theta=50.0)
    params |= {"e_x": jnp.array([1.0, 0.0, 0.0]), "e_h": jnp.zeros(6)}
    times = np.arange(200)

    def signal(t):
        return np.polynomial.legendre.legval(t / 100 - 1, np.eye(6)[degree])

    inputs = signal(times).astype("float32")
    _, m = run(cell, params, np.stack([inputs, 0 * inputs, 0 * inputs], axis=1))
    back = np.linspace(0, 1, 6)
    read = np.polynomial.legendre.legval(2 * back - 1, np.asarray(m[-1]))
    np.testing.assert_allclose(read, signal(199.5 - 50 * back), atol=0.01)


@pytest.mark.parametrize("degree", range(6))
def test_hippo_holds_a_polynomial_of_all_the_past(degree):
    """sqrt(2j + 1) P_j(2r - 1) weighs c_j for the signal at the share r of the past."""
    cell, params = made("hippo", order=6)
    zeros = {n: jnp.zeros_like(p) for n, p in params.items()}
    params = zeros | {"e_x": jnp.array([1.0, 0.0, 0.0])}  # f is the input
    inputs = np.polynomial.legendre.legval(2 * np.arange(1, 1001) / 1000 - 1, np.eye(6)[degree]).astype("float32")
    _, c, t = run(cell, params, np.stack([inputs, 0 * inputs, 0 * inputs], axis=1))
    assert t[-1] == 1000
    np.testing.assert_allclose(c[-1], np.eye(6)[degree] / (2 * degree + 1) ** 0.5, atol=0.006)


@pytest.mark.parametrize("graph", ["code", "paper"])
def test_hippo_holds_a_constant_exactly_from_the_first_step(graph):
    cell, params = made("hippo", order=32, graph=graph)
    zeros = {n: jnp.zeros_like(p) for n, p in params.items()}
    if graph == "code":
        params = zeros | {"b_f": jnp.ones(())}
    else:  # z = 1, n = tanh(1/2)
        params = zeros | {"b_z": jnp.full(6, 50.0), "b_n": jnp.full(6, 0.5)}
        params["e_h"] = zeros["e_h"].at[0].set(1 / jnp.tanh(0.5))
    _, c, _ = run(cell, params, noise(200))
    np.testing.assert_allclose(c, np.tile(np.eye(32)[0], (200, 1)), atol=2e-5)


def test_hippo_solves_its_triangular_system_without_lapack():
    """Its kernels wait for each other's threads: Newton's method over 256 steps stood still for ever."""
    cell = cells.create("hippo", hidden=3, order=7)
    c, f, t = jax.random.normal(jax.random.key(0), (7,)), jnp.float32(0.3), jnp.float32(5)
    step = jax.jit(cell._memory)
    assert "@lapack" not in step.lower(c, t, f).as_text()
    j, roots = np.arange(7), np.sqrt(2.0 * np.arange(7) + 1)
    A = np.where(j[:, None] > j[None, :], np.outer(roots, roots), np.diag(j + 1.0))
    later = np.linalg.solve(np.eye(7) + A / 10, (np.eye(7) - A / 10) @ np.asarray(c, float) + roots * 0.3 / 5)
    np.testing.assert_allclose(step(c, t, f), later, rtol=0, atol=1e-6)


def test_clockwork_groups_move_at_their_own_periods_only():
    cell, params = made("cwrnn", hidden=8, modules=4)
    h, _ = run(cell, params, noise(16))
    for unit in range(8):
        moves = np.flatnonzero(np.diff(np.asarray(h)[:, unit])) + 1
        assert (moves % 2 ** (unit // 2) == 0).all() and moves.size == 15 // 2 ** (unit // 2)


# -- equal by definition ------------------------------------------------------------------------------------------
def test_a_tied_gru_is_the_mgu_and_leak_one_is_the_vanilla_rnn():
    gru, params = made("gru", reset="before", update="write", tied=True, scale=0.7)
    mgu = {name.replace("_z", "_f"): p for name, p in params.items()}
    xs = noise(9)
    np.testing.assert_allclose(run(gru, params, xs), run(cells.create("mgu", hidden=6), mgu, xs), rtol=0, atol=1e-6)
    leaky, params = made("leaky", leak=1.0, scale=0.7)
    np.testing.assert_allclose(
        run(leaky, params, xs), run(cells.create("rnn", hidden=6), params, xs), rtol=0, atol=1e-6
    )


def test_the_recurrent_bias_matters_only_inside_the_reset():
    cell, params = made("gru", scale=0.7)
    without = {name: p for name, p in params.items() if name != "b_hn"}
    xs = noise(9)
    assert not np.allclose(run(cell, params, xs), run(cells.create("gru", hidden=6, recurrent_bias=False), without, xs))
    assert "b_hn" not in cells.create("gru", hidden=6, reset="before").init(jax.random.key(0), INPUTS)


# -- missing values -----------------------------------------------------------------------------------------------
def test_grud_sees_no_difference_where_nothing_is_missing_and_forgets_what_is():
    whole, params = made("grud", scale=0.7)
    masked = cells.create("grud", hidden=6, masked=True)
    xs = noise(9)
    told = np.concatenate([xs, np.ones_like(xs), np.ones_like(xs)], axis=1)
    np.testing.assert_allclose(run(masked, params, told)[0], run(whole, params, xs)[0], rtol=0, atol=1e-6)

    def after(value, gap):
        """The state after a value that was seen, a gap, and a step in which nothing is."""
        seen = np.concatenate([np.full(3, value), np.ones(3), np.ones(3)])
        unseen = np.concatenate([np.full(3, 7.0), np.zeros(3), np.full(3, gap)])
        return run(masked, fading, np.stack([seen, unseen]).astype("float32"))[0][-1]

    fading = params | {"w_a": jnp.ones(3), "D_h": jnp.ones((3, 6)), "b_a": jnp.zeros(3), "b_d": jnp.zeros(6)}
    assert not np.allclose(after(1.0, 0.1), after(2.0, 0.1), atol=1e-3)
    fading |= {"b_z": jnp.full(6, -50.0)}  # the code's z keeps the state before its decay
    np.testing.assert_allclose(after(1.0, 50.0), after(2.0, 50.0), atol=1e-6)  # what was seen has faded to the mean
    with pytest.raises(
        UserError, match=r"cell\.masked is True: inputs are values, mask and times, and 4 is no multiple"
    ):
        masked.init(jax.random.key(0), 4)


def test_the_np_rnn_begins_positive_definite_with_the_greatest_eigenvalue_one():
    _, params = made("rnn", hidden=40, nonlinearity="relu", initializer="np")
    values = np.linalg.eigvalsh(params["U_h"])
    np.testing.assert_allclose(params["U_h"], params["U_h"].T, atol=1e-6)
    np.testing.assert_allclose(values[-1], 1, rtol=1e-5)
    assert values[0] > 0


def test_s5_begins_at_the_eigenvalues_of_hippo():
    """Real parts -1/2; the matrix with these eigenvectors is LegS less its rank-one part, and normal."""
    values, vectors = cells.create("s5", order=8).hippo()
    n = np.arange(16)
    legs = -np.where(n[:, None] > n, np.sqrt(np.outer(2 * n + 1, 2 * n + 1)), np.diag(n + 1.0))
    normal = legs + np.outer(np.sqrt(n + 0.5), np.sqrt(n + 0.5))
    np.testing.assert_allclose(normal @ vectors, vectors * values, atol=1e-9)
    np.testing.assert_allclose(values.real, -0.5)
