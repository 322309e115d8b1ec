"""Training on sequences of many lengths: few programs, and the numbers of training on padded batches."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import experiment, run

from gru_lab import models, tasks
from gru_lab.data import Batch, InMemory, Stream, bucketed_chunks, buckets
from gru_lab.training import train
from gru_lab.training.train import make_program
from gru_lab.training.work import Work

LENGTHS = {"train": [*range(3, 9)] * 3 + [*range(17, 31)] * 2, "validation": [3, 5, 20, 29], "test": [4, 30]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Means(tasks.Task):
    """The mean of sequences of 20 different lengths."""

    answer = "real"
    inputs = outputs = property(lambda self: 1)
    streamed: bool = False

    def source(self):
        rng, rows = np.random.default_rng(0), {}
        for split, lengths in LENGTHS.items():
            rows[split] = [rng.random((length, 1), np.float32) for length in lengths]
        if self.streamed:
            examples = {split: [Batch(x, x.mean(axis=0)) for x in each] for split, each in rows.items()}
            return Stream(examples, lengths=LENGTHS["train"])
        return InMemory({split: whole(each) for split, each in rows.items()})


def whole(rows):
    """Sequences in one array, with zeros behind them."""
    padded = np.zeros((len(rows), max(map(len, rows)), 1), np.float32)
    for row, each in zip(padded, rows, strict=True):
        row[: len(each)] = each
    return Batch(padded, np.stack([each.mean(axis=0) for each in rows]), np.array([*map(len, rows)], np.int32))


def trained(ours, seeds):
    """Losses and parameters of members that train at once, for six updates."""
    program = make_program(ours)
    states = jax.vmap(lambda seed: program.init(jax.random.key(seed), ours.hyper))(jnp.array(seeds))
    validation = program.source.holdout("validation", 4)
    data = {"train": program.source.arrays(), "validation": bucketed_chunks(validation, 2, np.ones(4), False)}
    lowered = jax.jit(jax.vmap(lambda state: program.advance(state, data, None))).lower(states)
    state, measured = lowered.compile()(states)
    return lowered.as_text().count("stablehlo.case"), jax.tree.leaves((measured, state.params))


def test_buckets_spare_padding_and_change_no_number(monkeypatch):
    ours = experiment(task=Means(), updates=6, evaluate_every=6)
    chosen, found = trained(ours, [0, 1])
    assert chosen == 1, "one program in which a branch is chosen; under vmap as well"
    monkeypatch.setattr(train, "without_padding", lambda function, batch, ends, per_step: function(batch))
    monkeypatch.setattr(buckets, "boundaries", lambda lengths: (30,))
    none, padded = trained(ours, [0, 1])
    assert none == 0
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), padded, found)


@pytest.mark.slow
def test_members_that_train_at_once_are_those_that_train_alone_also_with_masks_per_step():
    ours = experiment(task=Means(), updates=6, evaluate_every=6, model=models.create("recurrent", input_dropout=0.3))
    both = trained(ours, [0, 1])[1]
    alone = trained(ours, [1])[1]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b[0], rtol=1e-4, atol=1e-6), both, alone)


def test_a_run_on_a_bucketed_stream_compiles_one_step(tmp_path, monkeypatch):
    seen, step = [], Work._step
    monkeypatch.setattr(Work, "_step", lambda self, *given: seen.append(given) or step(self, *given))
    (value,) = run(experiment(task=Means(streamed=True), updates=12, seeds=1), tmp_path).values()
    assert len(seen) == 1 and np.isfinite(value)
