"""What a person sees while a run trains: in a terminal, in a notebook, and nothing elsewhere."""

import io
import sys
import types

import numpy as np
import rich.console
from tiny import contents, experiment, run

from gru_lab.training.callbacks import progress
from gru_lab.training.callbacks.progress import Progress


def shown_in(monkeypatch, **options):
    """What a terminal is sent."""
    screen, make = io.StringIO(), rich.console.Console
    monkeypatch.setattr(rich.console, "Console", lambda **given: make(file=screen, width=100, **options))
    return screen


def watched(monkeypatch):
    """Every line that is shown, of a terminal or a notebook."""
    lines, show = [], progress.Terminal.show
    monkeypatch.setattr(progress.Terminal, "show", lambda self, n, said: lines.append((n, said)) or show(self, n, said))
    return lines


def test_a_terminal_shows_what_is_done_a_loss_and_the_time_left_before_the_first_evaluation(tmp_path, monkeypatch):
    screen, lines = shown_in(monkeypatch, force_terminal=True), watched(monkeypatch)
    silent = run(experiment(), tmp_path / "silent", [Progress()]).folder
    assert [n for n, _ in lines] == sorted(n for n, _ in lines)
    said = [words for _, words in lines]
    assert said[:2] == ["compiling the training step", "trying the first updates"]
    before = [words for n, words in lines if n == 0]
    assert (
        0 < float(before[2].removeprefix("loss ")) < 10
        and before[-1].endswith(" s left")
        and "0/2 solved" in before[-1]
    )
    assert said[-1] == "testing the best parameters" and lines[-1][0] == 4
    assert "rnn on adding" in screen.getvalue() and "nan" not in screen.getvalue()
    monkeypatch.undo()
    assert contents(run(experiment(), tmp_path / "plain").folder) == contents(silent), "looking changes no byte"


def test_nothing_is_shown_where_nobody_looks(tmp_path, monkeypatch, capfd):
    screen = shown_in(monkeypatch, force_terminal=False)
    run(experiment(), tmp_path)
    assert screen.getvalue() == "" and capfd.readouterr() == ("", "")


def test_the_place_in_a_sweep_is_shown(tmp_path, monkeypatch):
    from tiny import SIZES

    from gru_lab.commandline import main, train

    screen = shown_in(monkeypatch, force_terminal=True)
    line = ["-m", *SIZES, "cell=rnn", "optimizer.b1=0.8,0.9", "population.seeds=1", f"paths.runs={tmp_path}"]
    assert main("train", train, "", line) == 0
    assert all(f"[{n}/2] rnn on adding" in screen.getvalue() for n in (1, 2))


def test_a_notebook_shows_one_line_that_changes(tmp_path, monkeypatch):
    lines = []
    handle = types.SimpleNamespace(update=lambda data, raw: lines.append(data["text/plain"]))
    fake = types.SimpleNamespace(display=lambda data, raw, display_id: handle)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    shown_in(monkeypatch, force_jupyter=True)
    run(experiment(), tmp_path)
    assert all(line.startswith("rnn on adding ") for line in lines)
    assert "left" in next(line for line in lines if "solved" in line)
    assert "━" * 16 + " 4/4 testing" in lines[-1]


def test_a_member_that_diverged_leaves_the_loss_of_the_others(tmp_path, monkeypatch):
    shown_in(monkeypatch, force_terminal=True)
    lines = watched(monkeypatch)
    ours = experiment(axes={"optimizer.learning_rate": [1e-3, 1e30]}, seeds=1)
    run(ours, tmp_path)
    told = [words for n, words in lines if n and words.startswith("loss")]
    assert told and all("1 diverged" in words and np.isfinite(float(words.split(" ")[1].rstrip(","))) for words in told)
