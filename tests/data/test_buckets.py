"""Buckets: which lengths they have, every sequence in its turn, and no step of padding that can be spared."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab.data import Batch, InMemory, Stream, bucketed_chunks, over_chunks, without_padding
from gru_lab.data.batch import Sum
from gru_lab.data.buckets import boundaries, bucket_of

LENGTHS = np.random.default_rng(0).permutation(np.repeat([3, 4, 7, 13, 16, 20], [4, 4, 8, 12, 12, 12]))
N = len(LENGTHS)


def whole(lengths=LENGTHS):
    """Sequences whose every number is their own, and whose padding is NaN."""
    inside = np.arange(max(lengths)) < lengths[:, None]
    return Batch(
        np.where(inside, np.arange(len(lengths))[:, None], np.nan)[..., None], np.arange(len(lengths)), lengths
    )


def in_memory():
    return InMemory({"train": whole()})


def stream():
    examples = [Batch(np.full((length, 1), n), np.int32(n)) for n, length in enumerate(LENGTHS)]
    return Stream({"train": examples}, lengths=LENGTHS)


@pytest.mark.parametrize("seed", range(8))
def test_boundaries_are_few_and_each_saves_a_twentieth_of_the_steps(seed):
    rng = np.random.default_rng(seed)
    lengths = np.minimum(rng.lognormal(rng.uniform(2, 6), rng.uniform(0.1, 2), 500).astype(int) + 1, 5000)
    ends = boundaries(lengths)
    assert ends[-1] == lengths.max() and all(end & (end - 1) == 0 for end in ends[:-1]) and len(ends) <= 8
    steps = np.array(ends)[bucket_of(lengths, ends)]
    assert (steps >= lengths).all()
    for end in ends[:-1]:
        fewer = np.array([other for other in ends if other != end])
        assert fewer[bucket_of(lengths, fewer)].sum() >= 1.05 * steps.sum()


def test_a_batch_in_memory_is_of_one_bucket_and_every_sequence_is_equally_likely():
    source, size = in_memory(), 5
    assert source.ends == (8, 16, 20)

    def draw(update, seed):
        key = jax.random.fold_in(jax.random.key(seed), update)
        return source.draw(source.arrays(), key, size, update)

    drawn = jax.tree.map(np.asarray, jax.vmap(draw, (0, None))(jnp.arange(8000), 1))
    buckets = bucket_of(drawn.lengths, source.ends)
    assert (buckets == buckets[:, :1]).all()
    assert (LENGTHS[drawn.targets] == drawn.lengths).all() and (drawn.inputs[..., 0, 0] == drawn.targets).all()
    counts = np.bincount(drawn.targets.ravel(), minlength=N) * N / 40000  # 1 is its share
    assert abs(counts - 1).max() < 0.25 and abs(counts.mean() - 1) < 1e-9
    assert (buckets[1:, 0] == buckets[:-1, 0]).mean() < 0.6  # buckets take turns
    other = jax.tree.map(np.asarray, jax.vmap(draw, (0, None))(jnp.arange(50), 2))
    assert (bucket_of(other.lengths, source.ends) == buckets[:50]).all() and (other.targets != drawn.targets[:50]).any()


def test_a_stream_is_of_one_bucket_per_batch_and_has_every_example_once_per_epoch():
    source = stream()
    batches = source.take(3, 0, 4 * N // 4, 4)  # four epochs, whose buckets hold whole batches
    buckets = bucket_of(batches.lengths, source.ends)
    assert (buckets == buckets[:, :1]).all() and batches.inputs.shape == (N, 4, 32, 1)
    epochs = batches.targets.reshape(4, N)
    assert (np.sort(epochs, axis=1) == np.arange(N)).all() and len({tuple(epoch) for epoch in epochs}) == 4
    assert (LENGTHS[batches.targets] == batches.lengths).all()
    assert (buckets[1:, 0] == buckets[:-1, 0]).mean() < 0.6  # buckets take turns
    other = source.take(4, 0, N, 4)
    assert (bucket_of(other.lengths, source.ends) == buckets).all() and (other.targets != batches.targets).any()
    uneven = np.bincount(source.take(3, 0, 10 * N // 5, 5).targets.ravel(), minlength=N)  # batches span epochs
    assert uneven.min() >= 9 and uneven.max() <= 11


def test_a_bucketed_stream_resumed_is_the_stream_uninterrupted():
    kept = stream().take(3, 0, 40, 4)
    for start, n in [(0, 1), (7, 5), (12, 13), (39, 1)]:
        part = stream().take(3, start, n, 4)
        assert jax.tree.all(jax.tree.map(lambda a, b, s=start, n=n: bool((a[s : s + n] == b).all()), kept, part))
    assert jax.tree.all(jax.tree.map(lambda a: a.shape[0] == 40, kept))


def test_a_stream_in_one_bucket_is_as_without_lengths():
    examples = [Batch(np.full((4, 1), n), np.int32(n)) for n in range(9)]
    with_, without = (Stream({"train": examples}, lengths=each).take(0, 2, 5, 4) for each in ([4] * 9, None))
    assert jax.tree.all(jax.tree.map(np.array_equal, with_, without))


def steps_of(batch):
    """The number of steps that a program sees."""
    return jnp.asarray(batch.inputs.shape[1])


def test_the_steps_are_those_of_the_longest_sequence_also_of_all_members_at_once():
    ends = (8, 16, 20)

    def steps(lengths):
        batch = Batch(jnp.zeros((2, 20, 1)), jnp.zeros(2), lengths)
        return without_padding(steps_of, batch, ends, per_step=False)

    assert [int(steps(jnp.array([1, n]))) for n in (8, 9, 16, 17)] == [8, 16, 16, 20]
    many = jnp.array([[1, 3], [2, 12], [1, 1]])
    assert jax.vmap(steps)(many).tolist() == [16, 16, 16]
    branches = [eqn for eqn in jax.make_jaxpr(jax.vmap(steps))(many).eqns if eqn.primitive.name == "cond"]
    assert len(branches) == 1 and branches[0].invars[0].aval.shape == (), "all branches are computed for all members"


@pytest.mark.parametrize("per_step", [False, True])
def test_targets_and_weights_are_cut_where_they_have_steps(per_step):
    shape = (2, 20) if per_step else (2,)
    inputs = {"a": jnp.zeros((2, 20)), "b": jnp.zeros((2, 20, 3))}
    batch = Batch(inputs, jnp.zeros(shape), jnp.array([3, 7]), jnp.zeros(shape))
    seen = []
    without_padding(lambda short: seen.append(short) or jnp.zeros(()), batch, (8, 20), per_step)
    for time, short in zip((8, 20), seen, strict=True):
        asked = (2, time) if per_step else (2,)
        assert short.inputs["a"].shape == (2, time) and short.inputs["b"].shape == (2, time, 3)
        assert short.targets.shape == asked and short.weights.shape == asked


def test_a_set_in_bucketed_chunks_gives_the_sums_of_the_whole():
    batch, weights = whole(), np.random.default_rng(1).random(N)
    chunks = bucketed_chunks(batch, 3, weights, per_step=False)
    assert [part.inputs.shape[2] for part in chunks] == [8, 16, 20]
    assert all(part.inputs.shape[1] * part.inputs.shape[2] <= 3 * 20 for part in chunks)

    def measure(part):
        inside = jnp.arange(part.inputs.shape[1]) < part.lengths[:, None]
        total = jnp.where(inside, part.inputs[..., 0], 0).sum(axis=1) * part.weights
        return {"total": Sum(total.sum(), part.weights.sum())}

    sums = over_chunks(measure, chunks)["total"]
    np.testing.assert_allclose(sums.total, (np.arange(N) * LENGTHS * weights).sum(), rtol=1e-6)
    np.testing.assert_allclose(sums.count, weights.sum(), rtol=1e-6)
    seen = list(itertools.chain(*(part.targets[part.weights > 0].tolist() for part in chunks)))
    assert sorted(seen) == [*range(N)]
