"""Whatever a user writes in a file runs from the command line without an edit, from any folder."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import CELL, SIZES, command

import gru_lab
from gru_lab import UserError
from gru_lab.commandline import main, train
from gru_lab.runs import RunFolder, find_records

MODEL = '''
from dataclasses import dataclass
import jax.numpy as jnp
from flax import nnx
from gru_lab.models import Model, Network

class Mean(Network):
    def __init__(self, spec, rngs):
        self.readout = nnx.Linear(spec.inputs, spec.outputs, rngs=rngs)

    def __call__(self, inputs, lengths=None, *, key=None, rates=None, method=None):
        return self.readout(inputs.mean(axis=1))

@dataclass(frozen=True)
class Averages(Model):
    """The mean over time, and a linear readout."""
    needs_cell = False

    def build(self, cell, spec, rngs):
        return Mean(spec, rngs)

class Hidden(Network):
    """A network of a cell that shows no recurrent layers."""

    def __init__(self, cell, spec, rngs):
        self.cell, self.start = cell, nnx.Param(cell.init(rngs.params(), spec.inputs)["W"])
        self.readout = nnx.Linear(cell.hidden, spec.outputs, rngs=rngs)

    def __call__(self, inputs, lengths=None, *, key=None, rates=None, method=None):
        assert not rates, "the model has a rate of its own"
        return self.readout(jnp.tanh(inputs[:, -1] @ self.start[...]))

@dataclass(frozen=True)
class OneStep(Model):
    rate: float = 0.5

    def build(self, cell, spec, rngs):
        return Hidden(cell, spec, rngs)
'''

OTHERS = '''
from dataclasses import dataclass
from typing import Annotated
import jax, jax.numpy as jnp
import optax
from gru_lab.recurrence.reference import Reference
from gru_lab.data import Batch
from gru_lab.schema import CONTINUOUS
from gru_lab.tasks import Task
from gru_lab.training.callbacks import Callback, Listener
from gru_lab.training.optimizers import Optimizer
from gru_lab.training.remedies import Remedy

@dataclass(frozen=True)
class Last(Task):
    """Which of three symbols came last."""
    answer = "class"
    length: int = 4
    inputs = outputs = property(lambda self: 3)
    symbols = True

    def sample(self, key, batch):
        xs = jax.random.randint(key, (batch, self.length), 0, 3)
        return Batch(xs, xs[:, -1])

@dataclass(frozen=True)
class Plainly(Reference):
    """The reference by another name."""

@dataclass(frozen=True)
class Signs(Optimizer):
    """The sign of the gradient."""
    power: float = 1.0

    def transformation(self):
        return optax.chain(optax.scale_by_sign(), optax.scale(-self.learning_rate * self.power))

def descent(learning_rate, momentum: float = 0.0):
    return optax.sgd(learning_rate, momentum)

@dataclass(frozen=True)
class Shrink(Remedy):
    """Weights near zero."""
    strength: Annotated[float, CONTINUOUS] = 0.1

    def penalty(self, network, batch, loss):
        return sum(jnp.sum(w ** 2) for layer in network.recurrent for w in layer.weights.values())

    def beside_loss(self, gradient, update, of_penalty):
        return jax.tree.map(lambda g, p: g + self.strength * p, gradient, of_penalty())

class Writer(Listener):
    def evaluated(self):
        for folder in self.work.folders:
            with (folder.path / "seen.txt").open("a") as file:
                file.write(f"{self.work.update}\\n")

@dataclass(frozen=True)
class Notes(Callback):
    """Writes down the updates."""
    place = 70

    def listen(self, work):
        return Writer(work)
'''


@pytest.fixture
def files(folder, monkeypatch):
    """`x_cells.py`, `x_models.py` and `x_others.py` in a folder, and another one to work in."""
    for name, text in (("x_cells", CELL), ("x_models", MODEL), ("x_others", OTHERS)):
        (folder / "theirs" / f"{name}.py").parent.mkdir(exist_ok=True)
        (folder / "theirs" / f"{name}.py").write_text(text)
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    return folder / "theirs"


def records():
    found = find_records([Path("runs")])
    assert found.broken == ()
    return [record for group in found.groups for record in group.members]


@pytest.mark.parametrize(
    ("option", "name", "more"),
    [
        ("cell", "x_cells.py:Minimal", []),
        ("model", "x_models.py:Averages", ["~cell"]),
        pytest.param("model", "x_models.py:OneStep", ["cell=../theirs/x_cells.py:Minimal"], marks=pytest.mark.slow),
        ("task", "x_others.py:Last", []),
        ("method", "x_others.py:Plainly", []),
        ("optimizer", "x_others.py:Signs", ["optimizer.power=0.5"]),
        pytest.param("optimizer", "x_others.py:descent", ["optimizer.momentum=0.5"], marks=pytest.mark.slow),
        pytest.param(
            "remedy",
            "x_others.py:Shrink",
            ["population.axes.remedy.strength=[0,1]", "population.seeds=1"],
            marks=pytest.mark.slow,
        ),
        ("callbacks", "x_others.py:Notes", []),
    ],
)
def test_from_a_file_and_from_a_module(option, name, more, files, capsys):
    given = f"[../theirs/{name}]" if option == "callbacks" else f"../theirs/{name}"
    assert command(f"{option}={given}", *more) == 0, capsys.readouterr().err
    first = records()
    assert len(first) == 2 and {record.status for record in first} == {"finished"}
    sources = {module for record in first for module in record.sources}
    assert sources >= ({name.split(".py")[0]} if option != "callbacks" else set())
    if option == "callbacks":
        assert [(r.folder / "seen.txt").read_text() for r in first] == ["2\n4\n"] * 2
        assert command("callbacks=[x_others:Notes]", "force=true") == 0
        return
    if option == "remedy":
        assert len({record.value() for record in first}) == 2
    if option == "model":
        assert not list(first[0].folder.glob("measurements/*")), "there is no recurrent layer to measure"
        assert first[0].cell is None or first[0].network.endswith(")")
    sys.path.insert(0, str(files))
    assert command(f"{option}={name.replace('.py', '')}", *more) == 0
    kept = " 1 kept, " if option == "remedy" else " 2 kept, "
    assert kept in capsys.readouterr().out, "the same class by another name is the same run"


@pytest.mark.slow
def test_networks_of_ours_and_of_theirs_are_columns_of_one_sweep(files, capsys):
    line = [part for part in SIZES if part != "cell=rnn"]
    line += ["-m", "network=gru,lstm,../theirs/x_cells.py:Minimal,../theirs/x_models.py:Averages", "population.seeds=1"]
    assert main("train", train, "", line) == 0, capsys.readouterr().err
    assert {record.network for record in records()} == {"gru", "lstm", "x_cells:Minimal", "x_models:Averages"}


def test_load_finds_a_class_where_its_file_was_and_refuses_an_edited_one(files, capsys):
    package = files / "x_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(CELL)
    sys.path.append(str(files))
    assert command("cell=x_package.inner:Minimal", "population.seeds=1") == 0, capsys.readouterr().err
    (record,) = records()
    for name in ("x_package.inner", "x_package"):
        del sys.modules[name]
    sys.path.remove(str(files))
    loaded = gru_lab.load(record.folder.parents[1])
    assert loaded.experiment.cell.hidden == 3 and str(files) in sys.path
    (package / "inner.py").write_text(CELL.replace("/ 9", "/ 8"))
    with pytest.raises(UserError, match="was made with other sources than there are now: train it again"):
        gru_lab.load(record.folder)


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        (CELL.replace("@dataclass(frozen=True)", ""), "Minimal", "is not a dataclass: write @dataclass(frozen=True)"),
        (CELL, "Minimaal", "Did you mean 'Minimal'?"),
        (CELL, "jnp", "is not a class derived from Cell"),
        (CELL + "\nimport math\nmath.nothing\n", "Minimal", "cannot be imported: AttributeError: module 'math' has no"),
        (CELL + "\nraise ValueError('two\\nlines')\n", "Minimal", "cannot be imported: ValueError: two lines"),
        (CELL + "\nimport sys\nsys.exit(3)\n", "Minimal", "cannot be imported: SystemExit: 3"),
        (CELL + "\n)(\n", "Minimal", "cannot be imported: SyntaxError"),
        (CELL + "\nfrom nowhere_at_all import x\n", "Minimal", "cannot be imported: ModuleNotFoundError"),
        (CELL.replace("(frozen=True)", ""), "Minimal", "cannot be imported: TypeError: cannot inherit non-frozen"),
        (
            CELL.replace("rate: float = 0.5", "rate: float = 'fast'"),
            "Minimal",
            "cell.rate is 'fast': it must be a number",
        ),
        (
            OTHERS.replace("inputs = outputs", "outputs"),
            "Last",
            "Last' is abstract: it lacks inputs",
        ),
        (OTHERS.replace('answer = "class"', ""), "Last", "task Last lacks `answer`"),
        (OTHERS.replace("def sample", "def samples"), "Last", "task Last lacks `sample`"),
        (MODEL.replace("def build", "def built"), "Averages", "Averages' is abstract: it lacks build"),
    ],
)
def test_a_mistake_in_their_file_is_one_sentence(text, name, sentence, folder, capsys):
    (folder / "x_wrong.py").write_text(text)
    option = {"Last": "task", "Averages": "model"}.get(name, "cell")
    assert command(f"{option}={folder}/x_wrong.py:{name}", f"paths.runs={folder}/runs") == 2
    said = capsys.readouterr().err
    assert sentence in said and len(said.splitlines()) == 1, said
    assert not (folder / "runs").exists()


def test_a_class_that_is_no_dataclass_is_refused_in_python_too():
    class Bare(gru_lab.cells.Cell):
        rate = 0.5

    with pytest.raises(UserError, match=r"class Bare is not a dataclass: write @dataclass\(frozen=True\) above it"):
        Bare(hidden=3)


AXES = """
from dataclasses import dataclass
from typing import Annotated
from gru_lab.schema import CONTINUOUS
from gru_lab.tasks.adding import Adding
import jax, jax.numpy as jnp
from gru_lab.cells import Cell

@dataclass(frozen=True)
class Begins(Cell):
    scale: Annotated[float, CONTINUOUS] = 1.0
    rate: Annotated[float, CONTINUOUS] = 0.5

    def init(self, key, inputs):
        return {"W": self.scale * jax.random.normal(key, (inputs, self.hidden))}

    def step(self, params, h, x):
        return jnp.tanh(x @ params["W"] + self.rate * h)

@dataclass(frozen=True)
class Noisy(Adding):
    noise: Annotated[float, CONTINUOUS] = 0.1
"""


def test_an_axis_acts_on_members_or_is_refused(folder, capsys):
    (folder / "x_axes.py").write_text(AXES)
    line = [f"cell={folder}/x_axes.py:Begins", f"paths.runs={folder}/runs", "population.seeds=1"]
    assert command(*line, "population.axes.cell.scale=[1,2]") == 0, capsys.readouterr().err
    (one, two) = (group.members[0] for group in find_records([folder / "runs"]).groups)
    first = RunFolder(one.folder.parents[1])
    starts = [first.member(r.member).measured("gradient_flow").at("initial")["norm"] for r in (one, two)]
    assert not np.allclose(*starts) and one.value() != two.value()
    alone = [*line, "sweep=alone", "cell.scale=2", "population.seeds=1"]
    assert command(*alone) == 0
    (third,) = (group.members[0] for group in find_records([folder / "runs" / "alone"]).groups)
    assert third.member in (one.member, two.member) and third.identity == one.identity
    (same,) = (record for record in (one, two) if record.member == third.member)
    np.testing.assert_allclose(third.value(), same.value(), rtol=1e-5)
    for wrong in (
        ["population.axes.cell.rate=[0.5,0.6]"],
        [f"task={folder}/x_axes.py:Noisy", "population.axes.task.noise=[0,1]"],
    ):
        assert command(*line, *wrong) == 2
        said = capsys.readouterr().err
        assert "cannot differ between members" in said and len(said.splitlines()) == 1
