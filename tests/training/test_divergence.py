"""A member without a finite value is diverged, and takes nobody else's record with it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import adam, command, experiment, run

from gru_lab import tasks
from gru_lab.commandline import main, train
from gru_lab.data import Sum, in_chunks
from gru_lab.runs import find_records
from gru_lab.training.train import NEVER, make_program

SECTION_5 = """cell=rnn cell.hidden=8 task=adding task.length=5 training.updates=2 training.evaluate_every=1
    training.batch=8 optimizer.learning_rate=2e17 training.validation=50 training.test=2000 population.seeds=3"""


def test_one_update_to_infinity_is_no_finished_run(tmp_path, capsys):
    line = ["optimizer.learning_rate=1e300", "training.updates=1", f"paths.runs={tmp_path}"]
    assert command(*line) == 0
    assert "0 of 2 solved, diverged, " in capsys.readouterr().out
    (group,) = find_records([tmp_path]).groups
    for record in group.members:
        assert (record.status, record.diverged_at, record.best_at) == ("diverged", 1, None)
        assert record.stopped == "diverged"
        assert record.metrics == {"validation": {"loss": None}, "test": {"loss": None}} and record.value() is None
    assert group.values() == []
    assert command(*line) == 0 and " kept, " in capsys.readouterr().out


def test_one_value_that_is_not_finite_leaves_the_others_their_records(tmp_path):
    assert main("train", train, "", [*SECTION_5.split(), f"paths.runs={tmp_path}"]) == 0
    found = find_records([tmp_path])
    (group,) = found.groups
    assert found.broken == () and {record.status for record in group.members} == {"finished", "diverged"}
    for record in group.members:
        assert np.isfinite(record.value() or 0) and (record.value() is None) == (record.status == "diverged")


@dataclasses.dataclass(frozen=True)
class Nowhere(type(tasks.create("adding"))):
    """Adding whose test set (of another size) has no finite loss."""

    def measure(self, outputs, batch):
        sums = super().measure(outputs, batch)
        return sums if outputs.shape[0] != 5 else {"loss": Sum(jnp.asarray(jnp.inf), jnp.asarray(1.0))}


def test_a_test_value_that_is_not_finite_is_no_result(tmp_path):
    result = run(experiment(task=Nowhere(length=4), test=5), tmp_path)
    assert [(record.status, record.diverged_at, record.best_at) for record in result.records] == [
        ("diverged", 4, 4)
    ] * 2
    assert result.values() == [] and result.values("validation") == []


def test_a_member_that_diverges_stands_still_and_its_siblings_go_on():
    ours = experiment()
    program = make_program(ours)
    healthy, sick = (program.init(jax.random.key(seed), ours.hyper) for seed in (0, 1))
    sick = sick._replace(params=jax.tree.map(lambda leaf: leaf * jnp.nan, sick.params))
    both = jax.tree.map(lambda a, b: jnp.stack([a, b]), healthy, sick)
    batch = program.source.holdout("validation", 8)
    data = {"train": (), "validation": in_chunks(batch, 8, ours.task.weights(batch))}
    state, measured = jax.jit(jax.vmap(program.advance, (0, None, None)))(both, data, None)
    assert state.diverged_at.tolist() == [NEVER, 1] and state.best_at.tolist() == [2, NEVER]
    assert np.isfinite(measured["loss"]).tolist() == [True, False]
    alone, _ = jax.jit(program.advance)(healthy, data, None)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-5, atol=1e-6), state.params, alone.params)
    again, measured = jax.jit(jax.vmap(program.advance, (0, None, None)))(state, data, None)
    assert again.update.tolist() == [4, 2] and np.isnan(measured["train_loss"][1])


def test_an_update_that_is_not_finite_is_skipped_and_counted(tmp_path, capsys):
    line = ["training.divergence=skip", "optimizer.learning_rate=1e300", f"paths.runs={tmp_path}"]
    assert command(*line) == 0
    assert ", 8 updates skipped, " in capsys.readouterr().out
    (group,) = find_records([tmp_path]).groups
    for record in group.members:
        assert (record.status, record.updates, record.skipped, record.diverged_at) == ("finished", 4, 4, None)
        assert np.isfinite(record.value()), "no update was applied, and the parameters are those of the beginning"


@dataclasses.dataclass(frozen=True)
class Sometimes(type(tasks.create("adding"))):
    """Adding where the loss of some batches is finite and its gradient is not."""

    def loss(self, outputs, batch):
        total, count = super().loss(outputs, batch)
        bad = jnp.sum(batch.targets) > 4.0
        zero = outputs - jax.lax.stop_gradient(outputs)
        return Sum(total + jax.lax.cond(bad, lambda: jnp.sqrt(jnp.abs(zero)).sum(), lambda: 0.0), count)


def test_what_is_skipped_leaves_no_trace_and_what_follows_is_trained():
    ours = experiment(task=Sometimes(length=4), divergence="skip")
    program = make_program(ours)
    state = program.init(jax.random.key(0), ours.hyper)
    update, skipped, moved = jax.jit(lambda state: program.update(state, (), None)), 0, 0
    for _ in range(20):
        before, (state, loss) = state, update(state)
        same = all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.all(a == b)), before.params, state.params)))
        same_optimizer = jax.tree.map(lambda a, b: bool(jnp.all(a == b)), before.optimizer, state.optimizer)
        assert bool(jnp.isnan(loss)) == same == all(jax.tree.leaves(same_optimizer))
        skipped, moved = skipped + same, moved + (not same)
    assert skipped == int(state.skipped) > 2 and moved > 2 and int(state.update) == 20 and state.diverged_at == NEVER
    data = {"train": (), "validation": in_chunks(program.source.holdout("validation", 8), 8, np.ones(8, np.float32))}
    _, measured = jax.jit(program.advance)(program.init(jax.random.key(0), ours.hyper), data, None)
    assert np.isfinite(measured["train_loss"]), "a mean over the updates that were made"


@dataclasses.dataclass(frozen=True)
class Steep(type(tasks.create("adding"))):
    """Adding where the loss is as it was and its gradient 1e25 times as steep: finite, and its square is not."""

    def loss(self, outputs, batch):
        total, count = super().loss(outputs, batch)
        steep = 1e25 * outputs.sum()
        return Sum(total + steep - jax.lax.stop_gradient(steep), count)


@pytest.mark.parametrize("clip", ["norm", "none"])
def test_a_gradient_whose_square_overflows_is_told(clip):
    """Clipped by its norm, infinity, it would be zero; not clipped, Adam's second moment would be infinity for ever."""
    ours = experiment(task=Steep(length=4), optimizer=adam(clip=clip))
    program = make_program(ours)
    state, _ = jax.jit(lambda state: program.update(state, (), None))(program.init(jax.random.key(0), ours.hyper))
    assert state.diverged_at == 1


def test_divergence_is_an_error_where_that_is_asked_for(tmp_path, capsys):
    line = ["training.divergence=raise", "optimizer.learning_rate=1e300", f"paths.runs={tmp_path}"]
    for _ in range(2):  # the second time from its checkpoint
        assert command(*line) == 2
        said = capsys.readouterr().err
        assert "diverged in update 1, and training.divergence is 'raise'" in said and len(said.splitlines()) == 1
    assert not list(tmp_path.rglob("record.json")) and list(tmp_path.rglob("failure.txt"))


def test_the_default_leaves_identities_as_they_were():
    assert "divergence" not in experiment().config["training"]
    assert experiment(divergence="skip").config["training"]["divergence"] == "skip"
    assert experiment().identity != experiment(divergence="skip").identity
