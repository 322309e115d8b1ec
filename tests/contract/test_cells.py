"""What every registered cell promises. A new cell is found by its registration: nothing is listed here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gru_lab import cells, unroll

BATCH, TIME, INPUTS, HIDDEN = 3, 6, 4, 5
ALL = cells.names()


def make(name, seed=0):
    cell = cells.create(name, hidden=HIDDEN)
    # Every parameter is moved off its initial value, so that a bias of zero hides nothing.
    params = cell.init(jax.random.key(seed), INPUTS)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    moved = [
        leaf + 0.3 * jax.random.normal(key, leaf.shape, leaf.dtype) for leaf, key in zip(leaves, keys, strict=True)
    ]
    return cell, jax.tree.unflatten(structure, moved)


def inputs(seed=2):
    return jax.random.normal(jax.random.key(seed), (BATCH, TIME, INPUTS))


def close(a, b, tolerance=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance), a, b)


@pytest.mark.parametrize("name", ALL)
def test_step_keeps_the_state_as_it_is_built(name):
    cell, params = make(name)
    state = cell.initial_state(params)
    stepped = jax.eval_shape(cell.step, params, state, jnp.zeros(INPUTS))
    assert jax.eval_shape(lambda: state) == stepped
    assert jax.eval_shape(cell.read, state).ndim == 1


@pytest.mark.parametrize("name", ALL)
def test_same_key_gives_the_same_parameters_and_another_key_others(name):
    cell = cells.create(name, hidden=HIDDEN)
    one, same, other = (cell.init(jax.random.key(seed), INPUTS) for seed in (0, 0, 1))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), one, same))
    assert not jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), one, other))


@pytest.mark.parametrize("name", ALL)
def test_equal_settings_are_equal_and_hash_alike(name):
    one, same, other = (cells.create(name, hidden=hidden) for hidden in (5, 5, 6))
    assert one == same and hash(one) == hash(same) and one != other
    assert cells.name_of(one) == name


@pytest.mark.parametrize("name", ALL)
def test_a_second_call_does_not_compile_again(name):
    traces = []

    @jax.jit
    def run(params, xs):
        traces.append(1)
        return unroll(cells.create(name, hidden=HIDDEN), params, xs)

    _, params = make(name)
    run(params, inputs(2))
    run(make(name, seed=7)[1], inputs(3))
    assert len(traces) == 1


@pytest.mark.parametrize("name", ALL)
def test_outputs_follow_the_steps_one_by_one(name):
    cell, params = make(name)
    xs = inputs()
    final, hs = unroll(cell, params, xs)
    for b in range(BATCH):
        state = cell.initial_state(params)
        for t in range(TIME):
            state = cell.step(params, state, xs[b, t])
            np.testing.assert_allclose(hs[b, t], cell.read(state), rtol=1e-5, atol=1e-6)
        close(jax.tree.map(lambda leaf, b=b: leaf[b], final), state)


@pytest.mark.parametrize("name", ALL)
def test_masked_steps_do_not_change_the_state(name):
    cell, params = make(name)
    xs, lengths = inputs(), jnp.array([TIME, 4, 1])
    final, hs = unroll(cell, params, xs.at[1, 4:].set(jnp.nan).at[2, 1:].set(jnp.nan), lengths=lengths)
    for b, length in enumerate(lengths):
        alone, hs_alone = unroll(cell, params, xs[b : b + 1, :length])
        close(jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], final), alone)
        close(hs[b, :length], hs_alone[0])
        assert not hs[b, length:].any()


@pytest.mark.parametrize("name", ALL)
def test_reverse_equals_reversing_by_hand(name):
    cell, params = make(name)
    xs = inputs()
    final, hs = unroll(cell, params, xs, reverse=True)
    final_by_hand, hs_by_hand = unroll(cell, params, xs[:, ::-1])
    close((final, hs), (final_by_hand, hs_by_hand[:, ::-1]))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_segments_of_a_row_do_not_know_each_other(name, reverse):
    cell, params = make(name)
    xs = inputs()
    resets = jnp.zeros((BATCH, TIME), bool).at[:, 2].set(True)
    _, hs = unroll(cell, params, xs, resets=resets, reverse=reverse)
    apart = [unroll(cell, params, part, reverse=reverse)[1] for part in (xs[:, :2], xs[:, 2:])]
    close(hs, jnp.concatenate(apart, axis=1))


@pytest.mark.parametrize("name", ALL)
def test_outputs_do_not_depend_on_later_inputs_or_other_sequences(name):
    cell, params = make(name)
    xs = inputs()
    reach = jax.jacobian(lambda xs: jnp.sum(unroll(cell, params, xs)[1][1, 3]))(xs)
    assert reach[1, :4].any() and not reach[1, 4:].any()
    assert not reach[0].any() and not reach[2].any()


@pytest.mark.parametrize("name", ALL)
def test_gradients_agree_with_finite_differences(name, float64):
    cell, params = make(name)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)
    xs = inputs().astype(jnp.float64)
    weights = jnp.cos(jnp.arange(BATCH * TIME, dtype=jnp.float64)).reshape(BATCH, TIME, 1)

    def loss(params, xs):
        return jnp.sum(weights * jnp.sin(unroll(cell, params, xs, lengths=jnp.array([TIME, 4, 2]))[1]))

    check_grads(loss, (params, xs), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)
