"""Iterations of Newton's method: fresh cells and cells that learn, through the command line."""

import csv
import os
import subprocess
import sys

import pytest
from tiny import ROOT


def program(folder, name, *arguments):
    line = [sys.executable, str(ROOT / "experiments" / name), *map(str, arguments)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, env=os.environ, check=False)


def table(path):
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


@pytest.mark.slow
def test_iterations_follow_the_exponent_within_a_cell(tmp_path):
    done = program(tmp_path, "newton.py", "--cells", "rnn", "mingru", "--scales", 0.5, 4, "--length", 60)
    assert done.returncode == 0, done.stderr
    rows = {(row["cell"], float(row["scale"])): row for row in table(tmp_path / "newton" / "newton.csv")}
    calm, chaotic = rows["rnn", 0.5], rows["rnn", 4.0]
    assert float(calm["exponent"]) < -0.5 and float(calm["iterations"]) < 10 and float(calm["horizon"]) < 60
    assert float(chaotic["exponent"]) > float(calm["exponent"])
    assert float(chaotic["iterations"]) > 3 * float(calm["iterations"])
    affine = rows["mingru", 0.5]
    assert (affine["structure"], affine["affine"], float(affine["iterations"])) == ("number", "True", 2)
    assert (tmp_path / "newton" / "newton.png").read_bytes().startswith(b"\x89PNG")
    refused = program(tmp_path, "newton.py", "--cells", "gruu")
    assert refused.returncode == 2 and "Did you mean 'gru'?" in refused.stderr


@pytest.mark.slow
def test_iterations_are_told_while_members_train(tmp_path):
    tiny = ["training.updates=20", "training.evaluate_every=10", "training.batch=4", "training.validation=16"]
    tiny += ["training.test=16", "population.seeds=2", "cell.hidden=4", "task=adding", "task.length=12"]
    measured = "callbacks.diagnostics.names=[newton,lyapunov]"
    assert program(tmp_path, "train.py", "cell=gru", *tiny, measured).returncode == 0
    done = program(tmp_path, "newton.py", "--cells", "rnn", "--scales", 1, "--length", 20, "--trained", "runs")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "newton" / "training.csv")
    assert [(row["seed"], row["update"]) for row in rows] == [(s, u) for u in ("0", "10", "20") for s in ("0", "1")]
    assert all(1 < float(row["iterations"]) < 12 and float(row["exponent"]) < 0 for row in rows)
    assert program(tmp_path, "train.py", "cell=rnn", *tiny).returncode == 0
    refused = program(tmp_path, "newton.py", "--cells", "rnn", "--scales", 1, "--length", 20, "--trained", "runs")
    assert refused.returncode == 2 and "was trained without callbacks.diagnostics" in refused.stderr
