"""What a machine denies to the whole program: one sentence, and the same command ends with the same bytes."""

import os
import re
import resource
import subprocess
import sys

import pytest
from test_faults import LINE, results
from tiny import ROOT

pytestmark = pytest.mark.faults
PROGRAM = [sys.executable, str(ROOT / "experiments/train.py")]


def train(folder, stdout=subprocess.PIPE, **options):
    """The program on a sweep below a folder."""
    return subprocess.run(
        [*PROGRAM, *LINE, f"paths.runs={folder}"],
        stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=300, cwd=folder, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The results of the sweep where nothing is denied."""
    folder = tmp_path_factory.mktemp("straight")
    assert (ended := train(folder)).returncode == 0 and not ended.stderr, ended
    return results(folder)


@pytest.mark.parametrize("size", [0, 300, 1000, 2000, 3000])
def test_a_limit_on_the_size_of_files_is_told_and_nothing_is_lost(size, straight, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    first = train(tmp_path, preexec_fn=limit)
    lines = first.stderr.splitlines()
    assert first.returncode == 2 and len(lines) <= 6 and "Traceback" not in first.stderr, first
    assert re.search(r"File too large; raise the limit on the size of files \(ulimit -f\)", first.stderr), first
    again = train(tmp_path)
    assert again.returncode == 0 and not again.stderr and results(tmp_path) == straight


def test_a_full_output_ends_no_training(straight, tmp_path):
    with open("/dev/full", "w") as full:
        ended = train(tmp_path, stdout=full)
    assert ended.stderr == "error: the output cannot be written: No space left on device\n" and ended.returncode == 2
    assert train(tmp_path).returncode == 0 and results(tmp_path) == straight


@pytest.mark.parametrize("program", ["experiments/train.py", "experiments/gradients.py", "experiments/memory.py"])
def test_a_working_folder_that_is_gone_is_one_sentence(program, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    source = 'rmdir "$PWD"; exec "$@"'
    ended = subprocess.run(
        ["sh", "-c", source, "sh", sys.executable, str(ROOT / program), "cell=rnn"],
        capture_output=True, text=True, check=False, cwd=gone, timeout=300,
    )  # fmt: skip
    sentence = "error: the working folder is not there any more: change to one that is\n"
    assert (ended.returncode, ended.stderr, ended.stdout) == (2, sentence, "")


def test_letters_that_a_terminal_lacks_end_nothing(straight, tmp_path):
    poor = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = train(tmp_path, env=poor)
    assert ended.returncode == 0 and not ended.stderr and results(tmp_path) == straight
