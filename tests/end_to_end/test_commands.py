"""The real commands, from the shell to the table."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gru_lab import Experiment, cells, run, tasks
from gru_lab.runs import Record
from gru_lab.runs.folder import read_metrics
from gru_lab.training import Population, Training, optimizers

ROOT = Path(__file__).parents[2]
TINY = ["training.updates=20", "training.evaluate_every=10", "training.batch=4", "training.validation=16"]
TINY += ["training.test=16", "population.seeds=2", "cell.hidden=4", "task.length=10"]

CELL = '''
from dataclasses import dataclass
import jax.numpy as jnp
from gru_lab.cells import Cell

@dataclass(frozen=True)
class Leaky(Cell):
    """h' = (1 - a) h + a tanh(x W + h U)"""
    rate: float = 0.5

    def init(self, key, inputs):
        return {"W": jnp.ones((inputs, self.hidden)) / 9, "U": jnp.eye(self.hidden)}

    def step(self, params, h, x):
        return (1 - self.rate) * h + self.rate * jnp.tanh(x @ params["W"] + h @ params["U"])
'''


def command(*arguments, folder, script="experiments/train.py"):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )


def numbers(record):
    """What a record holds, without what the clock and the machine decide."""
    members = [dataclasses.replace(member, seconds_per_update=None) for member in record.members]
    return dataclasses.replace(record, members=tuple(members), compile_seconds=None, device="", folder=None)


def test_a_sweep_ends_in_a_table_and_is_not_trained_again(tmp_path):
    (tmp_path / "my_module.py").write_text(CELL)
    sweep = ["-m", "cell=rnn,gru,my_module:Leaky", "task=adding,copy", "sweep=tiny", *TINY]
    done = command(*sweep, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6 and done.stderr == ""
    records = sorted((tmp_path / "runs" / "tiny").glob("*/record.json"))
    assert len(records) == 6
    written = [(path.stat().st_mtime_ns, path.read_text()) for path in records]

    again = command(*sweep, folder=tmp_path)
    assert again.stdout == done.stdout
    assert written == [(path.stat().st_mtime_ns, path.read_text()) for path in records]

    table = command("runs/tiny", folder=tmp_path, script="scripts/table.py")
    assert table.returncode == 0, table.stderr
    report = tmp_path / "runs" / "tiny" / "report"
    text = (report / "table.md").read_text()
    for word in ("rnn", "gru", "Leaky", "adding", "copy", "0/2"):
        assert word in text, f"{word} is not in the table:\n{text}"
    assert {path.suffix for path in report.iterdir()} == {".md", ".csv", ".tex", ".png", ".pdf"}


def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path):
    arguments = ["cell=gru", *TINY, "training.updates=2000", "training.evaluate_every=20", "task.length=20"]
    arguments += ["training.stop_when_solved=false"]
    straight = command(*arguments, "sweep=straight", folder=tmp_path)
    assert straight.returncode == 0, straight.stderr
    killed = subprocess.Popen(
        [sys.executable, str(ROOT / "experiments" / "train.py"), *arguments, "sweep=killed"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.time() + 120
    while not (found := list((tmp_path / "runs" / "killed").glob("*/checkpoint.safetensors"))):
        assert killed.poll() is None and time.time() < deadline, "the run ended before it could be killed"
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    folder = found[0].parent
    assert not (folder / "record.json").exists(), "the run ended before it could be killed"
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"update": 99')  # as if it had been killed in the middle of a line

    resumed = command(*arguments, "sweep=killed", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    one, other = (next((tmp_path / "runs" / sweep).glob("*/record.json")) for sweep in ("straight", "killed"))
    assert numbers(Record.load(one)) == numbers(Record.load(other))
    for name in ("metrics.jsonl", "gradient_flow.json", "config.yaml"):
        assert (one.parent / name).read_text() == (other.parent / name).read_text(), name
    assert len(read_metrics(one.parent / "metrics.jsonl")[0]) == 100


def test_plain_python_equals_the_command_line(tmp_path):
    done = command("cell=lstm", "task=temporal_order", "optimizer=rmsprop", *TINY, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    training = Training(updates=20, evaluate_every=10, batch=4, validation=16, test=16)
    experiment = Experiment(
        cells.create("lstm", hidden=4),
        tasks.create("temporal_order", length=10),
        optimizer=optimizers.create("rmsprop"),
        training=training,
        population=Population(seeds=2),
    )
    ours = run(experiment, tmp_path / "python")
    theirs = Record.load(tmp_path / "runs" / "default" / experiment.name / "record.json")
    assert numbers(ours) == numbers(theirs)


def test_the_record_holds_what_it_promises(tmp_path):
    done = command("debug=quick", "cell=gru", "cell.hidden=4", "task.length=10", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads(next((tmp_path / "runs" / "debug").glob("*/record.json")).read_text())
    assert {"schema", "cell", "task", "config_hash", "parameters", "hidden", "status", "versions", "device"} <= set(
        record
    )
    assert {"python", "jax", "flax"} <= set(record["versions"])
    for member in record["members"]:
        assert {"seed", "solved_at", "seconds_per_update"} <= set(member)
        assert set(member["metrics"]) == {"validation", "test"} and member["seconds_per_update"] > 0


def test_weights_and_biases_offline(tmp_path):
    done = command("logger=wandb", *TINY, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "default").glob("gru-adding-*")
    assert list((folder / "wandb").glob("offline-run-*/run-*.wandb")), "W&B wrote nothing"


def test_a_broken_run_is_named_and_left_out_of_the_table(tmp_path):
    assert command("-m", "cell=rnn,gru,lstm", *TINY, folder=tmp_path).returncode == 0
    rnn, gru = (next((tmp_path / "runs" / "default").glob(f"{cell}-*")) for cell in ("rnn", "gru"))
    metrics = rnn / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-10])
    (gru / "record.json").unlink()
    table = command("runs/default", folder=tmp_path, script="scripts/table.py")
    assert table.returncode == 2 and "Traceback" not in table.stderr
    assert f"{rnn.name}/metrics.jsonl is truncated" in table.stderr.replace("\n", " ")
    assert f"{gru.name} holds no record.json" in table.stderr.replace("\n", " ")
    assert "lstm" in (tmp_path / "runs" / "default" / "report" / "table.md").read_text()


def test_compare_ends_in_a_report_and_trains_nothing_twice(tmp_path):
    options = ["--cells", "gru", "--tasks", "adding", "--seeds", "1"]
    done = command(*options, folder=tmp_path, script="scripts/compare.py")
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "runs" / "compare").glob("*/record.json")
    assert Record.load(record).solved == 1
    assert (tmp_path / "runs" / "compare" / "report" / "gradient_flow_adding.png").exists()
    written = record.stat().st_mtime_ns
    assert command(*options, folder=tmp_path, script="scripts/compare.py").returncode == 0
    assert record.stat().st_mtime_ns == written
    wrong = command("--cells", "gruu", folder=tmp_path, script="scripts/compare.py")
    assert wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1 and "Did you mean 'gru'?" in wrong.stderr


def test_help_lists_groups_and_examples_and_is_quick(tmp_path):
    started = time.perf_counter()
    done = command("--help", folder=tmp_path)
    seconds = time.perf_counter() - started
    assert done.returncode == 0 and seconds < 10
    for word in ("cell", "task", "optimizer", "population.seeds=10", "cell=my_module:MyCell", "compare/adding"):
        assert word in done.stdout
    for name in (*cells.names(), *tasks.names()):
        assert re.search(rf"\b{name}\b", done.stdout), name


@pytest.mark.slow
def test_joblib_runs_the_jobs_of_a_sweep_in_processes(tmp_path):
    done = command("-m", "cell=rnn,gru", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *TINY, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "runs" / "default").glob("*/record.json"))) == 2
