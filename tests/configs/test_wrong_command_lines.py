"""A mistake costs one sentence, whatever it is: nothing is compiled, no folder is made, the exit status is 2."""

import subprocess
import sys
from pathlib import Path

import pytest

from gru_lab.commandline import main

ROOT = Path(__file__).parents[2]

WRONG = [
    (["cell=gruu"], "cell 'gruu' is unknown: it must be "),
    (["cell=gruu"], "Did you mean 'gru'?"),
    (["cell=no_such_module:Cell"], "cell 'no_such_module:Cell' cannot be imported"),
    (["cell=json:JSONDecoder"], "is not a dataclass derived from Cell"),
    (["task=ading"], "Did you mean 'adding'?"),
    (["optimizer=adamm"], "Did you mean 'adam'?"),
    (["experiment=compare/nothing"], "'compare/nothing' is unknown"),
    (["cell.hiden=3"], "Did you mean 'hidden'?"),
    (["cell=rnn", "cell.forget_bias=1"], "cell.forget_bias is unknown: cell has hidden, nonlinearity"),
    (["sel=gru"], "Did you mean 'cell'?"),
    (["gru"], "'gru' says nothing: write name=value"),
    (["cell.hidden=-1"], "cell.hidden is -1: it must be a whole number of at least 1"),
    (["cell.hidden=0"], "cell.hidden is 0"),
    (["cell.hidden=2.5"], "cell.hidden is 2.5"),
    (["cell.hidden=auto"], "it needs a budget, as in model.parameters=20000"),
    (["cell.hidden=auto", "model.parameters=7"], "no hidden size has 7 parameters within 2%"),
    (["cell.reset=sideways"], "it must be 'after' or 'before'"),
    (["cell=lstm", "cell.peephole=perhaps"], "it must be true or false"),
    (["task.length=1"], "task.length is 1: it must be a whole number of at least 2"),
    (["task=copy", "task.alphabet=1"], "task.alphabet is 1"),
    (["task=temporal_order", "task.length=5"], "task.length is 5: it must be a whole number of at least 10"),
    (["task=temporal_order", "task.relevant=4"], "task.relevant is 4: it must be 2 or 3"),
    (["optimizer.learning_rate=fast"], "optimizer.learning_rate is 'fast': it must be a number above 0"),
    (["optimizer.learning_rate=nan"], "optimizer.learning_rate is nan"),
    (["optimizer.clip=sometimes"], "optimizer.clip is 'sometimes'"),
    (["remedy=omegga"], "Did you mean 'omega'?"),
    (["remedy.strength=1"], "remedy.strength is unknown: remedy has nothing"),
    (["remedy=omega", "remedy.strenght=1"], "Did you mean 'strength'?"),
    (["remedy=omega", "remedy.every=0"], "remedy.every is 0: it must be a whole number of at least 1"),
    (["diagnostics=[gatess]"], "Did you mean 'gates'?"),
    (["diagnostics=gates"], "diagnostics is 'gates': it must be a list whose every item is a name"),
    (["cell=rnn", "diagnostics=[gates]"], "cell 'rnn' declares no gate"),
    (["population.seeds=0"], "population.seeds is 0"),
    (["training.batch=many"], "training.batch is 'many'"),
    (["paths.runs=/dev/null/runs"], "cannot be written"),
    (["sweep=../elsewhere"], "sweep is '../elsewhere': it must be the name of one folder"),
    (["logger=wanddb"], "Did you mean 'wandb'?"),
    (["cell=rnn,gru"], "gives several values: add -m"),
    (["-m", "cell=rnn,gru", "task.length=50,0"], "task.length is 0"),
    (["cell.hidden=[1"], "cannot be read"),
    (["cell={hidden:3}"], "cell"),
    (["~cell"], "cell is missing"),
    (["cell.hidden=${nowhere}"], "nowhere"),
]


@pytest.mark.parametrize(
    ("arguments", "sentence"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_one_sentence_and_status_2(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = []
    assert main("train", ran.append, "", arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and ran == []
    lines = said.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and sentence in lines[0], said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["cell=gruu"], ["-m", "cell=rnn,gru", "cell.hidden=0"]], ids=" ".join)
def test_the_real_command_says_the_same(arguments, tmp_path):
    command = [sys.executable, str(ROOT / "experiments" / "train.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr
