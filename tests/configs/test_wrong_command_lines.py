"""A mistake costs one sentence, whatever it is: nothing is compiled, no folder is made, the exit status is 2."""

import subprocess
import sys

import pytest
from tiny import ROOT

from gru_lab.commandline import main

WRONG = [
    ("cell=gruu", "cell 'gruu' is unknown: it must be "),
    ("cell=gruu", "Did you mean 'gru'?"),
    ("network=gruu", "Did you mean 'gru'?"),
    ("network=gru cell=lstm", "network=gru chooses a network, and cell=lstm its cell again: give one of them"),
    ("model=recurent", "Did you mean 'recurrent'?"),
    ("method=sequental", "Did you mean 'sequential'?"),
    ("cell=no_such_module:Cell", "cell 'no_such_module:Cell' cannot be imported"),
    ("cell=nowhere/cells.py:Cell", "there is no file "),
    ("cell=json:JSONDecoder", "is not a class derived from Cell"),
    ("cell=:", "cell ':' cannot be imported"),
    ("optimizer=math:sin", "optimizer.x is missing"),
    ("optimizer=builtins:min", "it must have plain arguments"),
    ("optimizer=json:JSONDecoder", "is neither an optimiser nor a function that makes one"),
    ("task=ading", "Did you mean 'adding'?"),
    ("optimizer=adamm", "Did you mean 'adam'?"),
    ("experiment=compare/nothing", "'compare/nothing' is unknown"),
    ("cell.hiden=3", "Did you mean 'hidden'?"),
    ("cell=rnn cell.forget_bias=1", "cell.forget_bias is unknown: cell has hidden, nonlinearity"),
    ("cell=null", "cell is missing: model=recurrent is built of one"),
    ("cell.name=lstm", "cell.reset is unknown"),
    ("sel=gru", "Did you mean 'cell'?"),
    ("gru", "'gru' says nothing: write name=value"),
    ("cell.hidden=-1", "cell.hidden is -1: it must be a whole number of at least 1"),
    ("cell.hidden=0", "cell.hidden is 0"),
    ("cell.hidden=2.5", "cell.hidden is 2.5"),
    ("cell.hidden=auto", "it needs a budget, as in model.parameters=20000"),
    ("cell.hidden=auto model.parameters=7", "no hidden size has 7 parameters within 2%"),
    ("model.parameters=20000", "model.parameters is 20000: this network has 12,993; write cell.hidden=auto"),
    ("model.dropout=0.5", "it acts between layers, and model.layers is 1"),
    ("cell.reset=sideways", "it must be 'after' or 'before'"),
    ("cell=lstm cell.peephole=perhaps", "it must be true or false"),
    ("task.length=1", "task.length is 1: it must be a whole number of at least 2"),
    ("task=copy task.alphabet=1", "task.alphabet is 1"),
    ("task=temporal_order task.length=5", "task.length is 5: it must be a whole number of at least 10"),
    ("task=temporal_order task.relevant=4", "task.relevant is 4: it must be 2 or 3"),
    ("optimizer.learning_rate=fast", "optimizer.learning_rate is 'fast': it must be a number above 0"),
    ("optimizer.learning_rate=nan", "optimizer.learning_rate is nan"),
    (f"optimizer.learning_rate=1{'0' * 400}", "optimizer.learning_rate is 1"),
    ("optimizer.clip=sometimes", "optimizer.clip is 'sometimes'"),
    ("optimizer.b1=1", "optimizer.b1 is 1: it must be a number of at least 0 and below 1"),
    ("optimizer.schedule=plateau optimizer.decay_factor=0", "it must be above 0"),
    ("remedy=omegga", "Did you mean 'omega'?"),
    ("remedy.strength=1", "remedy.strength is unknown: remedy has nothing"),
    ("remedy=omega remedy.strenght=1", "Did you mean 'strength'?"),
    ("remedy=omega remedy.every=0", "remedy.every is 0: it must be a whole number of at least 1"),
    ("remedy=flossing model.bidirectional=true", "it works on layers of one direction"),
    ("callbacks.diagnostics.names=[gatess]", "Did you mean 'gates'?"),
    ("callbacks.diagnostics.names=gates", "names is 'gates': it must be a list whose every item is a name"),
    ("callbacks.diagnostics=3", "callbacks.diagnostics is 3: it must be its settings"),
    ("callbacks=[diagnostics,diagnostics]", "callbacks has 'diagnostics' twice: give it once"),
    ("callbacks=[wandb] callbacks.diagnostics.names=[gates]", "cannot be put together"),
    ("callbacks=[wanddb]", "Did you mean 'wandb'?"),
    ("callbacks=wandb", "callbacks is 'wandb': it must be a list, as in callbacks=[wandb]"),
    ("callbacks=[1]", "callbacks has 1: it must be a name"),
    ("cell=rnn callbacks.diagnostics.names=[gates]", "cell 'rnn' declares no gate"),
    ("population.seeds=0", "population.seeds is 0"),
    (
        "population.first_seed=4294967296",
        "population.first_seed is 4294967296: it must be a whole number of at least 0",
    ),
    ("population.first_seed=2147483644 population.seeds=2", "the last seed would be above 2147483644"),
    ("population.role=train", "population.role is 'train': it must be 'tune' or 'report'"),
    ("population.axes=3", "population.axes is 3"),
    ("population.axes.optimizer.learning_rat=[1]", "Did you mean 'optimizer.learning_rate'?"),
    ("population.axes.cell.hidden=[1,2]", "population.axes.cell.hidden is unknown"),
    ("population.axes.optimizer.learning_rate=[]", "it must be a list of numbers"),
    (
        "population.axes.optimizer.learning_rate={loguniform:[0,1],n:3}",
        "loguniform is [0, 1]: the second number must be",
    ),
    ("population.axes.optimizer.learning_rate={uniform:[1],n:3}", "uniform is [1]: it must be two numbers"),
    ("population.axes.optimizer.learning_rate={uniform:[1,2],n:0}", "n is 0: it must be a whole number of at least 1"),
    ("population.axes.optimizer.learning_rate={uniform:[1,2]}", "n is None: it must be a whole number of at least 1"),
    ("population.axes.optimizer.learning_rate={uniform:[1,2],n:2,sed:1}", "sed is unknown: an axis has uniform, logun"),
    ("population.axes.optimizer={learning_rate:{uniform:[1,2],n:2},clip_at:{uniform:[1,2],n:3}}", "must be equal"),
    ("population.axes.optimizer.learning_rate=[-1]", "optimizer.learning_rate is -1.0: it must be a number above 0"),
    (f"population.axes.optimizer.learning_rate=[1{'0' * 400}]", "holds a number beyond all floats"),
    ("training.batch=many", "training.batch is 'many'"),
    ("training.updates=3000000000", "it must be a whole number of at least 1 and at most 2147483647"),
    ("training.chunk=0", "training.chunk is 0"),
    ("training=3", "training=3 cannot be put together"),
    ("paths.runs=/dev/null/runs", "cannot be written"),
    ("paths.runs=", "paths.runs is '': it must be the path of a folder"),
    ("sweep=../elsewhere", "sweep is '../elsewhere': it must be the name of one folder"),
    ("force=maybe", "force is 'maybe': it must be true or false"),
    ("cell=rnn,gru", "gives several values: add -m"),
    ("-m cell=rnn,gru task.length=50,0", "task.length is 0"),
    ("-m cell=glob(zzz*)", "asks for no run: a glob matches nothing"),
    ("-m cell.hidden=interval(1,2)", "names no values: separate them by commas"),
    ("cell.hidden=[1", "cannot be read"),
    ("cell={hidden:3}", "cell"),
    ("~cell", "cell is missing"),
    ("cell.hidden=${nowhere}", "nowhere"),
    ("--nothing", "--nothing is unknown: it must be -m"),
    ("--cfg nothing", "--cfg is 'nothing': it must be job, hydra or all"),
    ("--config-dir /nowhere", "--config-dir is unknown"),
    ("-cn foo", "-cn is unknown"),
    ("--config-name=foo", "--config-name=foo is unknown"),
    ("cell=rnn -m cell.hidden=0", "cell.hidden is 0"),
    ("cell=.x:Y", "cell '.x:Y' cannot be imported"),
    ("cell=gru_lab.cells:Cell", "is abstract"),
    ("cell=gru_lab.cells.initializers:GatedCell", "is abstract"),
    ("optimizer=gru_lab.training.optimizers.optimizer:Optimizer", "is abstract"),
    (f"cell={'a' * 300}.py:X", "File name too long"),
    (f"sweep={'a' * 300}", "of 300 bytes: the name of a folder has 255 at most"),
    (f"cell.hidden={'9' * 5000}", "cannot be read: write name=value"),
    (f"population.axes={'[' * 2000}{']' * 2000}", "cannot be read: write name=value"),
    ("hydra.run.dir=/proc/x", "hydra.run.dir"),
    # What cannot fit in memory, whatever its layout: no minutes of silence, but the numbers and what to change.
    ("cell.hidden=10000000", "300,000,110,000,001 parameters, their gradient and the best ones take 4.8 PB of memory"),
    ("population.seeds=100000000", "100,000,000 members take 150 GB of memory at least, and this machine has"),
    ("protocol=tuned protocol.seeds=100000000", "protocol.seeds is 100000000: 600,000,000 members that choose take"),
    ("training.batch=2000000000", "2,000,000,000 sequences of 100 steps take 1.6 TB of memory"),
    ("training.validation=2000000000", "training.validation is 2000000000: "),
    ("task.length=2000000000", "sequences of 2,000,000,000 steps take 8 TB of memory"),
    ("cell=indrnn cell.hidden=2000000000", "make cell.hidden smaller"),
    ("task=copy task.alphabet=2000000000", "parameters, their gradient and the best ones take "),
    ("model.layers=1000000", "model.layers is 1000000: it must be a whole number of at least 1 and at most 1000"),
    ("population.axes.optimizer.learning_rate={uniform:[1,2],n:10000000000}", "n is 10000000000: it must be at most"),
]


@pytest.mark.parametrize(("line", "sentence"), WRONG, ids=lambda value: value[:40])
def test_one_sentence_and_status_2(line, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = []
    assert main("train", ran.append, "", line.split(" ")) == 2
    said = capsys.readouterr()
    assert said.out == "" and ran == []
    lines = said.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and sentence in lines[0], said.err
    assert list(tmp_path.iterdir()) == []


def test_the_real_command_says_the_same(tmp_path):
    command = [sys.executable, str(ROOT / "experiments" / "train.py"), "-m", "cell=rnn,gru", "cell.hidden=0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: cell.hidden is 0")
    assert len(done.stderr.splitlines()) == 1
