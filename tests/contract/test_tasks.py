"""What every registered task promises. A new task is found by its registration: nothing is listed here."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kin import each

from gru_lab import UserError, tasks
from gru_lab.data import Batch, add, at_end, in_chunks, over_chunks, sequences

ALL = each(tasks.names())
KINDS = {(t.answer, t.readout, t.paired): name for name in [*tasks.names()][::-1] if (t := tasks.get(name))}.values()


def drawn(task, seed, size=8):
    """A training batch, whatever kind of source the task has."""
    source = task.source()
    if source.streamed:
        return jax.tree.map(lambda leaf: leaf[0], source.take(seed, 0, 1, size))
    return jax.jit(source.draw, static_argnums=2)(source.arrays(), jax.random.key(seed), size)


def held_out(task, split, size):
    """The beginning of a fixed set, as arrays of JAX."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[:size]), task.source().holdout(split, size))


def rows(batch):
    """Every sequence of a batch as bytes."""
    return [b"".join(np.asarray(leaf[n]).tobytes() for leaf in leaves) for n in range(sequences(batch))
            if (leaves := jax.tree.leaves(batch.inputs))]  # fmt: skip


def answers(task, batch):
    """What a small causal network might answer: at padded steps too, where nothing may depend on it."""
    leaves = [jnp.asarray(leaf, jnp.float32) for leaf in jax.tree.leaves(batch.inputs)]
    xs = jnp.concatenate([leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves], axis=-1)
    weights = jax.random.normal(jax.random.key(5), (xs.shape[-1], task.outputs))
    outputs = jnp.sin(jnp.cumsum(xs, axis=1) @ weights)
    return outputs if task.readout == "every" else at_end(outputs, batch.lengths)


@pytest.mark.parametrize("name", ALL)
def test_batches_are_a_pure_function_of_the_key(name):
    task = tasks.create(name)
    first, same, other = (drawn(task, seed) for seed in (0, 0, 1))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), first, same))
    assert rows(first) != rows(other)


@pytest.mark.parametrize("name", ALL)
def test_batches_have_the_shapes_that_the_task_declares(name):
    task = tasks.create(name)
    batch = drawn(task, 0)
    leaves = jax.tree.leaves(batch.inputs)
    size, time = leaves[0].shape[:2]
    assert size == 8 and all(leaf.shape[:2] == (size, time) for leaf in leaves)
    if task.paired:
        limits = (task.inputs, task.outputs)
        for leaf, limit in zip(batch.inputs, limits, strict=True):
            assert jnp.issubdtype(leaf.dtype, jnp.integer) and leaf.ndim == 2
            assert leaf.min() >= 0 and leaf.max() < limit
    elif task.symbols:
        assert jnp.issubdtype(batch.inputs.dtype, jnp.integer) and batch.inputs.ndim == 2
        assert batch.inputs.min() >= 0 and batch.inputs.max() < task.inputs
    elif len(leaves) == 1:
        assert batch.inputs.shape == (size, time, task.inputs)
    asked = (size, time) if task.readout == "every" else (size,)
    assert task.weights(batch).shape == asked
    assert batch.targets.shape == (asked if task.answer == "class" else (*asked, task.outputs))
    if task.answer == "class":
        assert batch.targets.min() >= 0 and batch.targets.max() < task.outputs
    if batch.lengths is not None:
        assert batch.lengths.min() >= 1 and batch.lengths.max() <= time


@pytest.mark.parametrize("name", ALL)
def test_validation_and_test_sets_are_fixed_and_apart(name):
    task = tasks.create(name)
    first, again, test = (held_out(task, split, 16) for split in ("validation", "validation", "test"))
    assert rows(first) == rows(again)
    assert rows(first) == rows(test) if task.by_heart else not set(rows(first)) & set(rows(test))


@pytest.mark.parametrize("name", ALL)
def test_the_floor_is_not_solved_and_the_threshold_is(name):
    task = tasks.create(name)
    ceiling = task.ceiling
    if ceiling is not None:
        assert task.floor is None or (ceiling < task.floor if task.better == "lower" else ceiling > task.floor)
        assert task.threshold is None or task.solved(ceiling)
    if task.threshold is None:
        assert not task.solved(0.0) and not task.solved(1.0)
    else:
        assert task.solved(task.threshold) and (task.floor is None or not task.solved(task.floor))
    batch = held_out(task, "validation", 4)
    measured = jax.jit(lambda batch: task.measure(answers(task, batch), batch))(batch)
    assert "loss" in measured
    if task.scored:
        measured = task.score(task.predictions(answers(task, batch), batch), batch)
    assert task.metric in measured


@pytest.mark.parametrize("name", [n if n in KINDS else pytest.param(n, marks=pytest.mark.slow) for n in tasks.names()])
def test_padded_chunked_weighted_evaluation_is_that_of_each_sequence_alone(name):
    task = tasks.create(name)
    batch = held_out(task, "validation", 7)
    time = jax.tree.leaves(batch.inputs)[0].shape[1]
    lengths = jnp.full(7, time) if batch.lengths is None else batch.lengths
    counted = np.array([1, 1, 0, 1, 0.5, 1, 1])

    def cut(leaf, n, per_step=True):
        return leaf[n : n + 1, : lengths[n]] if per_step else leaf[n : n + 1]

    every = task.readout == "every"
    measured = jax.jit(lambda sequence: task.measure(answers(task, sequence), sequence))
    alone = []
    for n in np.flatnonzero(counted):
        inputs = jax.tree.map(lambda leaf, n=n: cut(leaf, n), batch.inputs)
        weights = None if batch.weights is None else cut(batch.weights, n, batch.weights.ndim == 2)
        sums = measured(Batch(inputs, cut(batch.targets, n, every), weights=weights))
        alone.append(jax.tree.map(lambda leaf, n=n: leaf * counted[n], sums))
    expected = add(*alone)

    def longer(leaf):
        return jnp.pad(leaf, [(0, 0), (0, 5)] + [(0, 0)] * (leaf.ndim - 2), constant_values=1)

    targets = longer(batch.targets) if every else batch.targets
    weights = task.weights(batch) * counted.reshape(-1, *[1] * every)
    padded = batch._replace(
        inputs=jax.tree.map(longer, batch.inputs),
        targets=targets,
        lengths=lengths,
        weights=longer(weights) if every else weights,  # the padding's weight of 1 must not count
    )
    chunks = in_chunks(padded, 3, task.weights(padded))
    found = jax.jit(lambda chunks: over_chunks(lambda part: task.measure(answers(task, part), part), chunks))(chunks)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


@pytest.mark.parametrize("name", ALL)
def test_a_ladder_leads_to_longer_sequences_for_the_same_network(name):
    task = tasks.create(name)
    if not task.ladder:
        with pytest.raises(UserError, match="has no length"):
            task.longer(2)
        return
    assert list(task.ladder) == sorted(set(task.ladder))
    assert [dataclasses.replace(task, length=rung).length for rung in task.ladder] == [*task.ladder]
    longer = task.longer(2)
    assert longer.length == 2 * task.length and type(longer) is type(task)
    for name in ("inputs", "symbols", "outputs", "readout"):
        assert getattr(longer, name) == getattr(task, name)
    if type(task).sample is not tasks.Task.sample:
        steps = [jax.eval_shape(lambda key, t=t: t.sample(key, 2), jax.random.key(0)).inputs.shape[1]
                 for t in (task, longer)]  # fmt: skip
        assert steps[1] > steps[0] and steps[1] - steps[0] >= task.length
