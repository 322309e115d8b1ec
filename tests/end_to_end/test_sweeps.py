"""Sweeps where people run them: shared by processes that are killed, and sent to other processes and to SLURM."""

import csv
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hydra.core.config_store import ConfigStore
from test_commands import TINY, start
from tiny import CELL, ROOT, SIZES, command, contents

from gru_lab.commandline import main, train
from gru_lab.composition import compose
from gru_lab.launchers import Task
from gru_lab.runs import find_records
from gru_lab.runs.sweep import states
from gru_lab.training.callbacks.wandb import Wandb

SWEEP = ["-m", "cell=rnn,gru", *TINY, "task.length=4,5", "training.evaluate_every=20", "callbacks.checkpoint.seconds=0"]
SWEEP += ["training.stop_when_solved=false"]


def results(sweep):
    """Every file of every run, but for times and for what a killed process was just going to write."""
    return {
        f"{run.name}/{name}": content
        for run in sorted(sweep.glob("[!.]*-*"))
        for name, content in contents(run).items()
        if not Path(name).name.startswith(".")
    }


def table(sweep):
    """The numbers of the table of a sweep, but for times."""
    made = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "table.py"), str(sweep)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    with (sweep / "report" / "table.csv").open() as file:
        return [
            {name: value for name, value in row.items() if not name.startswith(("seconds", "time", "device"))}
            for row in csv.DictReader(file)
        ]


def holds(sweep, process):
    """The run whose claim a process holds; None if it holds none."""
    for path in sweep.glob("*/claim.lock"):
        try:
            if json.loads(path.read_text())["process"] == process.pid:
                return path.parent
        except (OSError, ValueError):
            continue
    return None


def wait_for(process, condition):
    """Wait until a condition gives something, or the process ends; what it gave."""
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if given := condition():
            return given
        time.sleep(0.01)
    return None


def written(run):
    return sum(path.stat().st_size for path in run.glob("members/*/metrics.jsonl"))


@pytest.mark.cluster
def test_a_shared_sweep_that_is_killed_20_times_ends_in_the_same_bytes(tmp_path, kills=20, updates=80_000):
    draw, made, moments = random.Random(os.environ.get("KILL_SEED", "0")), 0, []
    line = [*SWEEP, f"training.updates={updates}"]
    sweep = tmp_path / "runs" / "killed"
    workers = [start(*line, "sweep=killed", folder=tmp_path) for _ in range(2)]
    try:
        while made < kills:
            n = draw.randrange(2)
            victim, kind = workers[n], draw.choice(["anywhere", "claimed", "training"])
            if kind == "claimed":
                wait_for(victim, lambda victim=victim: holds(sweep, victim))
            elif kind == "training" and (run := wait_for(victim, lambda victim=victim: holds(sweep, victim))):
                before = written(run)
                wait_for(victim, lambda run=run, before=before: written(run) > before)
            time.sleep(draw.uniform(0, 4 if kind == "anywhere" else 0.5))
            assert victim.poll() is None, f"the sweep was over after {made} kills: {victim.communicate()}"
            at_work = holds(sweep, victim) is not None
            victim.send_signal(signal.SIGKILL)
            victim.communicate()
            made += 1
            moments.append((kind, at_work))
            workers[n] = start(*line, "sweep=killed", folder=tmp_path)
        said = [worker.communicate() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0] and [errors for _, errors in said] == ["", ""], said
    assert sum(at_work for _, at_work in moments) > kills // 4, moments

    alone = start(*line, "sweep=straight", folder=tmp_path)
    _, errors = alone.communicate()
    assert alone.returncode == 0 and errors == "", errors
    straight = tmp_path / "runs" / "straight"
    assert results(sweep) == results(straight) and len(list(sweep.rglob("record.json"))) == 8
    assert table(sweep) == table(straight)
    assert all(state.word == "done" for state in states(sweep))
    print(f"{made} kills, of them {sum(at_work for _, at_work in moments)} while the process held a run: {moments}")


def needs_submitit():
    """Skip a test where submitit is missing; importing it here would set up the logging of the process anew."""
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("submitit is not installed: pip install 'gru-lab[slurm]'")


@pytest.mark.cluster
def test_submitit_gives_the_bytes_of_this_process(folder, capsys):
    needs_submitit()
    (folder / "my_cells.py").write_text(CELL)
    line = [each for each in SIZES if each != "cell=rnn"] + ["-m", "network=rnn,my_cells.py:Minimal"]
    away = start(*line, "sweep=away", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5", folder=folder)
    out, errors = away.communicate()
    assert away.returncode == 0 and errors == "", errors
    runs = folder / "runs"
    submitted, *told = out.splitlines()
    assert submitted.startswith("submitted 2 jobs as ") and len(list((runs / "away" / ".plan").iterdir())) == 1
    assert all(state.word == "done" for state in states(runs / "away"))

    line[-1] = f"network=rnn,{folder}/my_cells.py:Minimal"
    assert main("train", train, "", [*line, "sweep=here", f"paths.runs={runs}"]) == 0
    said = capsys.readouterr().out.replace(f"{runs}/here", "runs/away").splitlines()
    assert sorted(told) == sorted(said) and len(said) == 2
    straight = results(runs / "here")
    assert straight == results(runs / "away") and sum(name.endswith("record.json") for name in straight) == 4


def test_a_launcher_without_its_plugin_or_its_scheduler_is_one_sentence(tmp_path, monkeypatch, capsys):
    line = ["hydra/launcher=submitit_slurm", f"paths.runs={tmp_path}"]
    assert command("hydra/launcher=jobib") == 2
    assert "Did you mean 'joblib'?" in capsys.readouterr().err
    with monkeypatch.context() as plain:
        plain.delitem(ConfigStore.instance().repo["hydra"]["launcher"], "submitit_slurm.yaml", raising=False)
        assert command(*line) == 2
    assert capsys.readouterr().err == (
        "error: hydra/launcher is 'submitit_slurm', whose plugin is not installed: pip install 'gru-lab[slurm]' "
        "brings it\n"
    )
    needs_submitit()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command(*line) == 2
    assert "'submitit_slurm', and this machine has no sbatch" in capsys.readouterr().err
    assert list(tmp_path.glob("*/[!.]*")) == []


def test_a_job_that_changed_on_its_way_is_told_and_not_trained(folder):
    file = folder / "my_cells.py"
    file.write_text(CELL)
    (job,) = compose("train", [*SIZES, f"cell={file}:Minimal", "cell.hidden=3", f"paths.runs={folder}"])
    task = Task.of(0, job, train)
    assert job.experiment.identity and task.files["my_cells"] == str(file.resolve())
    file.write_text(CELL.replace("self.rate * h", "h"))
    said, error = task.run()
    assert said == "" and error is not None and not list(folder.glob("default/*"))
    assert error.startswith(f"my_cells:Minimal on adding was {job.experiment.identity} and would now be ")
    assert error.endswith("because its sources changed since the sweep began: give the command again")


@pytest.mark.cluster
def test_a_worker_of_joblib_that_is_killed_takes_no_other_job_down(folder, capsys):
    deadly = CELL.replace("import jax.numpy as jnp", "import jax.numpy as jnp\nimport multiprocessing, os")
    deadly = deadly.replace(
        '        return {"W"',
        '        if multiprocessing.current_process().name != "MainProcess":\n'
        '            os.kill(os.getpid(), 9)\n        return {"W"',
    )
    (folder / "deadly.py").write_text(deadly)
    line = ["-m", f"network=rnn,gru,{folder}/deadly.py:Minimal", f"paths.runs={folder}", "hydra/launcher=joblib"]
    sizes = [each for each in SIZES if each != "cell=rnn"]
    assert main("train", train, "", [*sizes, *line, "hydra.launcher.n_jobs=2"]) == 2
    errors = capsys.readouterr().err
    assert "1 of 3 runs failed; what has finished is kept" in errors
    assert "deadly.Minimal-adding-" in errors.splitlines()[-1] and "its process was killed" in errors.splitlines()[-1]
    assert len(find_records([folder / "default"]).groups) == 2


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A SLURM of one machine."""
    needs_submitit()
    if os.geteuid() != 0:
        pytest.skip("to start a SLURM takes root")
    script, folder = ROOT / "tests" / "cluster" / "slurm.sh", tmp_path / "slurm"
    with (tmp_path / "slurm.log").open("w") as log:  # its servers keep what they are given open
        begun = subprocess.run([script, "start", folder], stdout=log, stderr=log, check=False)
    assert begun.returncode == 0, (tmp_path / "slurm.log").read_text()
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    yield
    subprocess.run([script, "stop", folder], check=True)


def asked(*line):
    """The output of a command of SLURM's."""
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


@pytest.mark.cluster
def test_a_real_slurm_submits_requeues_preempts_and_resumes(slurm, tmp_path):
    long = ["training.updates=100000", "training.evaluate_every=20", "training.stop_when_solved=false"]
    line = ["-m", "cell=rnn,gru", *TINY, *long]
    away = ["hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.partition=low"]
    waiting = start(*line, *away, "sweep=slurm", folder=tmp_path)
    sweep = tmp_path / "runs" / "slurm"
    try:
        assert wait_for(waiting, lambda: len(list(sweep.rglob("checkpoint.safetensors"))) == 4), waiting.communicate()
        first, second = asked("squeue", "--noheader", "--array", "--format=%i").split()
        asked("scontrol", "requeue", first)
        asked("sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 2")
        restarts = {}
        for job in (first, second):
            show = ("scontrol", "show", "job", job)
            assert wait_for(waiting, lambda show=show: "Restarts=1" in asked(*show)), asked(*show)
            restarts[job] = [part for part in asked(*show).split() if part.startswith("Restarts=")]
        assert not list(sweep.rglob("record.json")), "the jobs had ended before they were sent back"
        out, errors = waiting.communicate(timeout=1200)
    finally:
        waiting.kill()
    assert waiting.returncode == 0 and errors == "", errors
    assert out.count(" of 2 solved, ") == 2 and set(map(tuple, restarts.values())) == {("Restarts=1",)}
    alone = start(*line, "sweep=straight", folder=tmp_path)
    assert alone.communicate()[1] == "" and results(sweep) == results(tmp_path / "runs" / "straight")


def test_the_command_line_that_agents_of_wandb_make_is_a_run_of_ours():
    from wandb.sdk.launch.sweeps import utils

    plan = yaml.safe_load((ROOT / "experiments" / "wandb_sweep.yaml").read_text())
    given = {name: {"value": each.get("values", [each.get("min")])[0]} for name, each in plan["parameters"].items()}
    macros = utils.create_sweep_command_args({"args": given}) | {
        "env": ["/usr/bin/env"],
        "program": [plan["program"]],
    }
    line = []
    for word in plan["command"]:
        line += macros[word[2:-1]] if word.startswith("${") else [word]
    assert line[:3] == ["/usr/bin/env", "python", "experiments/train.py"] and (ROOT / line[2]).exists()
    (job,) = compose("train", line[3:])
    assert (job.experiment.network, job.sweep, job.experiment.population.role) == ("rnn", "wandb", "tune")
    assert job.experiment.hyper["optimizer.learning_rate"] == 1e-4 and job.callbacks == (Wandb(mode="online"),)
    kind, _, name = plan["metric"]["name"].partition("/")
    assert kind == "validation" and name == job.experiment.task.metric
