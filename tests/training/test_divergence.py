"""A member without a finite value is diverged, and takes nobody else's record with it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from tiny import command, experiment, run

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
