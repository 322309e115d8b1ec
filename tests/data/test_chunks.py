"""Sets of any size in chunks that fit in memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gru_lab import cells, models, tasks
from gru_lab.data import Batch, bytes_per_sequence, chunk_size, in_chunks, memory_at_hand, over_chunks, whole_weights


def test_chunks_hold_every_sequence_once_and_fill_with_weight_0():
    batch = Batch(np.arange(14.0).reshape(7, 2), np.arange(7))
    chunks = in_chunks(batch, 3, np.asarray(whole_weights(batch, per_step=False)))
    assert isinstance(chunks.inputs, np.ndarray) and isinstance(chunks.weights, np.ndarray)
    assert chunks.inputs.shape == (3, 3, 2) and chunks.lengths is None
    assert chunks.targets[chunks.weights > 0].tolist() == list(range(7)) and chunks.weights.sum() == 7
    assert (chunks.inputs[..., 0] == 2 * chunks.targets).all()


@pytest.mark.parametrize(
    ("sequences", "each", "budget", "size"),
    [(100, 10, 1000, 100), (100, 10, 999, 50), (100, 10, 340, 34), (100, 10, 5, 1), (7, 1, 4, 4)],
)
def test_chunks_are_as_large_as_fits_and_equally_full(sequences, each, budget, size):
    assert chunk_size(sequences, each, budget) == size


def test_memory_at_hand_is_that_of_the_machine():
    assert 1 << 20 < memory_at_hand() < 1 << 50


def test_ten_thousand_images_of_784_steps_are_evaluated_within_64_megabytes():
    budget, size, time = 64_000_000, 10_000, 784
    task = tasks.create("digits")
    spec = models.Spec(task.inputs, task.outputs, task.symbols, task.readout)
    network = models.create("recurrent", layers=2).build(cells.create("gru", hidden=16), spec, nnx.Rngs(0))
    graph, params = nnx.split(network)

    def measure(params, batch):
        return task.measure(nnx.merge(graph, params)(batch.inputs, batch.lengths), batch)

    def temporaries(function, batch):
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), batch)
        return jax.jit(function).lower(params, shapes).compile().memory_analysis().temp_size_in_bytes

    whole = Batch(jnp.zeros((size, time, 1)), jnp.zeros(size, int))
    each = bytes_per_sequence(lambda batch: measure(params, batch), whole)
    chunk = chunk_size(size, each, budget)
    chunks = in_chunks(whole, chunk, task.weights(whole))
    taken = temporaries(lambda params, chunks: over_chunks(lambda part: measure(params, part), chunks), chunks)
    assert chunk >= 20 and taken <= budget, f"{chunk} sequences a chunk take {taken:,} bytes"
    assert temporaries(measure, whole) > 5 * budget
