"""What a new user stumbles over: signals, closed pipes, names that are nearly right."""

import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from tiny import CELL, ROOT, SIZES, contents, experiment, run, stopper

from gru_lab import commandline
from gru_lab.commandline import guarded, main
from gru_lab.errors import UserError, nearest
from gru_lab.exits import Stopped, leave
from gru_lab.programs import names
from gru_lab.programs.gradients import Study
from gru_lab.schema import build
from gru_lab.training.callbacks.checkpoint import Checkpoint

LONG = [*SIZES, "training.updates=100000", "training.evaluate_every=10", "training.stop_when_solved=false"]
LEFT = "from gru_lab.exits import leave\n"


def start(program, *arguments, folder=ROOT, **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, *program, *arguments], cwd=folder, env=environment, **streams)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda how: how.name)
def test_a_signal_saves_and_says_so_and_a_second_one_breaks_nothing(how, tmp_path):
    if signal.getsignal(how) == signal.SIG_IGN:
        pytest.skip(f"the tests were started to outlive {how.name}, and so are the programs that they start")
    process = start([str(ROOT / "experiments" / "train.py")], *LONG, f"paths.runs={tmp_path}")
    deadline = time.monotonic() + 120
    while len(found := list(tmp_path.rglob("checkpoint.safetensors"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    written = [path.stat().st_mtime_ns for path in found]
    time.sleep(0.3)  # the next checkpoint would be two seconds after the last one
    process.send_signal(how)
    first = process.stderr.readline() if how == signal.SIGINT else ""  # a second Ctrl-C before it ends all at once
    process.send_signal(how)
    out, errors = process.communicate(timeout=60)
    words = "interrupted" if how == signal.SIGINT else f"ended by {how.name}"
    assert process.returncode == 128 + how
    said = set((first + errors).splitlines()) - {"ended at once"}
    assert out == "" and said == {f"{words}: the same command goes on from here"}
    assert all(path.stat().st_mtime_ns > before for path, before in zip(found, written, strict=True))


@pytest.mark.parametrize("place", [5, *(pytest.param(place, marks=pytest.mark.slow) for place in (15, 55, 65))])
def test_an_interruption_between_a_state_and_its_log_is_resumed_to_the_same_bytes(place, tmp_path):
    straight = run(experiment(), tmp_path / "straight").folder
    with pytest.raises(Stopped):
        run(experiment(), tmp_path / "cut", [Checkpoint(seconds=60), stopper(place, "evaluated", Stopped(15), 2)])
    assert list(tmp_path.glob("cut/*/members/*/checkpoint.safetensors"))
    assert contents(run(experiment(), tmp_path / "cut").folder) == contents(straight)


def test_statuses_of_signals(capsys):
    for number, status in ((signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)):
        assert guarded(lambda number=number: (_ for _ in ()).throw(Stopped(number)).__next__()) == status
    assert capsys.readouterr().err.count("the same command goes on from here\n") == 3


@pytest.mark.parametrize(
    "source",
    [
        "print('x' * 100_000)",  # more than a buffer
        "print('x')",  # what is flushed at the end
        "import sys; print('x'); sys.exit(0)",  # as argparse leaves after --help
        "import rich; rich.print('x')",
        "import sys; print('x', file=sys.stderr, flush=True); print('x' * 100_000)",
    ],
)
def test_a_reader_that_has_gone_gives_no_traceback(source):
    read, write = os.pipe()
    os.close(read)
    process = start(["-c", f"{LEFT}leave(lambda: exec({source!r}))"], stdout=write)
    os.close(write)
    errors = process.communicate(timeout=60)[1]
    assert errors in ("", "x\n") and process.returncode in (1, 141)


def test_a_broken_pipe_that_is_not_the_readers_is_told():
    process = start(["-c", f"{LEFT}import os\ndef main(): raise BrokenPipeError('of a socket')\nleave(main)"])
    assert "of a socket" in process.communicate(timeout=60)[1] and process.returncode == 1


def test_every_program_that_prints_leaves_by_the_one_door():
    programs = [*ROOT.glob("experiments/*.py"), *ROOT.glob("scripts/*.py"), *ROOT.glob("gru_lab/*/__main__.py")]
    printing = [path for path in programs if "__main__" in (text := path.read_text()) and "print" in text]
    assert len(printing) > 5
    assert [path.name for path in printing if "    leave(" not in path.read_text()] == []
    shells = [path for path in programs if "gru_lab.programs import start" in path.read_text()]
    assert {re.search(r'    start\("(\w+)"\)', path.read_text())[1] for path in shells} | {
        "cells", "check", "complete", "tasks"
    } == {*names()}  # fmt: skip


HINTS = [
    ("seeds=3", "Did you mean 'population.seeds'?"),
    ("lr=0.1", "Did you mean 'optimizer.learning_rate'?"),
    ("optimizer.lr=0.1", "Did you mean 'learning_rate'?"),
    ("peephole=true", "Did you mean 'cell.peephole'?"),
    (
        "experiment=foo",
        "it must be compare/adding, compare/copy, ",
    ),
    ("experiment=compare/ading", "Did you mean 'compare/adding'?"),
    ("network=gru_cronno", "or path/to/file.py:Class for a class of the user's own. Did you mean 'gru_chrono'?"),
    ("cell=hints.py:Minimal cell.rte=1", "cell.rte is unknown: cell has hidden or rate. Did you mean 'rate'?"),
    (
        "network=hints.py:Minimal cell.rte=1",
        "cell.rte is unknown: cell has hidden or rate. Did you mean 'rate'?",
    ),
    (
        "network=hints.py:Minima",
        "network 'hints.py:Minima' is not in hints.py. Did you mean 'Minimal'?",
    ),
]


@pytest.fixture(scope="module")
def my_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "hints.py").write_text(CELL)
    return folder


@pytest.mark.parametrize(("line", "sentence"), HINTS, ids=[line for line, _ in HINTS])
def test_hints_look_one_level_down(line, sentence, my_folder, monkeypatch, capsys):
    monkeypatch.chdir(my_folder)
    assert main("train", lambda job: None, "", line.split()) == 2
    assert sentence in capsys.readouterr().err


def test_a_program_knows_its_own_settings():
    for line, near in (("animat=true", "animate"), ("seeds=3", "population.seeds"), ("task=ading", None)):
        if near is None:
            assert commandline.own_options(Study, [line]) == (build(Study, {}), [line])
            continue
        with pytest.raises(UserError, match=f"Did you mean '{near}'") as error:
            commandline.own_options(Study, [line])
        assert "this program has questions, fresh, animate" in str(error.value)


def test_the_nearest_name_is_the_whole_one_first():
    assert nearest("sel", ["cell", "training.seed"]) == " Did you mean 'cell'?"
    assert nearest("qqq", ["cell", "training.seed"]) == ""


def test_hydra_composes_each_job_once_and_nothing_is_swapped(monkeypatch):
    import hydra

    composed, arguments, seen = [], list(sys.argv), []
    compose = hydra.compose
    monkeypatch.setattr(hydra, "compose", lambda *given, **options: composed.append(1) or compose(*given, **options))
    line = ["-m", "cell=rnn,gru", "task=adding,copy"]
    assert main("train", lambda job: seen.append((job.place, list(sys.argv))), "", line) == 0
    assert len(composed) == 4 and seen == [(f"[{n}/4] ", arguments) for n in range(1, 5)]


def test_the_arguments_of_a_job_that_hydra_runs_are_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    identities = []
    for more in ([], ["hydra.job.name=mine"]):
        for line in (["cell=lstm", "task.length=7"], ["-m", "cell=rnn,lstm", "task.length=7"]):
            assert main("train", lambda job: identities.append(job.experiment.identity), "", [*line, *more]) == 0
    assert identities[:3] == identities[3:] and len(set(identities)) == 2


def test_leave_restores_nothing_that_the_parent_ignores(monkeypatch):
    set_to = {}
    monkeypatch.setattr(signal, "getsignal", lambda n: signal.SIG_IGN if n == signal.SIGHUP else signal.SIG_DFL)
    monkeypatch.setattr(signal, "signal", lambda number, handler: set_to.setdefault(number, handler))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(SystemExit) as left:
        leave(lambda: 3)
    assert left.value.code == 3 and set(set_to) == {signal.SIGINT, signal.SIGTERM}


def left(source, folder=ROOT, **options):
    """A program that leaves by the one door: its status and what it said on standard error."""
    process = start(["-c", LEFT + source], folder=folder, **options)
    errors = process.communicate(timeout=60)[1]
    return process.returncode, errors


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("source", ["print('x')", "print('x' * 100_000)", "print('x', flush=True)"])
def test_an_output_that_cannot_be_written_is_one_sentence(source):
    with open("/dev/full", "w") as full:
        assert left(f"leave(lambda: {source})", stdout=full) == (
            2,
            "error: the output cannot be written: No space left on device\n",
        )


def test_a_terminal_that_lacks_letters_gets_them_as_escapes(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    process = start(["-c", LEFT + r"leave(lambda: print('loss \u2193'))"])
    assert process.communicate(timeout=60) == ("loss \\u2193\n", "") and process.returncode == 0


def test_files_are_utf8_whatever_the_locale_says():
    """`read_text()` alone asks the locale, and then a name with an umlaut takes a report down."""
    sources = [*ROOT.glob("gru_lab/**/*.py"), *ROOT.glob("scripts/*.py")]
    assert [path.name for path in sources if ".read_text()" in path.read_text("utf-8")] == ["memory.py"]  # of digits


INTERRUPTED = """
import os, runpy, signal, sys
class Finder:
    def find_spec(self, name, *others):
        if name == "gru_lab.commandline":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = [{program!r}]
runpy.run_path({program!r}, run_name="__main__")
"""


@pytest.mark.parametrize("program", ["experiments/train.py", "experiments/gradients.py", "scripts/compare.py"])
def test_an_interruption_while_a_program_is_imported_is_one_word(program):
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        pytest.skip("the tests were started to outlive SIGINT, and so are the programs that they start")
    process = start(["-c", INTERRUPTED.format(program=str(ROOT / program))])
    assert process.communicate(timeout=60) == ("", "interrupted\n") and process.returncode == 130


def test_a_working_folder_that_is_gone_is_one_sentence(monkeypatch, capsys):
    def gone():
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)
    assert guarded(lambda: None) == 2
    assert capsys.readouterr().err == "error: the working folder is not there any more: change to one that is\n"
