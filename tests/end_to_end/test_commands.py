"""The real commands, from the shell to the records."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
from tiny import CELL, ROOT, contents, experiment, numbers, run

from gru_lab import cells, programs, tasks
from gru_lab.composition import compose
from gru_lab.config import nodes
from gru_lab.manual import help_text, options
from gru_lab.programs.complete import candidates
from gru_lab.runs import Record, find_records
from gru_lab.training import optimizers

TINY = ["training.updates=4", "training.evaluate_every=2", "training.batch=4", "training.validation=8"]
TINY += ["training.test=8", "training.chunk=8", "population.seeds=2", "cell.hidden=3", "task.length=4"]
LONG = ["cell=gru", *TINY, "training.updates=3000", "training.evaluate_every=20", "training.stop_when_solved=false"]


def start(*arguments, folder, script="experiments/train.py"):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    line = [sys.executable, str(ROOT / script), *arguments]
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    )


def command(*arguments, folder):
    """Standard output of a command that succeeds and says nothing else."""
    process = start(*arguments, folder=folder)
    out, errors = process.communicate()
    assert process.returncode == 0 and errors == "", errors
    return out


def test_a_sweep_with_a_cell_from_elsewhere_ends_in_records_and_is_not_trained_again(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "my_cells.py").write_text(CELL)
    sweep = ["-m", "network=rnn,gru,theirs/my_cells.py:Minimal", "task=adding", "sweep=tiny", *TINY]
    lines = command(*sweep, folder=tmp_path).splitlines()
    assert [line.split(" on ")[0] for line in lines] == ["[1/3] rnn", "[2/3] gru", "[3/3] my_cells:Minimal"]
    records = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("record.json")}
    assert len(records) == 6
    again = command(*sweep, folder=tmp_path).splitlines()
    assert all(" 2 kept, trained on " in line for line in again)
    assert [re.sub(r", 2 kept, trained on [\d-]+", "", line) for line in again] == lines
    assert records == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("record.json")}


def test_a_killed_run_goes_on_to_the_same_bytes_and_two_at_once_do_the_work_once(tmp_path):
    command(*LONG, "sweep=straight", folder=tmp_path)
    killed = start(*LONG, "sweep=killed", "callbacks.checkpoint.seconds=0", folder=tmp_path)
    deadline = time.monotonic() + 120
    while len(found := list((tmp_path / "runs" / "killed").rglob("checkpoint.safetensors"))) < 2:
        assert killed.poll() is None and time.monotonic() < deadline, "the run ended before it could be killed"
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not list((tmp_path / "runs" / "killed").rglob("record.json")), "the run ended before it could be killed"
    with (found[0].parent / "metrics.jsonl").open("a") as file:
        file.write('{"update": 99')  # as if it had been killed in the middle of a line

    both = [start(*LONG, "sweep=killed", folder=tmp_path) for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0] and {errors for _, errors in said} == {""}
    kept = [" 2 kept, " in out for out, _ in said]
    assert sorted(kept) == [False, True], "one of them trained, and the other one found it done"
    waited = said[kept.index(True)][0]
    assert "waiting for process " in waited or waited.count("\n") == 1
    straight, other = (next((tmp_path / "runs" / sweep).glob("gru-*")) for sweep in ("straight", "killed"))
    assert contents(straight) == contents(other)


def test_plain_python_equals_the_command_line(tmp_path):
    command("cell=lstm", "task=temporal_order", "optimizer=rmsprop", *TINY, "task.length=10", folder=tmp_path)
    ours = experiment(
        cells.create("lstm", hidden=3),
        tasks.create("temporal_order", length=10),
        optimizer=optimizers.create("rmsprop"),
        placement="devices",
    )
    for record in run(ours, tmp_path / "python").records:
        theirs = tmp_path / "runs" / "default" / ours.name / "members" / record.member.name / "record.json"
        assert numbers(record) == numbers(Record.load(theirs))


def test_the_record_holds_what_it_promises(tmp_path):
    command("debug=quick", "cell=gru", "cell.hidden=4", "task.length=10", folder=tmp_path)
    found = find_records([tmp_path / "runs" / "debug"])
    (group,) = found.groups
    assert found.broken == () and len(group.members) == 2
    for record in group.members:
        assert {"python", "jax", "jaxlib", "flax", "optax", "gru-lab"} <= set(record.versions)
        assert record.device.startswith("cpu, ") and record.device.endswith(" in use")
        assert set(record.metrics) == {"validation", "test"} and record.seconds_per_update > 0
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT.*", record.timing["finished"])
        assert record.timing["compile_seconds"] > 0 and record.layout["chunk"] == 32
        assert record.parameters == sum(record.parameters_by_part.values())
        assert record.folder.parents[1].name == f"gru-adding-{record.identity}"


def test_help_lists_groups_and_examples_and_is_quick(tmp_path):
    started = time.perf_counter()
    said = command("--help", folder=tmp_path)
    assert time.perf_counter() - started < 10
    for word in (
        "cell",
        "task",
        "optimizer",
        "population.seeds=10",
        "cell=path/to/my_cells.py:MyCell",
        "compare/adding",
    ):
        assert word in said
    for name in (*cells.names(), *tasks.names()):
        assert re.search(rf"\b{name}\b", said), name


def test_options_are_read_from_the_files_as_the_registries_have_them():
    by_group = {}
    for group, option, *_ in nodes():
        by_group.setdefault(group, []).append(option)
    read = options()
    assert {group: read[group][: len(names)] for group, names in by_group.items()} == by_group
    assert {*read} - {*by_group} == {"debug", "experiment"} and "lstm_chrono" in read["cell"]


LIGHT = """
import atexit, sys
from gru_lab.__main__ import main
sys.argv = ["gru-lab", sys.argv[1], "--help"]
atexit.register(lambda: print(sorted({"jax", "hydra", "flax"} & {*sys.modules})))
main()
"""


def test_help_imports_nothing_that_takes_time(tmp_path):
    """Each under a second: neither JAX nor Hydra is waited for, but by the list of frameworks that convert can."""
    for name in programs.names():
        command = [sys.executable, "-c", LIGHT, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode == 0 and "usage" in done.stdout.lower()) or name == "complete", done.stderr
        assert done.stdout.splitlines()[-1] == ("['jax']" if name == "convert" else "[]"), name


def test_words_are_completed():
    assert candidates("gru-lab sw") == ["sweep"] and "cell=" in candidates("gru-lab train ")
    assert candidates("gru-lab train -m cell=gru task=adding,cop") == ["task=adding,copy"]
    assert candidates("gru-lab train network=transf") == ["network=transformer"] and candidates("gru-lab table x") == []


@pytest.mark.slow
def test_every_example_of_the_help_is_a_command_line(tmp_path):
    lines = [line.strip() for line in help_text("").partition("Examples")[2].splitlines() if "=" in line]
    assert len(lines) > 15
    for line in lines:
        example = re.split(r"\s{3,}", line)[0]
        if any(
            word in example for word in ("...", "hydra/launcher", "/data/runs", "experiment=zoo")
        ):  # zoo: its own test
            continue
        assert compose("train", [*shlex.split(example), f"paths.runs={tmp_path}"]), example


@pytest.mark.slow
def test_joblib_runs_the_jobs_of_a_sweep_in_processes(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "my_cells.py").write_text(CELL)
    line = ["-m", "cell=rnn,theirs/my_cells.py:Minimal", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *TINY]
    process = start(*line, folder=tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert len(find_records([tmp_path / "runs"]).groups) == 2
