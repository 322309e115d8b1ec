"""Sweeps: what is planned, shared, failed and left."""

import dataclasses
import errno
import json
import threading

import pytest
from test_claim import holder, stop
from tiny import contents, experiment, run, stopper

from gru_lab import UserError, tasks
from gru_lab.config import Job, Paths
from gru_lab.launchers import launch
from gru_lab.programs.sweep import main as status
from gru_lab.runs import RunFolder
from gru_lab.runs import claim as claims
from gru_lab.runs.files import DiskFull
from gru_lab.runs.sweep import Plan, Planned, keep_plan, plans, states
from gru_lab.training.callbacks import Callback, Listener

pytestmark = pytest.mark.xdist_group("sweep")  # one worker: what the tests share is made once


def sweep(folder, *callbacks):
    """Two jobs; the callbacks watch the first one."""
    paths = Paths(runs=str(folder))
    return [
        Job(experiment(), "s", paths, callbacks),
        Job(experiment(task=tasks.create("adding", length=5)), "s", paths),
    ]


def train(job):
    return run(job.experiment, job.folder, job.callbacks, wait=False)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The two jobs as nothing disturbs them."""
    folder = tmp_path_factory.mktemp("straight")
    launch(sweep(folder), train)
    return contents(folder / "s")


def words(folder):
    return [(state.word, state.done, state.members) for state in states(folder / "s")]


def test_a_failed_run_takes_no_other_down_and_stands_at_the_end_with_its_name(tmp_path, straight, capsys):
    jobs = sweep(tmp_path, stopper(65, "evaluated", RuntimeError("it\nbroke")))
    with pytest.raises(UserError) as raised:
        launch(jobs, train)
    name = jobs[0].experiment.name
    assert "1 of 2 runs failed; what has finished is kept" in str(raised.value)
    assert str(raised.value).endswith(f"\n  {name}: RuntimeError: it broke")
    assert capsys.readouterr().err == "rnn on adding failed: RuntimeError: it broke\n"
    failed, done = states(tmp_path / "s")
    assert (failed.word, failed.name, failed.failure) == ("failed", name, "RuntimeError: it broke")
    assert done.word == "done" and failed.seconds > 0, "the other run tells what an update takes"
    assert "Traceback" in (tmp_path / "s" / name / "failure.txt").read_text()
    assert status(["status", str(tmp_path / "s")]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{name}  0/2  failed: RuntimeError: it broke (") and said[1].endswith("  2/2  done")
    assert said[2].startswith("2 runs: 1 done, 1 failed; 2 of 4 members done; ") and said[2].endswith(" of work left")
    launch(sweep(tmp_path), train)
    assert words(tmp_path) == [("done", 2, 2), ("done", 2, 2)] and status(["status", str(tmp_path / "s")]) == 0
    assert contents(tmp_path / "s") == straight


def test_a_full_disk_ends_the_sweep_in_one_sentence_and_loses_nothing(tmp_path, straight):
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(DiskFull, match="is full: make room; nothing is lost, and the same command goes on from here"):
        launch(sweep(tmp_path, stopper(15, "evaluated", full, 2)), train)
    assert words(tmp_path) == [("to do", 0, 2), ("to do", 0, 2)], "the other job was not tried"
    launch(sweep(tmp_path), train)
    assert contents(tmp_path / "s") == straight


def test_a_run_that_another_process_works_on_is_come_back_to(tmp_path, straight, capsys):
    jobs, ended = sweep(tmp_path), []
    first = RunFolder.open(jobs[0].folder / jobs[0].experiment.name, jobs[0].experiment.card)
    other = holder(first.path / "claim.lock")
    try:
        (first.path / "progress.json").write_text('{"update": 2, "updates": 4, "seconds": 30}')

        def action(job):
            result = train(job)
            ended.append(job)
            if len(ended) == 1:
                assert [state.word for state in states(tmp_path / "s")] == ["running", "done"]
                assert states(tmp_path / "s")[0].seconds == 30
                threading.Timer(1.5, stop, [other]).start()
            return result

        runs = launch(jobs, action)
    finally:
        stop(other)
        other.stdout.close()
    assert ended == jobs[::-1] and [len(each.records) for each in runs] == [2, 2]
    assert capsys.readouterr().out.count(f"{first.path.name}: waiting for process {other.pid} on ") == 1
    assert contents(tmp_path / "s") == straight


def test_a_run_that_was_taken_over_is_left_to_the_other_process(tmp_path, straight, monkeypatch):
    monkeypatch.setattr(claims, "SILENCE", 0.5)
    theirs, lost = json.dumps({"host": "elsewhere", "machine": "elsewhere", "process": 7, "token": "theirs"}), []

    @dataclasses.dataclass(frozen=True)
    class Suspended(Callback):
        """The claim changes hands once the program is compiled."""

        def listen(self, work):
            listener = Listener(work)
            if not lost:
                listener.begin = lambda: (work.run.path / "claim.lock").write_text(theirs)
                listener.evaluated = lambda: pytest.fail("something may be written though the claim is lost")
            return listener

    def action(job):
        try:
            return train(job)
        except claims.Lost as error:
            lost.append(error)
            raise

    launch(sweep(tmp_path, Suspended()), action)
    assert [error.owner for error in lost] == ["process 7 on elsewhere"]
    assert contents(tmp_path / "s") == straight


def test_what_changed_since_the_sweep_began_is_told_and_nothing_is_lost(tmp_path):
    before = Plan("python train.py", "/home", {"gru-adding-aaaaaaaa": Planned("gru on adding", ("report-1-0",), 4)})
    now = Plan("python train.py", "/home", {"gru-adding-bbbbbbbb": Planned("gru on adding", ("report-1-0",), 4)})
    assert keep_plan(tmp_path, before) == [] == keep_plan(tmp_path, before)
    (said,) = keep_plan(tmp_path, now)
    assert said.startswith("gru-adding-aaaaaaaa was planned when this sweep began, and what its identity covers has")
    assert said.endswith("changed since: it is gru-adding-bbbbbbbb now; its results stay")
    assert plans(tmp_path) == [now] and len(list((tmp_path / ".plan").glob("old-1-*.json"))) == 1
    (tmp_path / ".plan" / now.name).write_text("{")
    with pytest.raises(UserError, match="holds no sweep: no command has begun in it"):
        states(tmp_path)
    assert keep_plan(tmp_path, now) == [] and plans(tmp_path) == [now]


def test_a_damaged_record_counts_as_left_to_do(tmp_path):
    launch(sweep(tmp_path)[:1], train)
    record = next(tmp_path.rglob("record.json"))
    record.write_text(record.read_text()[:-20])
    assert words(tmp_path) == [("to do", 1, 2)]
