"""Training: one pure function behind every way to lay it out, and every kind of task and method."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import Killed, adam, command, contents, experiment, run, stopper

from gru_lab import UserError, cells, load, tasks
from gru_lab.cells.wrappers import Zoneout
from gru_lab.data import Batch, Stream, in_chunks
from gru_lab.models import count_parameters
from gru_lab.models import create as model
from gru_lab.runs import RunFolder, find_records
from gru_lab.runs.arrays import load_arrays
from gru_lab.training import remedies
from gru_lab.training.callbacks.checkpoint import Checkpoint
from gru_lab.training.population import compiled
from gru_lab.training.train import NEVER, make_program


def lines(record):
    return RunFolder(record.folder.parents[1]).member(record.member).read_metrics()


def test_a_run_follows_the_pure_functions(tmp_path):
    ours = experiment()
    program, result = make_program(ours), run(ours, tmp_path)
    chunks = {
        split: in_chunks(batch, 8, ours.task.weights(batch))
        for split in ("validation", "test")
        for batch in [program.source.holdout(split, 8)]
    }
    advance, data = jax.jit(program.advance), {"train": (), "validation": chunks["validation"]}
    for record in result.records:
        state = program.init(jax.random.key(record.member.seed), ours.hyper)
        for line in lines(record):
            state, measured = advance(state, data, None)
            assert line["update"] == state.update
            np.testing.assert_allclose(line["train"]["loss"], measured["train_loss"], rtol=1e-5)
            np.testing.assert_allclose(line["validation"]["loss"], measured["loss"], rtol=1e-5)
        tested = program.evaluate(state.best_params, chunks["test"])["loss"].mean
        np.testing.assert_allclose(record.value(), tested, rtol=1e-5)
        again, _ = advance(state, data, None)
        assert again.update == state.update == 4 and state.diverged_at == NEVER


@pytest.mark.parametrize("changed", [{"placement": "vmap"}, {"chunk": 3}, {"chunk": None}])
def test_a_layout_changes_no_number_beyond_rounding(changed, tmp_path):
    ours, plain = run(experiment(**changed), tmp_path / "other"), run(experiment(), tmp_path / "plain")
    np.testing.assert_allclose(ours.values(), plain.values(), rtol=1e-5)
    flows = [
        [RunFolder(r.folder).member(m.member).measured("gradient_flow").at("trained")["norm"] for m in r.records]
        for r in (ours, plain)
    ]
    np.testing.assert_allclose(*flows, rtol=1e-4)


def test_methods_differ_in_no_number(tmp_path):
    values = []
    for n, line in enumerate([[], ["method=reference"], ["method.remat_every=2"], ["method.remat_every=16"]]):
        assert command(*line, f"paths.runs={tmp_path}", f"sweep=m{n}") == 0
        (group,) = find_records([tmp_path / f"m{n}"]).groups
        assert [record.updates for record in group.members] == [4, 4]
        values.append(group.values())
    assert len({group.shared.identity for group in find_records([tmp_path]).groups}) == 4
    for other in values[1:]:
        np.testing.assert_allclose(other, values[0], rtol=1e-5)


def test_training_stops_when_a_member_has_solved_the_task(tmp_path):
    task = Easy(length=4)
    result = run(experiment(task=task, updates=40), tmp_path)
    assert result.solved == 2 and {record.stopped for record in result.records} == {"solved"}
    assert all(record.updates == record.solved_at < 40 for record in result.records)
    first, second = ([line["update"] for line in lines(record)] for record in result.records)
    assert first[-1] == result.records[0].solved_at and second[-1] == result.records[1].solved_at
    on = run(experiment(task=task, updates=40, stop_when_solved=False), tmp_path)
    assert [record.solved_at for record in on.records] == [record.solved_at for record in result.records]
    assert [record.updates for record in on.records] == [40, 40]


@dataclasses.dataclass(frozen=True)
class Easy(type(tasks.create("adding"))):
    """Adding that is solved soon."""

    threshold = 3.0


def test_the_best_parameters_on_the_validation_set_are_those_that_are_tested(tmp_path):
    ours = experiment(updates=20, optimizer=adam(learning_rate=0.3))
    for record in run(ours, tmp_path).records:
        curve = [line["validation"]["loss"] for line in lines(record)]
        assert record.best_at == 2 * (1 + int(np.argmin(curve))) and record.metrics["validation"]["loss"] == min(curve)
    assert {record.best_at for record in run(ours, tmp_path).records} != {20}, "some member was better before its end"


@dataclasses.dataclass(frozen=True)
class Streamed(tasks.Task):
    """The mean of sequences of any length, streamed from the host."""

    answer = "real"
    inputs = outputs = property(lambda self: 1)

    def source(self):
        draw = np.random.default_rng(0)
        splits = {}
        for name, count in {"train": 13, "validation": 7, "test": 5}.items():
            xs = [draw.random((int(n), 1), np.float32) for n in draw.integers(2, 9, count)]
            splits[name] = [Batch(x, x.mean(axis=0)) for x in xs]
        return Stream(splits)


def test_a_streamed_task_trains_and_goes_on_to_the_same_bytes(tmp_path):
    ours = experiment(task=Streamed(), updates=6)
    whole = run(ours, tmp_path / "whole")
    assert {record.status for record in whole.records} == {"finished"} and len({*whole.values()}) == 2
    with pytest.raises(Killed):
        run(ours, tmp_path / "killed", [Checkpoint(seconds=0), stopper(65, "evaluated", Killed, 2)])
    assert contents(run(ours, tmp_path / "killed").folder) == contents(whole.folder)
    with pytest.raises(UserError, match="it draws batches itself, and the task's are streamed"):
        run(dataclasses.replace(ours, remedy=remedies.create("flossing")), tmp_path)


@dataclasses.dataclass(frozen=True)
class Scored(tasks.Task):
    """Which of three symbols came first, judged by a score that is no sum: the worst class's share of right answers."""

    metric, better, answer, scored, symbols = "worst", "higher", "class", True, True
    length: int = 3
    named: str = "worst"
    inputs = outputs = property(lambda self: 3)

    def sample(self, key, batch):
        xs = jax.random.randint(key, (batch, self.length), 0, 3)
        return Batch(xs, xs[:, 0])

    def score(self, predictions, batch):
        assert isinstance(predictions, np.ndarray) and predictions.shape == batch.targets.shape
        right = predictions == np.asarray(batch.targets)
        return {self.named: min(float(right[np.asarray(batch.targets) == n].mean()) for n in range(3))}


def test_a_task_whose_metric_is_no_sum_trains_and_is_scored_on_the_host(tmp_path):
    ours = experiment(
        task=Scored(),
        updates=60,
        evaluate_every=20,
        validation=50,
        test=50,
        chunk=20,
        optimizer=adam(learning_rate=0.05),
    )
    result = run(ours, tmp_path)
    for record in result.records:
        curve = [line["validation"]["worst"] for line in lines(record)]
        assert record.best_at == 20 * (1 + int(np.argmax(curve))) and record.metrics["validation"]["worst"] == max(
            curve
        )
        assert {"worst", "accuracy", "loss"} == set(record.metrics["test"])
        assert 0 <= record.value() <= record.metrics["test"]["accuracy"] and max(curve) > 0.3
    assert result.solved == 0 and {record.threshold for record in result.records} == {None}
    with pytest.raises(UserError, match="its metric is 'worst', and score gives best"):
        run(dataclasses.replace(ours, task=Scored(named="best")), tmp_path)


def test_a_task_without_threshold_is_never_solved(tmp_path):
    assert not jnp.any(Streamed().solved(jnp.array([0.0, 1.0, -jnp.inf])))
    result = run(experiment(task=Perfect(length=4)), tmp_path)
    assert result.values() == [0.0, 0.0] and result.solved == 0


@dataclasses.dataclass(frozen=True)
class Perfect(type(tasks.create("adding"))):
    """Adding whose every answer is right, and without a threshold."""

    threshold = None

    def losses(self, outputs, targets):
        return 0 * outputs[..., 0]


def test_a_run_that_breaks_is_named_and_tried_again(tmp_path):
    with pytest.raises(RuntimeError):
        run(experiment(), tmp_path, [stopper(1, "begin", RuntimeError("out of order"))])
    found = find_records([tmp_path])
    assert found.groups == () and len(found.broken) == 3 and "failed: RuntimeError: out of order" in found.broken[0]
    assert len(run(experiment(), tmp_path).trained) == 2 and find_records([tmp_path]).broken == ()


def test_nothing_is_overwritten_and_a_folder_that_cannot_be_made_is_named(tmp_path):
    ours = experiment()
    (tmp_path / ours.name).mkdir()
    (tmp_path / ours.name / "config.yaml").write_text("another: run\n")
    with pytest.raises(UserError, match="already holds a run of another configuration"):
        run(ours, tmp_path)
    assert (tmp_path / ours.name / "config.yaml").read_text() == "another: run\n"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        run(ours, tmp_path / "file")


@pytest.mark.slow
@pytest.mark.parametrize(
    "task", [tasks.create("adding", length=4), tasks.create("copy", length=2, items=1, alphabet=2)]
)
def test_bidirectional_layers_with_dropout_train_and_answer_alike_on_every_path(task, tmp_path):
    layers = {"layers": 2, "bidirectional": True}
    ours = experiment(task=task, model=model("recurrent", dropout=0.2, **layers))
    assert {record.status for record in run(ours, tmp_path).records} == {"finished"}
    program = make_program(ours)
    network = program.network(program.init(jax.random.key(0), ours.hyper).params)
    batch = program.source.holdout("validation", 8)
    whole = network(batch.inputs, batch.lengths)
    last = whole[:, -1] if task.readout == "every" else whole
    xs, after = network.around_last(batch.inputs, batch.lengths)
    top = network.layers[-1].forward
    last_BO = top(xs, lengths=batch.lengths)[0]
    np.testing.assert_allclose(after(last_BO), last, atol=1e-5)
    first, second = (network(batch.inputs, batch.lengths, key=jax.random.key(n)) for n in (1, 2))
    assert np.abs(first - second).max() > 1e-3 and np.abs(first - whole).max() > 1e-3


def test_dropout_is_a_number_of_each_member_and_costs_nothing_where_none_has_it(tmp_path):
    layers = model("recurrent", layers=2)
    dropped = experiment(model=layers, seeds=1, axes={"model.dropout": [0.0, 0.5]})
    result = run(dropped, tmp_path / "axis")
    assert [record.layout["dropout"] for record in result.records] == [False, True]
    assert len({*result.values()}) == 2
    plain = run(experiment(model=layers, seeds=1), tmp_path / "plain")
    assert plain.values() == [result.records[0].value()]


def test_parts_are_counted(tmp_path):
    for layers, embedding in ((1, 0), (2, 3)):
        ours = experiment(
            "gru", tasks.create("copy", length=2, items=1), model=model("recurrent", layers=layers, embedding=embedding)
        )
        width, hidden = embedding or ours.task.inputs, 3
        gru = sum(3 * (size * hidden + hidden * hidden + hidden) + hidden for size in [width, *[hidden] * (layers - 1)])
        parts = {"recurrent": gru, "readout": hidden * ours.task.outputs + ours.task.outputs}
        parts |= {"embedding": ours.task.inputs * embedding} if embedding else {}
        assert count_parameters(ours.model, ours.cell, ours.spec) == parts


def test_a_budget_that_is_not_met_is_refused():
    with pytest.raises(UserError, match=r"this network has 22; write cell\.hidden=auto"):
        experiment(model=model("recurrent", parameters=2000))
    assert experiment(model=model("recurrent", parameters=22))


def test_members_whose_program_calls_lapack_stay_on_one_device():
    """On two devices the kernels of LAPACK wait for each other's threads: a run of hippo stood still for ever."""
    assert len(jax.devices()) > 1, "the tests ask for two devices"
    matrices = jnp.stack([jnp.eye(3) * n for n in range(1, 5)])
    for function, devices in ((lambda m, _: jnp.linalg.inv(m), 1), (lambda m, _: 1 / m, 2)):
        lay_out, run = compiled("devices", function, matrices, ())
        placed = lay_out(matrices)
        assert len(placed.sharding.device_set) == devices
        np.testing.assert_allclose(run(placed, ()), jax.vmap(lambda m, f=function: f(m, ()))(matrices), rtol=1e-6)


@pytest.mark.slow
def test_x64_trains_in_double_precision(tmp_path, float64):
    result = run(experiment(), tmp_path)
    assert result.records[0].numerics["x64"] and {record.status for record in result.records} == {"finished"}
    (checkpoint,) = result.records[0].folder.glob("checkpoint.safetensors")
    kinds = {array.dtype for array in load_arrays(checkpoint)[0].values() if array.dtype.kind == "f"}
    assert kinds == {np.dtype("float64")}


@pytest.mark.slow
def test_cells_of_a_cell_train_and_are_named(tmp_path):
    ours = experiment(Zoneout(cell=cells.create("gru", hidden=3), rate=0.2))
    assert ours.network == "gru_lab.cells.wrappers:Zoneout" and ours.card["config"]["cell"]["cell"]["name"] == "gru"
    assert experiment(Zoneout(cell=cells.create("rnn", hidden=3), rate=0.2)).identity != ours.identity
    result = run(ours, tmp_path)
    assert load(result.folder).experiment.cell == ours.cell
