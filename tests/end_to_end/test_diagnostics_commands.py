"""experiments/gradients.py, memory.py and prediction.py, from the shell to the page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = ["training.updates=20", "training.evaluate_every=10", "training.batch=4", "training.validation=16"]
TINY += ["training.test=16", "population.seeds=2", "cell.hidden=4"]


def command(program, *arguments, folder):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    line = [sys.executable, str(ROOT / "experiments" / program), *arguments]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_gradients_train_what_is_missing_ask_and_show_a_film(tmp_path):
    line = ["-m", "cell=rnn,gru_chrono", "task.length=10", "questions=[gradient_flow,gates]", "animate=true", *TINY]
    done = command("gradients.py", *line, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "gradients"
    page = (out / "README.md").read_text()
    assert "python experiments/gradients.py -m cell=rnn,gru_chrono" in page
    for words in ("gate_init=chrono, t_max=10.0", "| rnn | - | - |", "0 of 2", "nats per step"):
        assert words in page, words
    names = {path.name for path in out.iterdir()}
    assert {"film_adding.gif", "gates_adding.pdf", "gradient_flow_adding.png", "numbers.csv"} <= names
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    again = command("gradients.py", *line, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    told = command("prediction.py", "runs", "--out", "prediction", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    table = (tmp_path / "prediction" / "README.md").read_text()
    assert "| horizon at initialisation | adding |" in table and "| 2 | 4 | 0 |" in table

    for log in tmp_path.glob("runs/default/rnn-*/members/*/measurements/gradient_flow.jsonl"):
        lines = log.read_text().splitlines(keepends=True)  # as if trained without animate=true
        log.write_text("".join(line for line in lines if json.loads(line)["when"] != "live"))
    refused = command("gradients.py", *line, folder=tmp_path)
    assert refused.returncode == 2 and "choose another sweep=" in refused.stderr and not refused.stdout


def test_fresh_cells_are_asked_without_any_run(tmp_path):
    done = command(
        "gradients.py", "cell=lstm", "fresh=true", "questions=[gates]", "task.length=8", *TINY, folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "runs").exists()
    assert "after training |" in (tmp_path / "gradients" / "README.md").read_text()


@pytest.mark.slow
def test_memory_climbs_until_a_rung_breaks(tmp_path):
    line = ["-m", "cell=gru,rnn", "task=copy", "lengths=[4,6]", "task.items=2", "task.alphabet=2", *TINY]
    done = command("memory.py", *line, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("length 4: ") == 2 and "length 6: " not in done.stdout, "20 updates solve nothing"
    page = (tmp_path / "memory" / "README.md").read_text()
    assert "| copy | gru |" in page and "under 4" in page
    assert len((tmp_path / "memory" / "ladder.csv").read_text().splitlines()) == 1 + 2 * 2
    assert (tmp_path / "memory" / "ladder_copy.png").exists()


WRONG = [
    ("gradients.py", ["questions=[gate]"], "Did you mean 'gates'?"),
    ("gradients.py", ["questions=gates"], "questions is 'gates': it must be a list whose every item is a name"),
    ("gradients.py", ["animate=true", "fresh=true"], "animate is True: a film shows training"),
    ("gradients.py", ["cell=gruu"], "Did you mean 'gru'?"),
    ("memory.py", ["lengths=[20,10]"], "it must name lengths from the shortest to the longest"),
    ("memory.py", ["task.length=10"], "write lengths=[10,20,40] instead"),
    ("memory.py", ["task=digits"], "task 'digits' has no length"),
    ("prediction.py", ["nowhere"], "nowhere is not a folder"),
]


@pytest.mark.parametrize(
    ("program", "arguments", "sentence"),
    [pytest.param(*case, marks=[pytest.mark.slow] * (n % 3 > 0)) for n, case in enumerate(WRONG)],
)
def test_mistakes_cost_one_sentence(program, arguments, sentence, tmp_path):
    done = command(program, *arguments, folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1 and sentence in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []
