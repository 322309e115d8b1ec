"""What holds for every cell and preset: bounded states, finite gradients, both precisions, constraints and rates."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import kin
import numpy as np
import pytest

import gru_lab.presets
from gru_lab import cells

INPUTS = 3
FAST = {"xla_backend_optimization_level": 0}  # what is compiled here runs once


def presets():
    """Every preset's cell at 16 units; where it is as long as the task, 100 steps."""
    for preset in gru_lab.presets.presets("cell"):
        cell = cells.create(preset.base, **(dict(preset.fields) | {"hidden": 16}))
        yield pytest.param(cell.at_length(100), id=preset.name)


EVERY = [
    pytest.param(cells.create(each.values[0], hidden=16), id=each.id, marks=each.marks)
    for each in kin.each(cells.names())
]


def largest(state):
    """The greatest number of a state; a clock, which is one number, is none of them."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(state) if leaf.ndim]))


@partial(jax.jit, static_argnums=0, compiler_options=FAST)
def extent(cell, params, xs):
    def step(state, x):
        new = cell.step(params, state, x)
        return new, largest(new)

    return jnp.max(jax.lax.scan(step, cell.initial_state(params), xs)[1])


@pytest.mark.parametrize("cell", [*EVERY, *presets()])
def test_a_fresh_cell_stays_bounded_on_two_thousand_steps_of_noise(cell):
    params = cell.init(jax.random.key(0), INPUTS)
    reached = extent(cell, params, jax.random.normal(jax.random.key(1), (2000, INPUTS)))
    assert reached < 1e3 or cell.drift, f"reached {reached:.3g}, and drift does not say why"


def slopes(cell, params, biases, inputs):
    """The gradients of three steps, in parameters and inputs, for every bias and size of inputs; not compiled."""
    xs = jax.random.normal(jax.random.key(1), (3, INPUTS))

    def loss(params, xs):
        state, total = cell.initial_state(params), 0.0
        for x in xs:
            state = cell.step(params, state, x)
            total += jnp.sum(cell.read(state))
        return total

    def one(bias, size):
        moved = {name: p + bias if name.startswith("b_") else p for name, p in params.items()}
        return jax.grad(loss, (0, 1))(moved, size * xs)

    return jax.vmap(one)(biases, inputs)


@pytest.mark.parametrize("cell", EVERY)
def test_gradients_stay_finite_at_the_ends_of_the_gates(cell):
    biases, inputs = jnp.meshgrid(jnp.array([-100.0, 0.0, 100.0]), jnp.array([-1e3, 0.0, 1.0, 1e3]))
    found = slopes(cell, cell.init(jax.random.key(0), INPUTS), biases.ravel(), inputs.ravel())
    bad = [
        jax.tree_util.keystr(path) for path, leaf in jax.tree.leaves_with_path(found) if not jnp.isfinite(leaf).all()
    ]
    assert not bad, bad


@pytest.mark.parametrize("cell", [case for case in EVERY if case.id not in ("lru", "s5", "urnn")])
def test_a_cell_runs_in_bfloat16(cell):
    """Except those whose state is complex, which bfloat16 has no numbers for."""
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), cell.init(jax.random.key(0), INPUTS))
    state = cell.initial_state(params)
    for x in jax.random.normal(jax.random.key(1), (3, INPUTS), jnp.bfloat16):
        state = cell.step(params, state, x)
    assert {leaf.dtype for leaf in jax.tree.leaves(state) if leaf.ndim} == {jnp.dtype(jnp.bfloat16)}
    assert cell.read(state).dtype == jnp.bfloat16
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


# -- hooks for the training ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("cell", EVERY)
def test_fresh_parameters_satisfy_their_constraint_and_rates_name_parameters(cell):
    params = cell.init(jax.random.key(0), INPUTS)
    held = cell.constrain(params, 50)
    assert all(np.array_equal(held[name], p) for name, p in params.items()) and held.keys() == params.keys()
    assert cell.rates().keys() <= params.keys() and all(rate > 0 for rate in cell.rates().values())


def test_indrnn_is_held_to_a_gain_over_the_sequence():
    cell = cells.create("indrnn", hidden=4, magnitude=5.0)
    params = cell.init(jax.random.key(0), INPUTS) | {"u_h": jnp.array([-2.0, -0.3, 0.9, 1.5])}
    held = cell.constrain(params, 20)["u_h"]
    np.testing.assert_allclose(held, [-(5 ** (1 / 20)), -0.3, 0.9, 5 ** (1 / 20)], rtol=1e-6)
    np.testing.assert_allclose(held[3] ** 20, 5.0, rtol=1e-5)
    assert cells.create("exprnn", hidden=4).rates() == {"a": 0.1}


def test_a_cell_that_is_one_step_of_noise_away_from_infinity_is_found():
    """The README example of the Lipschitz RNN's authors, and what the bound above is for."""
    cell = dataclasses.replace(cells.create("lipschitz", hidden=16), init_std=32.0, dt=0.03)
    params = cell.init(jax.random.key(0), INPUTS)
    assert not extent(cell, params, jax.random.normal(jax.random.key(1), (2000, INPUTS))) < 1e3
