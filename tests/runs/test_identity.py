"""Identity: whatever can change a number of a run changes its fingerprint, and nothing else does."""

import dataclasses
import sys
import types

import jax
import optax
import pytest
from tiny import CELL, SIZES, adam, command, experiment, run, trained

from gru_lab import UserError, cells, outside, tasks
from gru_lab.cells.wrappers import Zoneout
from gru_lab.composition import compose
from gru_lab.runs import find_records
from gru_lab.training import optimizers

TASK = '''
from dataclasses import dataclass
from pathlib import Path
import jax, jax.numpy as jnp
import numpy as np
from gru_lab.data import Batch
from gru_lab.tasks import Task

@dataclass(frozen=True)
class Scaled(Task):
    """The sum of a sequence, times the number in a file."""
    answer = "real"
    length: int = 4
    file: str = "scale.txt"
    inputs = property(lambda self: 1)
    outputs = property(lambda self: 1)

    def files(self):
        return (Path(self.file),)

    def sample(self, key, batch):
        xs = jax.random.uniform(key, (batch, self.length, 1))
        return Batch(xs, xs.sum(axis=1) * float(Path(self.file).read_text()))
'''


def identity_of(*arguments):
    return compose("train", [*SIZES, *arguments])[0].experiment.identity


def values(sweep):
    """The test results of a sweep, by identity."""
    return {group.shared.identity: group.values() for group in find_records([sweep]).groups}


def test_an_edited_cell_a_module_that_it_rests_on_and_a_data_file_give_new_results(folder):
    beside, deep, data = folder / "i_beside.py", folder / "i_deep.py", folder / "scale.txt"
    (folder / "i_cell.py").write_text(
        CELL.replace("self.rate * h", "half(h) * self.rate") + "from i_beside import half"
    )
    beside.write_text("import i_deep\ndef half(h):\n    return h * i_deep.FACTOR\n")
    deep.write_text("FACTOR = 1.0\n")
    (folder / "i_task.py").write_text(TASK)
    data.write_text("1.0")
    line = [f"cell={folder}/i_cell.py:Minimal", f"task={folder}/i_task.py:Scaled", f"task.file={data}"]
    line += [f"paths.runs={folder}/runs", "population.seeds=1"]
    seen = {}
    for file, old, new in ((deep, "", ""), (deep, "1.0", "0.1"), (beside, "h *", "2 * h *"), (data, "1.0", "3.0")):
        file.write_text(file.read_text().replace(old, new))
        assert command(*line) == 0
        now = values(folder / "runs")
        assert len(now) == len(seen) + 1 and seen.items() <= now.items(), f"{file.name} was edited"
        seen = now
    assert len({value for (value,) in seen.values()}) == 4
    cell = folder / "i_cell.py"
    cell.write_text(cell.read_text().replace("tanh(x", "tanh(2 * x"))
    first = identity_of(*line[:3])
    assert first not in seen
    data.write_text("1.0")
    cell.write_text(cell.read_text().replace("tanh(2 * x", "tanh(x"))
    beside.write_text(beside.read_text().replace("2 * h *", "h *"))
    deep.write_text("FACTOR = 1.0\n")
    assert identity_of(*line[:3]) in seen


def test_modules_that_are_imported_late_or_in_packages_count_before_they_are_imported(folder):
    package = folder / "i_package"
    (package / "inner").mkdir(parents=True)
    for file in (package / "__init__.py", package / "inner" / "__init__.py"):
        file.write_text("")
    (package / "inner" / "leaf.py").write_text("RATE = 1.0\n")
    (package / "middle.py").write_text("from .inner import leaf\n")
    lazily = CELL.replace("return jnp.tanh", "from i_package.middle import leaf\n        return leaf.RATE * jnp.tanh")
    (folder / "i_lazy.py").write_text(lazily)
    names = set(outside.sources(cells.get(f"{folder}/i_lazy.py:Minimal")))
    assert {"i_lazy", "i_package", "i_package.middle", "i_package.inner.leaf", "jax"} <= names
    assert "i_package.middle" not in sys.modules
    before = identity_of(f"cell={folder}/i_lazy.py:Minimal")
    (package / "inner" / "leaf.py").write_text("RATE = 2.0\n")
    assert identity_of(f"cell={folder}/i_lazy.py:Minimal") != before


def test_a_class_of_a_notebook_and_an_anonymous_optimiser_are_never_used_again(tmp_path, monkeypatch):
    notebook = types.ModuleType("__main__")
    exec(CELL, vars(notebook))
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    theirs = [experiment(notebook.Minimal(hidden=3), seeds=1) for _ in range(2)]
    assert theirs[0].identity != theirs[1].identity and outside.sources(notebook.Minimal) is None
    nameless = [experiment(optimizer=optax.sgd(0.1), seeds=1) for _ in range(2)]
    assert nameless[0].identity != nameless[1].identity
    for ours in nameless:
        assert len(trained(run(ours, tmp_path))) == 1
    assert len({group.shared.identity for group in find_records([tmp_path]).groups}) == 2


def test_a_class_of_a_package_counts_by_its_version(monkeypatch):
    assert outside.sources(optax.GradientTransformationExtraArgs).keys() == {"optax"}
    before = experiment(optimizer=optimizers.create("optax:lion")).identity
    monkeypatch.setattr(outside, "version", lambda name: "99")
    assert outside.sources(optax.GradientTransformationExtraArgs) == {"optax": "99"}
    assert experiment(optimizer=optimizers.create("optax:lion")).identity != before


def test_the_revision_of_every_class_that_takes_part_changes_the_identity(monkeypatch):
    ours = experiment(cells.create("gru", hidden=3))
    before = ours.identity
    for part in (*ours.parts.values(), cells.Cell):
        cls = part if isinstance(part, type) else type(part)
        with monkeypatch.context() as raised:
            raised.setattr(cls, "revision", 2, raising=False)
            assert experiment(ours.cell).identity != before, cls.__name__
            if not isinstance(part, type) and cls is type(ours.cell):
                assert experiment(Zoneout(cell=ours.cell)).card["revisions"]["GRU"] == 2
    assert experiment(ours.cell).identity == before


def test_numerics_change_the_identity():
    before = experiment().identity
    with jax.enable_x64(True):
        assert experiment().identity != before
    with jax.default_matmul_precision("float32"):
        assert experiment().identity != before
    assert experiment().identity == before


def test_settings_change_it_and_where_how_and_for_whom_it_trains_does_not():
    before = identity_of()
    for same in (
        ["paths.runs=elsewhere", "sweep=other", "force=true", "training.chunk=3"],
        ["population.placement=vmap", "population.seeds=9", "population.first_seed=3", "population.role=tune"],
        ["population.axes.optimizer.learning_rate=[1,2]", "optimizer.learning_rate=3", "optimizer.clip_at=2"],
        ["callbacks=[wandb]"],
        ["callbacks.diagnostics.names=[gradient_flow]"],
    ):
        assert identity_of(*same) == before, same
    for other in (
        ["cell.hidden=4"],
        ["cell=lstm"],
        ["task.length=99"],
        ["method=reference"],
        ["method.remat_every=16"],
        ["model.layers=2"],
        ["optimizer.clip=none"],
        ["optimizer.b1=0.8"],
        ["optimizer.schedule=cosine"],
        ["optimizer.warmup=2"],
        ["remedy=omega"],
        ["training.updates=7"],
        ["training.batch=7"],
        ["training.validation=7"],
        ["training.test=7"],
    ):
        assert identity_of(*other) != before, other
    assert identity_of("optimizer.b1=0") == identity_of("optimizer.b1=0.0")


def test_data_files_of_one_name_all_count_and_a_missing_one_is_one_sentence(tmp_path):
    files = [tmp_path / name / "data.csv" for name in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_text("1")

    @dataclasses.dataclass(frozen=True)
    class OnFiles(type(tasks.create("adding"))):
        def files(self):
            return [str(file) for file in files]

    before = experiment(task=OnFiles(length=4)).card["data"]
    assert len(before) == 2
    for file in files:
        file.write_text("2")
        now = experiment(task=OnFiles(length=4)).card["data"]
        assert now != before
        before = now
    files[0].unlink()
    with pytest.raises(UserError, match=r"the data file .*data.csv cannot be read"):
        _ = experiment(task=OnFiles(length=4)).identity


def test_config_yaml_holds_all_that_the_identity_covers(tmp_path):
    from gru_lab.runs import RunFolder
    from gru_lab.runs.identity import fingerprint
    from gru_lab.training import Experiment

    ours = experiment(optimizer=adam(learning_rate=0.01))
    folder = RunFolder.open(tmp_path / ours.name, ours.card)
    assert folder.config == ours.card and fingerprint(folder.config) == ours.identity
    assert Experiment.from_config(folder.config["config"], ours.hyper) == dataclasses.replace(ours)
    with pytest.raises(UserError, match="already holds a run of another configuration: nothing was overwritten"):
        RunFolder.open(tmp_path / ours.name, experiment(cell="gru").card)
    assert folder.config == ours.card
