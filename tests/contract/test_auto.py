"""`method=auto` has the numbers of the loop, and takes what was fastest where it was measured."""

from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells, unroll
from gru_lab.recurrence import Auto, Sequential, auto
from gru_lab.recurrence.measured import MEASURED, Measured


@pytest.fixture
def fast(monkeypatch):
    """A backend on which all steps at once are faster from 30 steps on."""
    table = []
    for structure, method in (("matrix", "parallel"), ("affine units", "associative")):
        table += [Measured("cpu", structure, 2, 10, 4, method, 3.0), Measured("cpu", structure, 2, 90, 4, method, 0.1)]
    monkeypatch.setattr(auto, "MEASURED", table)


def chosen(name, time, hidden=4, backend=None):
    cell = cells.create(name, hidden=hidden)
    params = cell.init(jax.random.key(0), 3)
    state = jnp.broadcast_to(cell.initial_state(params), (2, hidden))
    return auto.choice(cell.step, params, state, jnp.ones((time, 2, 3)), backend)


def test_the_fastest_at_the_nearest_shape_is_taken(fast):
    assert [chosen("gru", time) for time in (12, 80, 200)] == ["sequential", "parallel", "parallel"]
    assert chosen("mingru", 80) == "associative" and chosen("indrnn", 80) == "sequential", "no such structure measured"
    assert chosen("gru", 80, backend="gpu") == "sequential", "nothing was measured there"
    assert chosen("gru", 3000) == "sequential", "too far from all that was measured"


@pytest.mark.parametrize("name", ["gru", "mingru"])
def test_it_has_the_numbers_and_the_gradients_of_the_loop(fast, name):
    cell = cells.create(name, hidden=4)
    params, xs = cell.init(jax.random.key(0), 3), jax.random.normal(jax.random.key(1), (2, 80, 3))

    def loss(method):
        return jax.value_and_grad(
            lambda p: (unroll(cell, p, xs, method=method, lengths=jnp.array([80, 33]))[1] ** 2).sum()
        )

    (value, grads), (exact, expected) = loss(Auto())(params), loss(Sequential())(params)
    np.testing.assert_allclose(value, exact, rtol=1e-5)
    for key, grad in grads.items():
        np.testing.assert_allclose(grad, expected[key], rtol=0, atol=1e-4 * float(jnp.abs(expected[key]).max()))


def test_on_the_shapes_that_were_measured_it_is_as_fast_as_the_fastest():
    entries = defaultdict(lambda: {"sequential": [1.0]})
    for row in MEASURED:
        entries[row[:5]].setdefault(row.method, []).append(row.ratio)
    assert len(entries) > 30, "gru_lab/recurrence/measured.py is short: python experiments/methods.py"
    for entry, ratios in entries.items():
        chosen = auto.nearest(MEASURED, *entry)
        assert max(ratios[chosen]) * auto.WORTH <= min(map(max, ratios.values())), (entry, ratios)
        assert chosen == "sequential" or entry[0] != "cpu", "on a CPU nothing has been a fifth faster than the loop"
