"""Gates over time, by hand and as Keras computes them; time scales against chrono, saturation against counting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells
from gru_lab.cells.initializers import GatedCell
from gru_lab.diagnostics import Gates, Layer, chrono_time_scales, gate_values, saturation, time_scales
from gru_lab.schema import UserError

TIME, LENGTHS = 6, (6, 3)


@pytest.mark.parametrize("name", ["lstm", "gru", "slstm", "brc"])
def test_gates_are_those_of_the_steps_by_hand(name, float64):
    cell = cells.create(name, hidden=4)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), cell.init(jax.random.key(0), 2))
    xs = jax.random.normal(jax.random.key(1), (2, TIME, 2), jnp.float64)
    found = gate_values(cell, params, xs.at[1, LENGTHS[1] :].set(jnp.nan), jnp.array(LENGTHS))
    for b, length in enumerate(LENGTHS):
        state = cell.initial_state(params)
        for t in range(length):
            expected = cell.gate_values(params, state, xs[b, t])
            for gate, value in expected.items():
                np.testing.assert_allclose(found[gate][b, t], value, rtol=1e-9)
            np.testing.assert_allclose(found["retention"][b, t], cell.retention(params, state, xs[b, t]), rtol=1e-9)
            state = cell.step(params, state, xs[b, t])
        assert all(jnp.isnan(value[b, length:]).all() for value in found.values()), "padding has no gates"


@pytest.mark.parametrize(("name", "layout", "order"), [("lstm", "ifgo", "ifo"), ("gru", "zrn", "zr")])
def test_gates_are_those_of_keras(name, layout, order):
    """Keras's cell, one step after the other, with a recurrent activation that notes what it gives."""
    keras = pytest.importorskip("keras")
    noted = []

    def noting(a):
        noted.append(np.asarray(keras.activations.sigmoid(a)))
        return noted[-1]

    cell = cells.create(name, hidden=4)
    params = cell.init(jax.random.key(0), 2)
    params = {n: p + 0.5 * jax.random.normal(jax.random.key(i), p.shape) for i, (n, p) in enumerate(params.items())}
    kernel, recurrent, bias = (np.concatenate([params[f"{w}_{g}"] for g in layout], -1) for w in "WUb")
    if name == "gru":
        bias = np.stack([bias, np.concatenate([np.zeros(8, "float32"), params["b_hn"]])])
    other = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}[name](4, recurrent_activation=noting)
    other.build((2, 2))
    other.set_weights([kernel, recurrent, bias])
    xs = jax.random.normal(jax.random.key(1), (2, TIME, 2))
    noted.clear()
    states = other.get_initial_state(2)
    for t in range(TIME):
        _, states = other(xs[:, t], states)
    values = gate_values(cell, params, xs)
    assert values.keys() == {*order, "retention"}
    for n, gate in enumerate(order):
        np.testing.assert_allclose(values[gate], np.stack(noted[n :: len(order)], 1), atol=1e-6, err_msg=gate)


@pytest.mark.parametrize("name", [name for name in cells.names() if issubclass(cells.get(name), GatedCell)])
def test_no_gate_is_left_out(name):
    """At least as many sigmoids among the gates as in a step, which may write some in logarithms."""
    cell = cells.create(name, hidden=4)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 2))
    arguments = params, jax.eval_shape(cell.initial_state, params), jax.ShapeDtypeStruct((2,), jnp.float32)

    def sigmoids(function):
        equations = jax.make_jaxpr(function)(*arguments).eqns
        return sum(eqn.primitive.name == "logistic" and eqn.outvars[0].aval.shape == (4,) for eqn in equations)

    assert sigmoids(cell.gate_values) >= sigmoids(cell.step)


@pytest.mark.parametrize("name", ["lstm", "gru", "janet"])
def test_chrono_initialisation_has_the_time_scales_that_it_predicts(name):
    cell = cells.create(name, hidden=400, gate_init="chrono", t_max=80.0, initializer="identity")
    drawn = cell.init(jax.random.key(0), 1)
    params = {p: value if p.startswith("b_") else jnp.zeros_like(value) for p, value in drawn.items()}
    scales = time_scales(gate_values(cell, params, jnp.zeros((1, 1, 1)))["retention"])
    quantiles = jnp.array([0.05, 0.25, 0.5, 0.75, 0.95])
    expected = chrono_time_scales(quantiles, 80.0)
    np.testing.assert_allclose(jnp.quantile(scales, quantiles), expected, atol=7)  # three standard errors at the median
    assert scales.min() >= 2 - 1e-4 and scales.max() <= 80 + 1e-2


def test_a_time_scale_is_that_of_the_mean_and_ends_where_precision_does():
    retention = jnp.array([[[0.5, 1.0, 1.2], [0.9, 1.0, 1.1], [jnp.nan] * 3]])
    np.testing.assert_allclose(time_scales(retention), [1 / 0.3, 2.0**23, 2.0**23], rtol=1e-5)


def test_saturation_counts_the_steps_that_are_there():
    gate = jnp.array([[[0.05, 0.5], [0.95, 0.5]], [[0.01, 0.99], [jnp.nan, jnp.nan]]])
    low, high = saturation(gate)
    np.testing.assert_allclose(low, [2 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(high, [1 / 3, 1 / 3], rtol=1e-6)


def test_a_longer_memory_is_seen_in_the_diagnostic():
    found = []
    for bias in (0.0, 3.0):
        cell = cells.create("gru", hidden=8, forget_bias=bias)
        xs = jax.random.normal(jax.random.key(1), (2, 9, 2))
        found.append(Gates().measure(Layer(cell, cell.init(jax.random.key(0), 2), xs, None, jnp.sum)))
    short, long = found
    assert (long["time_scales"] > 2 * short["time_scales"]).all() and (jnp.diff(long["time_scales"]) >= 0).all()
    assert long["z_above_0.9"] > short["z_above_0.9"] and 0 <= long["z_below_0.1"] <= 1


def test_a_cell_without_gates_is_refused():
    with pytest.raises(UserError, match="cell 'rnn' declares no gate that keeps its state: ask a gated cell"):
        Gates().check_cell(cells.create("rnn"))
