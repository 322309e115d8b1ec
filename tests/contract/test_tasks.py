"""What every registered task promises. A new task is found by its registration: nothing is listed here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import tasks

ALL = tasks.names()


@pytest.mark.parametrize("name", ALL)
def test_sampling_is_jittable_and_follows_the_key(name):
    task = tasks.create(name)
    data = task.load()
    sample = jax.jit(task.sample, static_argnums=1)
    one, same, other = (sample(jax.random.key(seed), 8, data) for seed in (0, 0, 1))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), one, same))
    assert not bool((one.inputs == other.inputs).all())


@pytest.mark.parametrize("name", ALL)
def test_batches_have_the_shapes_that_the_task_declares(name):
    task = tasks.create(name)
    batch = task.sample(jax.random.key(0), 8, task.load())
    time = batch.inputs.shape[1]
    if task.symbols:
        assert jnp.issubdtype(batch.inputs.dtype, jnp.integer) and batch.inputs.ndim == 2
        assert 0 <= batch.inputs.min() and batch.inputs.max() < task.inputs
    else:
        assert batch.inputs.shape == (8, time, task.inputs)
    steps = (time,) if task.readout == "every" else ()
    classes = jnp.issubdtype(batch.targets.dtype, jnp.integer)
    assert batch.targets.shape == (8, *steps) if classes else (8, *steps, task.outputs)
    if classes:
        assert 0 <= batch.targets.min() and batch.targets.max() < task.outputs
    if batch.lengths is not None:
        assert 1 <= batch.lengths.min() and batch.lengths.max() <= time


@pytest.mark.parametrize("name", ALL)
def test_validation_and_test_sets_are_fixed_and_apart(name):
    task = tasks.create(name)
    data = task.load()
    one, again, test = (task.holdout(split, 16, data) for split in ("validation", "validation", "test"))
    assert bool((one.inputs == again.inputs).all())
    rows = {row.tobytes() for row in np.asarray(one.inputs)}
    assert not rows & {row.tobytes() for row in np.asarray(test.inputs)}


@pytest.mark.parametrize("name", ALL)
def test_the_floor_is_not_solved_and_the_threshold_is(name):
    task = tasks.create(name)
    assert task.solved(task.threshold) and not task.solved(task.floor)
    assert task.metric in task.metrics(jnp.zeros(_outputs(task)), task.sample(jax.random.key(0), 4, task.load()))


def _outputs(task):
    batch = task.sample(jax.random.key(0), 4, task.load())
    return (*batch.targets.shape, task.outputs) if jnp.issubdtype(batch.targets.dtype, jnp.integer) else batch.targets.shape
