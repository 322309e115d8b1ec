"""What every registered cell promises. A new cell is found by its registration: nothing is listed here.

All that is asked of a cell is computed in one compiled program of float64, because compiling is what takes the time.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kin import each

from gru_lab import cells, unroll

BATCH, TIME, INPUTS, HIDDEN = 3, 6, 4, 6
LENGTHS = (TIME, 4, 1)
CUT = 2  # where a row begins a second sequence
STEP = 1e-5  # of the finite differences
# One worker asks all questions about a cell: what is observed of it is computed once.
ALL = [each([name], pytest.mark.xdist_group(name))[0] for name in cells.names()]


def make(name, seed=0):
    """A cell and parameters that are all off their initial values, so that a bias of zero hides nothing."""
    cell = cells.create(name, hidden=HIDDEN)
    leaves, structure = jax.tree.flatten(cell.init(jax.random.key(seed), INPUTS))
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    moved = [leaf + 0.1 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    return cell, jax.tree.map(lambda leaf: leaf.astype(jnp.float64), jax.tree.unflatten(structure, moved))


class Facts(NamedTuple):
    """What the tests look at."""

    whole: tuple  # final state and outputs of the plain unroll
    by_hand: tuple  # the same, step by step
    masked: tuple  # with lengths, and NaN in the padding
    alone: list  # every sequence cut to its length, run alone
    backwards: tuple
    flipped: tuple  # the sequences turned around by hand
    segments: dict  # outputs with a reset, forwards and backwards
    apart: dict  # the segments run apart
    reach: jax.Array  # what one output's gradient sees of the inputs
    slope: jax.Array  # of a loss with lengths along a random direction, by its gradient
    rise: jax.Array  # the same by finite differences


def observe(cell, params, xs, direction):
    lengths = jnp.array(LENGTHS)
    padding = (jnp.arange(TIME) >= lengths[:, None])[..., None]
    resets = jnp.zeros((BATCH, TIME), bool).at[:, CUT].set(True)
    weights = jnp.cos(jnp.arange(BATCH * TIME, dtype=xs.dtype)).reshape(BATCH, TIME, 1)

    def loss(params, xs):
        return jnp.sum(weights * jnp.sin(unroll(cell, params, xs, lengths=lengths)[1]))

    def moved(by):
        return loss(*jax.tree.map(lambda a, d: a + by * d, (params, xs), direction))

    def steps(xs_TI):
        state, hs = cell.initial_state(params), []
        for x in xs_TI:
            state = cell.step(params, state, x)
            hs.append(cell.read(state))
        return state, jnp.stack(hs)

    gradient = jax.grad(loss, argnums=(0, 1))(params, xs)
    return Facts(
        whole=unroll(cell, params, xs),
        by_hand=jax.vmap(steps)(xs),
        masked=unroll(cell, params, jnp.where(padding, jnp.nan, xs), lengths=lengths),
        alone=[unroll(cell, params, xs[b : b + 1, :length]) for b, length in enumerate(LENGTHS)],
        backwards=unroll(cell, params, xs, reverse=True),
        flipped=unroll(cell, params, xs[:, ::-1]),
        segments={back: unroll(cell, params, xs, resets=resets, reverse=back)[1] for back in (False, True)},
        apart={
            back: jnp.concatenate(
                [unroll(cell, params, part, reverse=back)[1] for part in (xs[:, :CUT], xs[:, CUT:])], axis=1
            )
            for back in (False, True)
        },
        reach=jax.grad(lambda xs: jnp.sum(jnp.sin(unroll(cell, params, xs)[1][1, 3])))(xs),
        slope=sum(jnp.sum(g * d) for g, d in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True)),
        rise=(moved(STEP) - moved(-STEP)) / (2 * STEP),
    )


@functools.cache
def observed(name):
    """The facts of a cell, and how often its program was traced when it was called with two sets of parameters."""
    traces = []

    @jax.jit
    def program(params, xs, direction):
        traces.append(1)
        return observe(cells.create(name, hidden=HIDDEN), params, xs, direction)

    with jax.enable_x64(True):
        xs = jax.random.normal(jax.random.key(2), (BATCH, TIME, INPUTS), jnp.float64)
        for seed in (7, 0):
            _, params = make(name, seed)
            leaves, structure = jax.tree.flatten((params, xs))
            keys = jax.random.split(jax.random.key(3), len(leaves))
            direction = [jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)]
            facts = program(params, xs, jax.tree.unflatten(structure, direction))
        return jax.tree.map(np.asarray, facts), len(traces)


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11), one, other)


@pytest.mark.parametrize("name", ALL)
def test_init_follows_the_key_and_step_keeps_the_state_as_it_is_built(name):
    cell = cells.create(name, hidden=HIDDEN)
    one, same, other = (cell.init(jax.random.key(seed), INPUTS) for seed in (0, 0, 1))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), one, same))
    assert not jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), one, other))
    state = cell.initial_state(one)
    assert jax.eval_shape(lambda: state) == jax.eval_shape(cell.step, one, state, jnp.zeros(INPUTS))
    assert jax.eval_shape(cell.read, state).ndim == 1


@pytest.mark.parametrize("name", ALL)
def test_equal_settings_are_equal_and_hash_alike(name):
    one, same, other = (cells.create(name, hidden=hidden) for hidden in (6, 6, 8))
    assert one == same and hash(one) == hash(same) and one != other
    assert cells.name_of(one) == name


@pytest.mark.parametrize("name", ALL)
def test_other_parameters_do_not_compile_again(name):
    assert observed(name)[1] == 1


@pytest.mark.parametrize("name", ALL)
def test_outputs_follow_the_steps_one_by_one(name):
    facts, _ = observed(name)
    close(facts.whole, facts.by_hand)


@pytest.mark.parametrize("name", ALL)
def test_masked_steps_do_not_change_the_state(name):
    facts, _ = observed(name)
    final, hs = facts.masked
    for b, length in enumerate(LENGTHS):
        final_alone, hs_alone = facts.alone[b]
        close(jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], final), final_alone)
        close(hs[b, :length], hs_alone[0])
        assert not hs[b, length:].any(), "outputs at padded steps are zero"


@pytest.mark.parametrize("name", ALL)
def test_reverse_equals_reversing_by_hand(name):
    facts, _ = observed(name)
    close(facts.backwards, (facts.flipped[0], facts.flipped[1][:, ::-1]))


@pytest.mark.parametrize("name", ALL)
def test_segments_of_a_row_do_not_know_each_other(name):
    facts, _ = observed(name)
    close(facts.segments, facts.apart)


@pytest.mark.parametrize("name", ALL)
def test_outputs_do_not_depend_on_later_inputs_or_other_sequences(name):
    reach = observed(name)[0].reach
    assert reach[1, 3].any() and not reach[1, 4:].any()
    assert not reach[0].any() and not reach[2].any()


@pytest.mark.parametrize("name", ALL)
def test_gradients_agree_with_finite_differences(name):
    facts, _ = observed(name)
    np.testing.assert_allclose(facts.slope, facts.rise, rtol=1e-6, atol=1e-8)
