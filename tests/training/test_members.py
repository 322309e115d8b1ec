"""Members: what is trained, stored, resumed and counted; records of others never change."""

import dataclasses
import re
import shutil
import signal
import time

import jax
import numpy as np
import pytest
from tiny import Killed, adam, command, contents, experiment, numbers, python, run, stopper, trained

from gru_lab import Experiment, UserError, tasks
from gru_lab.data import Sampled
from gru_lab.runs import Record, RunFolder, find_records
from gru_lab.training import population, work
from gru_lab.training.callbacks import Callback, Listener
from gru_lab.training.callbacks.checkpoint import Checkpoint

RATE = "optimizer.learning_rate"


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Two seeds that were trained in one go."""
    return run(experiment(), tmp_path_factory.mktemp("straight"))


@pytest.fixture
def finished(straight, tmp_path):
    """A copy of them, to be changed: the folder of the run."""
    return shutil.copytree(straight.folder, tmp_path / straight.folder.name)


def members(folder):
    return {path.name: contents(path) for path in sorted((folder / "members").iterdir())}


def written(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_more_seeds_and_another_rate_train_those_alone_and_touch_no_byte_of_the_others(finished, tmp_path):
    before = written(finished)
    more = run(experiment(seeds=4), tmp_path)
    assert [member.seed for member in more.trained] == [2, 3] and len(more.records) == 4
    axes = run(experiment(seeds=2, axes={RATE: [1e-3, 1e-2]}), tmp_path)
    assert [(m.seed, m.hyper[RATE]) for m in axes.trained] == [(0, 1e-2), (1, 1e-2)]
    assert [record.updates for record in axes.records] == [4] * 4 and len(axes.groups) == 2
    assert trained(run(experiment(seeds=2, optimizer=adam(learning_rate=0.01)), tmp_path)) == []
    assert trained(run(experiment(seeds=1, first_seed=3, axes={RATE: [1e-3]}), tmp_path)) == []
    assert before.items() <= written(finished).items()
    assert {len(group.members) for group in find_records([tmp_path]).groups} == {4, 2}


def test_the_record_of_another_member_is_not_taken_for_one_that_is_missing(finished, tmp_path):
    first, later = (RunFolder(finished).member(member) for member in experiment(seeds=3).members()[::2])
    shutil.copytree(first.path, later.path)
    said = []
    more = run(experiment(seeds=3), tmp_path, say=said.append)
    assert trained(more) == [later.path.name] and [record.member.seed for record in more.records] == [0, 1, 2]
    assert len(said) == 1 and "holds the record of another member" in said[0]


def test_a_field_and_an_axis_name_the_same_member():
    by_field, by_axis = (
        experiment(optimizer=adam(learning_rate=1e-2)),
        experiment(axes={"optimizer": {"learning_rate": 0.01}}),
    )
    assert [m.name for m in by_field.members()] == [m.name for m in by_axis.members()]
    assert by_field.identity == by_axis.identity and by_field.name == by_axis.name
    assert [m.name for m in by_field.members()] != [m.name for m in experiment().members()]


def test_a_member_is_the_same_whoever_trains_beside_it(straight, tmp_path):
    others = run(experiment(seeds=2, first_seed=1), tmp_path)
    name = others.records[0].member.name
    assert members(others.folder)[name] == members(straight.folder)[name]


def test_a_kept_run_says_so_and_force_moves_it_aside(tmp_path, capsys):
    line = [f"paths.runs={tmp_path}"]
    assert command(*line) == 0 and " kept, " not in capsys.readouterr().out
    (folder,) = (tmp_path / "default").glob("rnn-*")
    before = written(folder)
    assert command(*line, "population.seeds=3") == 0
    said = capsys.readouterr().out
    assert re.search(r"of 3 solved, .*, 2 kept, trained on 20\d\d-\d\d-\d\d; ", said), said
    assert before.items() <= written(folder).items()
    assert command(*line, "force=true") == 0
    said = capsys.readouterr().out
    assert " kept, " not in said and said.count("the old results are in ") == 2
    for path, (_, content) in before.items():
        aside = path.parents[-1]
        if "members" in path.parts:
            at = path.parts.index("members") + 1
            aside = type(path)(*path.parts[:at], f"old-1-{path.parts[at]}", *path.parts[at + 1 :])
            assert aside.read_bytes() == content
    groups = find_records([tmp_path])
    assert [len(group.members) for group in groups.groups] == [3] and groups.broken == ()


class NoTest(Sampled):
    """A source whose test set nobody may ask for."""

    def holdout(self, split, size):
        assert split != "test", "the test set was drawn"
        return super().holdout(split, size)


@dataclasses.dataclass(frozen=True)
class Secret(type(tasks.create("adding"))):
    """Adding without a test set."""

    def source(self):
        return NoTest(self.sample)


def test_members_of_role_tune_never_see_the_test_set(tmp_path):
    ours = experiment(task=Secret(length=4), role="tune")
    result = run(ours, tmp_path)
    assert [set(record.metrics) for record in result.records] == [{"validation"}] * 2
    assert result.values("test") == [] and len(result.values("validation")) == 2
    assert find_records([tmp_path]).groups == () and len(find_records([tmp_path], "tune").groups) == 1
    assert run(ours, tmp_path).trained == ()
    with pytest.raises(AssertionError, match="the test set was drawn"):
        run(experiment(task=Secret(length=4)), tmp_path)


@pytest.mark.parametrize(
    ("place", "moment", "count", "error"),
    [
        (0, "begin", 1, Killed),
        (5, "evaluated", 1, Killed),  # trained, and nothing of it is written
        pytest.param(15, "evaluated", 1, Killed, marks=pytest.mark.slow),  # metrics are written, and no checkpoint
        (15, "evaluated", 2, Killed),  # more of them than the checkpoint knows
        (15, "evaluated", 2, KeyboardInterrupt),
        (15, "evaluated", 2, RuntimeError),
        pytest.param(65, "evaluated", 1, Killed, marks=pytest.mark.slow),
        (65, "evaluated", 2, Killed),
        (35, "finish", 1, Killed),  # the gradient flow is written, and no checkpoint
        (65, "finish", 1, Killed),
    ],
)
def test_wherever_a_run_is_stopped_it_goes_on_to_the_same_bytes(place, moment, count, error, straight, tmp_path):
    with pytest.raises(error):
        run(experiment(), tmp_path, [Checkpoint(seconds=0), stopper(place, moment, error, count)])
    folder = tmp_path / straight.folder.name
    assert (folder / "failure.txt").exists() == (error is RuntimeError)
    assert not list(folder.rglob("record.json")) and not list(folder.rglob("*.lock"))
    for path in folder.rglob("metrics.jsonl"):
        with path.open("a") as file:
            file.write('{"update": 99')  # as if it had been killed in the middle of a line
    assert len(run(experiment(), tmp_path).trained) == 2
    assert contents(folder) == contents(straight.folder)


def test_a_run_that_is_killed_between_two_records_loses_neither(straight, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        saved, save = [], Record.save
        broken.setattr(
            Record, "save", lambda self, path: saved.append(path) or (save(self, path) if len(saved) < 2 else 1 / 0)
        )
        with pytest.raises(ZeroDivisionError):
            run(experiment(), tmp_path)
    found = find_records([tmp_path])
    assert [len(group.members) for group in found.groups] == [1]
    assert len(found.broken) == 2, "the failed run and the member without a record are both named"
    assert "ZeroDivisionError" in found.broken[0] and "did not finish" in found.broken[1]
    before = written(saved[0].parent)
    assert [member.seed for member in run(experiment(), tmp_path).trained] == [1]
    assert before.items() <= written(saved[0].parent).items()
    assert contents(tmp_path / straight.folder.name) == contents(straight.folder)


def test_ctrl_c_loses_no_update(tmp_path):
    seen = []
    with pytest.raises(KeyboardInterrupt):
        run(experiment(), tmp_path, [stopper(65, "evaluated", KeyboardInterrupt)])  # the last checkpoint is too young

    @dataclasses.dataclass(frozen=True)
    class Watch(Callback):
        def listen(self, work):
            listener = Listener(work)
            listener.begin = lambda: seen.append(work.state.update.tolist())
            return listener

    run(experiment(), tmp_path, [Watch()])
    assert seen == [[2, 2]]


SLOW = [
    "training.updates=100000",
    "training.evaluate_every=10",
    "training.stop_when_solved=false",
    "callbacks={checkpoint:{seconds:0}}",
]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_stopped_leaves_what_another_one_goes_on_from(how, tmp_path, capsys):
    if how == signal.SIGINT and signal.getsignal(how) == signal.SIG_IGN:
        pytest.skip("the tests were started to outlive SIGINT, and so are the programs that they start")
    source = f"import sys; from tiny import command; sys.exit(command(*{SLOW!r}, 'paths.runs={tmp_path}'))"
    process = python(source, folder=tmp_path)
    deadline = time.monotonic() + 120
    while len(found := list(tmp_path.rglob("checkpoint.safetensors"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(how)
    out, errors = process.communicate()
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert out == "" and errors == ("interrupted: the same command goes on from here\n" if how == signal.SIGINT else "")
    folder = RunFolder(found[0].parents[2])
    assert (folder.path / "claim.lock").exists() == (how == signal.SIGKILL)
    steps = []
    with pytest.raises(Killed):
        ours = Experiment.from_config(folder.config["config"], experiment().hyper)
        ours = dataclasses.replace(ours, population=experiment().population)
        stop = stopper(55, "evaluated", Killed)
        object.__setattr__(stop, "kept", steps.append)
        run(ours, tmp_path / "default", [stop])
    lines = [line["update"] for line in RunFolder(folder.path).member(ours.members()[0]).read_metrics()]
    assert lines == [*range(10, lines[-1] + 1, 10)] and len(lines) > 2


def test_all_members_compile_once_and_equal_those_trained_alone(tmp_path, monkeypatch):
    """Ten seeds times four rates are one program; counted where training steps are compiled."""
    compiled, built = [], population.lowered

    def counted(placement, function, members, data, *rest):
        compiled.append(jax.tree.leaves(members)[0].shape[0])
        return built(placement, function, members, data, *rest)

    monkeypatch.setattr(work, "lowered", counted)
    rates = [1e-4, 3e-4, 1e-3, 3e-3]
    ours = {"cell": "gru", "seeds": 10, "axes": {RATE: rates}}
    result = run(experiment(**ours), tmp_path / "map")
    assert compiled == [40] and len(result.records) == 40
    parallel = run(experiment(**ours, placement="vmap"), tmp_path / "vmap")
    assert compiled == [40, 40]
    for n, rate in ((3, 1e-4), (7, 3e-3)):
        alone = run(experiment("gru", first_seed=n, optimizer=adam(learning_rate=rate)), tmp_path / "alone")
        name = alone.records[0].member.name
        ours = RunFolder(result.folder).member(name).path
        assert contents(ours) == contents(RunFolder(alone.folder).member(name).path)
        (other,) = (record for record in parallel.records if record.member.name == name)
        np.testing.assert_allclose(other.value(), alone.values()[0], rtol=1e-4)
    tests = {record.value() for record in result.records}
    assert len(tests) == 40, "every member has a result of its own"


def test_devices_change_no_byte(straight, tmp_path):
    three = run(experiment(seeds=3, placement="devices"), tmp_path)
    for record in straight.records:
        ours, theirs = numbers(three.records[record.member.seed]), numbers(record)
        assert ours.pop("layout")["placement"] == "devices" and theirs.pop("layout")["placement"] == "map"
        assert ours == theirs


def test_another_layout_is_not_taken_where_a_member_goes_on(straight, tmp_path):
    with pytest.raises(Killed):
        run(experiment(), tmp_path, [Checkpoint(seconds=0), stopper(65, "evaluated", Killed)])
    run(experiment(placement="vmap", chunk=3), tmp_path)
    assert contents(tmp_path / straight.folder.name) == contents(straight.folder)


def test_seeds_are_bounded_where_random_keys_wrap():
    from gru_lab.runs.record import LAST_SEED
    from gru_lab.training import Population

    assert Population(seeds=1, first_seed=LAST_SEED).first_seed == LAST_SEED
    for wrong in (
        {"first_seed": LAST_SEED + 1},
        {"first_seed": 2**32},
        {"first_seed": LAST_SEED, "seeds": 2},
        {"first_seed": -1},
    ):
        with pytest.raises(UserError, match="population"):
            Population(**{"seeds": 1} | wrong)
