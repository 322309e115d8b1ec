"""Training: one pure function, members that do not know each other, and a record that can be trusted."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import Experiment, UserError, cells, run, tasks, unroll
from gru_lab.models import Model
from gru_lab.runs import find_records
from gru_lab.runs.folder import read_metrics
from gru_lab.schema import build
from gru_lab.training import Population, Training, optimizers
from gru_lab.training.population import compiled
from gru_lab.training.train import NEVER, make_program


def experiment(cell="gru", task="adding", seeds=3, optimizer=None, **training):
    training = {"updates": 40, "evaluate_every": 20, "batch": 8, "validation": 32, "test": 32} | training
    return Experiment(
        cells.create(cell, hidden=6),
        tasks.create(task, **({} if task == "digits" else {"length": 10})),
        optimizer=optimizer or optimizers.create("adam", learning_rate=0.01),
        training=build(Training, training),
        population=Population(seeds=seeds),
    )


def numbers(record):
    """What a record holds, without what the clock decides."""
    members = [dataclasses.replace(member, seconds_per_update=None) for member in record.members]
    return dataclasses.replace(record, members=tuple(members), compile_seconds=None)


def close(one, other, tolerance=1e-5):
    for a, b in zip(one.members, other.members, strict=True):
        assert (a.seed, a.status, a.updates) == (b.seed, b.status, b.updates)
        for split in a.metrics:
            for name, value in a.metrics[split].items():
                np.testing.assert_allclose(value, b.metrics[split][name], rtol=tolerance)


def test_the_run_follows_the_pure_train_function(tmp_path):
    ours = experiment()
    program = make_program(ours)
    record = run(ours, tmp_path)
    for member in record.members:
        state, history = jax.jit(program.train)(jax.random.key(member.seed), program.data)
        tested = program.test(state.best_params, program.data)
        np.testing.assert_allclose(member.metrics["test"]["loss"], tested["test_loss"], rtol=1e-4)
        lines, _ = read_metrics(record_folder(tmp_path) / "metrics.jsonl")
        np.testing.assert_allclose(
            [line["train"]["loss"][member.seed] for line in lines], history["train_loss"], rtol=1e-4
        )


def record_folder(sweep):
    (folder,) = [path for path in sweep.iterdir() if path.is_dir()]
    return folder


def test_placement_changes_no_number(tmp_path):
    ours = experiment()
    records = []
    for placement in ("map", "vmap", "devices"):
        placed = dataclasses.replace(ours, population=dataclasses.replace(ours.population, placement=placement))
        records.append(run(placed, tmp_path / placement))
    close(records[0], records[1], 1e-3)
    close(records[0], records[2])


def test_a_member_is_the_same_alone_and_among_others(tmp_path):
    ours = experiment()
    together = run(ours, tmp_path / "together")
    alone = run(dataclasses.replace(ours, population=Population(seeds=1, first_seed=2)), tmp_path / "alone")
    close(dataclasses.replace(together, members=together.members[2:]), alone)


def test_a_member_that_diverges_is_named_and_its_siblings_go_on():
    ours = experiment(seeds=2)
    program = make_program(ours)
    healthy, sick = (program.init(jax.random.key(seed)) for seed in (0, 1))
    sick = sick._replace(params=jax.tree.map(lambda leaf: leaf * jnp.nan, sick.params))
    both = jax.tree.map(lambda a, b: jnp.stack([a, b]), healthy, sick)
    state, _ = jax.jit(jax.vmap(program.advance, (0, None)))(both, program.data)
    assert state.diverged_at.tolist() == [NEVER, 1] and state.update[0] == 20
    alone, _ = jax.jit(program.advance)(healthy, program.data)
    jax.tree.map(
        lambda one, two: np.testing.assert_allclose(one[0], two, rtol=1e-4, atol=1e-5), state.params, alone.params
    )


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_run_that_explodes_is_recorded_as_diverged(tmp_path):
    wild = optimizers.create("sgd", learning_rate=1e30, clip="none")
    ours = dataclasses.replace(
        experiment("rnn", optimizer=wild), cell=cells.create("rnn", hidden=6, nonlinearity="relu")
    )
    record = run(ours, tmp_path)
    assert record.status == "diverged" and record.values() == []
    for member in record.members:
        assert member.status == "diverged" and 1 <= member.diverged_at <= 40
        assert member.metrics["test"] == {"loss": None}


def test_training_stops_when_all_have_solved(tmp_path):
    task = tasks.create("temporal_order", length=10)
    eager = dataclasses.replace(
        experiment(updates=4000, evaluate_every=100, validation=100), task=task, population=Population(seeds=2)
    )
    record = run(eager, tmp_path)
    assert record.solved == 2
    lines, torn = read_metrics(record_folder(tmp_path) / "metrics.jsonl")
    assert not torn and lines[-1]["update"] == max(member.solved_at for member in record.members) < 4000
    first = min(range(2), key=lambda n: record.members[n].solved_at)
    for line in lines:  # a member that has solved the task measures nothing any more
        assert (line["train"]["loss"][first] is None) == (line["update"] > record.members[first].solved_at)


def test_best_on_validation_is_what_test_reports(tmp_path):
    ours = experiment(task="digits", updates=60, evaluate_every=10, stop_when_solved=False)
    record = run(ours, tmp_path)
    lines, _ = read_metrics(record_folder(tmp_path) / "metrics.jsonl")
    for member in record.members:
        curve = [line["validation"]["accuracy"][member.seed] for line in lines]
        assert member.best_at == 10 * (1 + int(np.argmax(curve)))
        assert member.metrics["validation"]["accuracy"] == pytest.approx(max(curve))


@pytest.mark.parametrize("name", optimizers.names())
def test_every_optimizer_lowers_the_loss_and_clips_as_it_says(name):
    for clip, bound in (("norm", 1.0), ("elementwise", 0.5), ("none", None)):
        optimizer = optimizers.create(name, learning_rate=0.05, clip=clip, clip_at=bound or 1.0)
        params = {"w": jnp.array([3.0, -2.0])}
        transformation = optimizer.optax()
        state = transformation.init(params)
        for _ in range(200):
            updates, state = transformation.update(jax.grad(lambda p: jnp.sum(p["w"] ** 2))(params), state, params)
            params = jax.tree.map(jnp.add, params, updates)
        assert jnp.sum(params["w"] ** 2) < 0.1


def test_plain_sgd_shows_what_clipping_does():
    gradient = {"w": jnp.array([3.0, -4.0])}
    expected = {"norm": [-0.6, 0.8], "elementwise": [-1.0, 1.0], "none": [-3.0, 4.0]}
    for clip, step in expected.items():
        transformation = optimizers.create("sgd", learning_rate=1.0, clip=clip).optax()
        updates, _ = transformation.update(gradient, transformation.init(gradient))
        np.testing.assert_allclose(updates["w"], step, rtol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("embedding", [0, 3])
def test_layers_and_embedding_are_counted_and_run(tmp_path, layers, embedding):
    ours = dataclasses.replace(experiment(task="copy", seeds=1), model=Model(layers=layers, embedding=embedding))
    record = run(ours, tmp_path)
    task, hidden = ours.task, 6
    width = embedding or task.inputs
    gru = sum(3 * (size * hidden + hidden * hidden + hidden) + hidden for size in [width, *[hidden] * (layers - 1)])
    parts = {"recurrent": gru, "readout": hidden * task.outputs + task.outputs}
    parts |= {"embedding": task.inputs * embedding} if embedding else {}
    assert record.parameters_by_part == parts and record.parameters == sum(parts.values())


def test_a_run_that_breaks_is_recorded_as_failed_and_tried_again(tmp_path, monkeypatch):
    ours = experiment(seeds=1)
    with monkeypatch.context() as broken:
        broken.setattr(sys.modules["gru_lab.training.run"], "make_program", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(ours, tmp_path)
    folder = record_folder(tmp_path)
    records, sentences = find_records([tmp_path])
    assert records == [] and sentences == [f"{folder} failed: ZeroDivisionError: division by zero"]
    assert run(ours, tmp_path).status == "finished"


def test_nothing_is_overwritten(tmp_path):
    ours = experiment(seeds=1)
    folder = tmp_path / ours.name
    folder.mkdir()
    (folder / "config.yaml").write_text("another: run\n")
    with pytest.raises(UserError, match="already holds a run of another configuration"):
        run(ours, tmp_path)
    assert (folder / "config.yaml").read_text() == "another: run\n"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        run(experiment(seeds=1), tmp_path / "file")


@pytest.mark.parametrize("task", ["adding", "copy"])
def test_bidirectional_layers_with_dropout_train_and_answer_alike_on_every_path(task, tmp_path):
    ours = dataclasses.replace(experiment(task=task, seeds=1), model=Model(layers=2, bidirectional=True, dropout=0.2))
    assert run(ours, tmp_path).status == "finished"
    program = make_program(ours)
    network, batch = program.network(program.init(jax.random.key(0)).params), program.data["validation"]
    whole = network(batch.inputs, batch.lengths)
    last = whole[:, -1] if ours.task.readout == "every" else whole
    top, xs = network.layers[-1], network.below_last(batch.inputs, batch.lengths)
    state, _ = unroll(top.forward.cell, top.weights, xs, lengths=batch.lengths)
    np.testing.assert_allclose(network.after_last(state, xs, batch.lengths), last, atol=1e-5)
    assert np.abs(network(batch.inputs, batch.lengths, key=jax.random.key(1)) - whole).max() > 1e-3
    one, other = (network(batch.inputs, batch.lengths, key=jax.random.key(n)) for n in (1, 2))
    assert np.abs(one - other).max() > 1e-3
    assert network.layers[0](network.encode(batch.inputs))[1].shape[-1] == 12  # the layer as a module of its own


def test_members_whose_program_calls_lapack_stay_on_one_device():
    """On two devices the kernels of LAPACK wait for each other's threads: a run of hippo stood still for ever."""
    assert len(jax.devices()) > 1, "the tests ask for two devices"
    matrices = jnp.stack([jnp.eye(3) * n for n in range(1, 5)])
    for function, devices in ((lambda m, _: jnp.linalg.inv(m), 1), (lambda m, _: 1 / m, 2)):
        lay_out, run = compiled(Population(seeds=4), function, matrices, ())
        placed = lay_out(matrices)
        assert len(placed.sharding.device_set) == devices
        np.testing.assert_allclose(run(placed, ()), jax.vmap(lambda m, f=function: f(m, ()))(matrices), rtol=1e-6)
