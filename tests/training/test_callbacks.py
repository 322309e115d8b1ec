"""Callbacks: what they write is what they say, and training does not feel it."""

import dataclasses
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import Killed, contents, experiment, numbers, run, stopper

from gru_lab import UserError
from gru_lab.diagnostics import gradient_flow, saturation
from gru_lab.diagnostics.gates import gate_values
from gru_lab.runs import RunFolder, find_records
from gru_lab.training import callbacks
from gru_lab.training.callbacks import Callback, Listener
from gru_lab.training.callbacks.checkpoint import Checkpoint
from gru_lab.training.callbacks.diagnostics import Diagnostics
from gru_lab.training.callbacks.metrics import Metrics
from gru_lab.training.callbacks.wandb import Wandb
from gru_lab.training.measure import Asked, measure_members
from gru_lab.training.train import make_program

pytestmark = pytest.mark.xdist_group("callbacks")  # one worker: what the tests share is made once

BOTH = Diagnostics(names=("gradient_flow", "gates"))
OURS = experiment("gru", validation=7, chunk=3)  # the last chunk is filled up with repeats


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(OURS, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return run(OURS, tmp_path_factory.mktemp("watched"), [BOTH])


def measured(result, name, n=0):
    return RunFolder(result.folder).member(result.records[n].member).measured(name)


def test_training_does_not_feel_diagnostics(plain, watched):
    ours, theirs = (contents(result.folder) for result in (watched, plain))
    for name, value in theirs.items():
        if "measurements" not in name and "checkpoint" not in name:
            assert ours[name] == value, name


def test_lines_hold_what_diagnostics_measure(watched):
    flow, gates = measured(watched, "gradient_flow"), measured(watched, "gates")
    assert flow.when == ["initial", "live", "live", "trained"] and flow.updates.tolist()[:3] == [0, 2, 4]
    assert gates.when == ["initial", "live", "live"]
    program, record = make_program(OURS), watched.records[0]
    shape = jax.eval_shape(lambda: program.init(jax.random.key(0), OURS.hyper))
    folder = RunFolder(watched.folder).member(record.member)
    state, _ = folder.load_checkpoint(shape, OURS.identity)
    network = program.network(jax.tree.map(jnp.asarray, state.params))
    batch, weights = program.source.holdout("validation", 7), network.layers[0].weights

    def loss(outputs):
        return jnp.sum((network.readout(outputs) - batch.targets) ** 2)

    norms = gradient_flow(OURS.cell, weights, batch.inputs, loss)
    np.testing.assert_allclose(flow.values["norm"][2], norms.mean(0), rtol=1e-4)
    low_H, _ = saturation(gate_values(OURS.cell, weights, batch.inputs)["z"])
    np.testing.assert_allclose(gates.values["z_below_0.1"][2], low_H.mean(), rtol=1e-3)


def test_what_is_measured_at_the_end_and_from_outside_is_the_same(plain, watched):
    before = contents(plain.folder)
    asked = {"flow": Asked.of("gradient_flow"), "gates": Asked.of("gates")}
    members = [record.member for record in plain.records]
    answers = measure_members(OURS, RunFolder(plain.folder), members, asked)
    for n in range(2):
        for when in ("initial", "trained"):
            known = measured(plain, "gradient_flow", n).at(when)["norm"]
            np.testing.assert_array_equal(answers["flow"][when]["norm"][n], known)
        for name, value in measured(watched, "gates", n).at("initial").items():
            np.testing.assert_allclose(answers["gates"]["initial"][name][n], value, rtol=1e-4, atol=1e-6)
    fresh = measure_members(OURS, None, members, {"flow": Asked.of("gradient_flow")})["flow"]["initial"]["norm"]
    np.testing.assert_allclose(fresh, answers["flow"]["initial"]["norm"], rtol=1e-5)
    after = contents(plain.folder)
    assert set(after) - set(before) == {name for name in after if name.endswith("gates.jsonl")}
    assert before.items() <= after.items()
    again = measure_members(OURS, RunFolder(plain.folder), members, asked)
    assert contents(plain.folder) == after
    jax.tree.map(np.testing.assert_array_equal, again, answers)


def test_diagnostics_asked_of_a_finished_run_are_measured_or_said(tmp_path, capsys):
    first = run(OURS, tmp_path)
    capsys.readouterr()
    assert run(OURS, tmp_path, [BOTH]).trained == ()
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1].split()[0] for line in said] == ["gradient_flow", "gates"]
    assert all("was not measured while 2 members trained; it is now" in line and "force=true" in line for line in said)
    assert measured(first, "gates").when == ["initial", "trained"]
    (gone,) = RunFolder(first.folder).member(first.records[0].member).path.glob("measurements/gradient_flow.jsonl")
    content = gone.read_text()
    gone.unlink()
    assert run(OURS, tmp_path).trained == ()
    texts = gone.read_text(), content
    ours, theirs = ([json.loads(line)["values"]["norm"] for line in text.splitlines()] for text in texts)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_measurements_of_a_killed_run_go_on(watched, tmp_path):
    with pytest.raises(Killed):
        run(OURS, tmp_path, [BOTH, Checkpoint(seconds=0), stopper(25, "evaluated", Killed, 2)])
    assert contents(run(OURS, tmp_path, [BOTH]).folder) == contents(watched.folder)


def test_a_given_callback_takes_the_place_of_the_standard_one(plain, tmp_path):
    """`callbacks=[metrics]` writes no line twice."""
    result = run(OURS, tmp_path, [Metrics(), Checkpoint(seconds=0)])
    names = [name for name in contents(plain.folder) if "measurements/gates" not in name]
    assert {name: contents(result.folder).get(name) for name in names} == {n: contents(plain.folder)[n] for n in names}
    with pytest.raises(UserError, match="callbacks has 'metrics' twice: give it once"):
        run(OURS, tmp_path, [Metrics(), Metrics()])


def test_callbacks_act_in_the_order_of_their_places_and_are_closed_whatever_ends_the_run(tmp_path):
    order = []

    def noting(at):
        class Notes(Listener):
            def restore(self):
                order.append(f"restore {at}")

            def close(self, error):
                order.append(f"close {at} {error!r}")

        @dataclasses.dataclass(frozen=True)
        class Noting(Callback):
            place = at

            def listen(self, work):
                return Notes(work)

        return Noting()

    with pytest.raises(RuntimeError):
        run(experiment(), tmp_path, [noting(7), noting(3), stopper(50, "begin", RuntimeError("over"))])
    assert order == ["restore 3", "restore 7", "close 7 RuntimeError('over')", "close 3 RuntimeError('over')"]
    assert {name for name in callbacks.names() if callbacks.get(name).standard} == {
        "checkpoint",
        "gradient_flow",
        "metrics",
        "progress",
        "record",
        "status",
    }


def test_a_diagnostic_that_does_not_fit_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(UserError, match="cell 'rnn' declares no gate"):
        run(experiment(), tmp_path, [Diagnostics(names=("gates",))])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def logged(monkeypatch):
    """What is given to W&B."""
    import wandb

    calls, begin = [], wandb.init

    def init(**options):
        begun = begin(**options)
        log = begun.log
        monkeypatch.setattr(begun, "log", lambda values, **at: calls.append((options, values)) or log(values, **at))
        return begun

    monkeypatch.setattr(wandb, "init", init)
    return calls


@pytest.mark.slow
def test_a_refused_port_stops_no_training_and_changes_no_number(tmp_path, monkeypatch, capsys, logged):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setattr("gru_lab.training.callbacks.wandb.PATIENCE", 1.0)
    started = time.perf_counter()
    online = run(experiment(), tmp_path / "online", [Wandb(mode="online")])
    assert time.perf_counter() - started < 60
    assert "W&B does not answer (" in capsys.readouterr().err
    plain = run(experiment(), tmp_path / "plain", [Wandb(mode="disabled")])
    assert not (plain.folder / "wandb").exists() and list(online.folder.glob("wandb/offline-run-*"))
    for ours, theirs in zip(online.groups[0].members, plain.groups[0].members, strict=True):
        assert numbers(ours) == numbers(theirs)
    assert {options["group"] for options, _ in logged} == {"online"}
    (table,) = [values["members"] for _, values in logged if "members" in values]
    assert {"member", "seed", "optimizer.learning_rate", "status"} <= {*table.columns}
    assert table.get_column("test loss") == online.groups[0].values()
    assert [values["learning curves"].width > 100 for _, values in logged if "learning curves" in values] == [True]


def test_weights_and_biases_offline_is_no_run_of_ours(tmp_path):
    result = run(experiment(), tmp_path, [Wandb()])
    assert list(result.folder.glob("wandb/offline-run-*/run-*.wandb")), "W&B wrote nothing"
    online = result.folder / "wandb" / "run-1" / "files"  # what it writes there when it is online
    online.mkdir(parents=True)
    (online / "config.yaml").write_text("wandb_version: 1\n")
    found = find_records([tmp_path])
    assert found.broken == () and [len(group.members) for group in found.groups] == [2]
