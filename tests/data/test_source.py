"""Sources: in memory and streamed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import UserError
from gru_lab.data import Batch, InMemory, Stream

N = 10


def examples(per_step=False):
    """Sequences of 3 to 7 steps whose every number is the example's own."""
    rng = np.random.default_rng(0)
    for n in range(N):
        steps = int(rng.integers(3, 8))
        values = np.full((steps, 2), n, np.float32)
        inputs = {"values": values, "gaps": np.full(steps, n, np.float32)}
        yield Batch(
            inputs, np.full(steps, n) if per_step else np.int32(n), weights=np.ones(steps) if per_step else None
        )


def stream(**fields):
    own = list(examples(fields.get("per_step", False)))
    return Stream({"train": own, "validation": own[:3], "test": own[3:]}, **fields)


def same(first, second):
    return jax.tree.structure(first) == jax.tree.structure(second) and jax.tree.all(
        jax.tree.map(np.array_equal, first, second)
    )


def test_a_stream_resumed_is_the_stream_uninterrupted():
    whole, resumed = stream(padding=8).take(3, 0, 9, 4), stream(padding=8).take(3, 5, 4, 4)
    assert same(jax.tree.map(lambda leaf: leaf[5:], whole), resumed)


def test_every_epoch_of_a_stream_covers_the_set_once_in_an_order_of_its_own():
    order = stream().take(0, 0, 6, 5).targets.reshape(3, N)
    assert (np.sort(order, axis=1) == np.arange(N)).all()
    assert len({tuple(epoch) for epoch in order}) == 3


def test_seeds_have_streams_of_their_own():
    orders = [tuple(epoch) for seed in range(5) for epoch in stream().take(seed, 0, 4, N).targets]
    assert len(set(orders)) == 20  # neighbouring seeds do not share epochs either


@pytest.mark.parametrize(("padding", "time"), [(5, 10), ("power", 8)])
def test_a_stream_pads_to_few_lengths(padding, time):
    batch = stream(per_step=True, padding=padding).take(0, 0, 1, N)
    values, gaps = (batch.inputs[name][0] for name in ("values", "gaps"))
    assert values.shape == (N, time, 2) and gaps.shape == (N, time) and batch.targets.shape == (1, N, time)
    for n, length, weights in zip(batch.targets[0, :, 0], batch.lengths[0], batch.weights[0], strict=True):
        assert length == len(list(examples())[n].inputs["gaps"]) and weights.sum() == length
    inside = np.arange(time) < batch.lengths[0][:, None]
    assert (gaps == np.where(inside, batch.targets[0, :, :1], 0)).all() and (values[..., 0] == gaps).all()


def test_held_out_sets_of_a_stream_are_whole():
    source = stream()
    assert source.holdout("validation", 1).targets.tolist() == [0, 1, 2]
    assert source.holdout("test", 1).targets.tolist() == list(range(3, N))


def test_sequences_of_equal_length_come_without_lengths():
    whole = [Batch(np.zeros((6, 1)), np.float32([n])) for n in range(4)]
    batch = Stream({"train": whole}, padding="none").take(0, 0, 2, 3)
    assert batch.lengths is None and batch.inputs.shape == (2, 3, 6, 1)
    with pytest.raises(UserError, match="padding is 'none': sequences of 3 to 7 steps need"):
        stream(padding="none").take(0, 0, 1, N)


def test_sets_in_memory_are_drawn_from_with_replacement_by_the_key_alone():
    whole = Batch(jnp.arange(12.0).reshape(6, 2, 1), jnp.arange(6))
    source = InMemory({"train": whole, "validation": whole, "test": whole})
    batch = source.draw(source.arrays(), jax.random.key(4), 50)
    assert (batch.targets == jax.random.randint(jax.random.key(4), (50,), 0, 6)).all()
    assert (batch.inputs[:, :, 0] == 2 * batch.targets[:, None] + jnp.arange(2)).all()
