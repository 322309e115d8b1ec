"""The public face: rooms after `import gru_lab`, classes under their names, and types as an editor sees them."""

import dataclasses
import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gru_lab
from gru_lab.config import Paths
from gru_lab.runs.record import Member, Record
from gru_lab.schema import Schema
from gru_lab.training import Population, Training

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("stubs", ROOT / "scripts" / "stubs.py")
stubs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stubs)
FAMILIES = [package.replace("/", ".") for package in stubs.PACKAGES]


@pytest.mark.parametrize("package", stubs.PACKAGES)
def test_the_stub_of_a_package_is_true(package):
    kept = (ROOT / package / "__init__.pyi").read_text()
    assert kept == stubs.stub(package), f"{package}/__init__.pyi is out of date: run python scripts/stubs.py"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_registered_class_is_importable_under_its_name(family):
    module = importlib.import_module(family)
    stub = (ROOT / family.replace(".", "/") / "__init__.pyi").read_text().splitlines()
    for name in module.names():
        cls = module.get(name)
        assert getattr(module, cls.__name__) is cls
        assert f"from {cls.__module__} import {cls.__name__} as {cls.__name__}" in stub
    with pytest.raises(AttributeError, match="Nonsense"):
        module.Nonsense  # noqa: B018


def test_every_room_is_reachable_and_none_is_imported_early():
    rooms = sorted(path.parent.name for path in (ROOT / "gru_lab").glob("*/__init__.py"))
    assert {*rooms} - {"programs"} <= {*gru_lab.__all__}
    script = f"""
import sys, gru_lab
early = sorted(name for name in ("flax", "optax", "pandas", "hydra") if name in sys.modules)
assert not early, f"import gru_lab imports {{early}}"
for name in {gru_lab.__all__!r}:
    getattr(gru_lab, name), dir(gru_lab).index(name)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"] and "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "gru_lab/__init__.py"
    assert gru_lab.__version__.count(".") == 2
    released = re.findall(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    cited = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert [released[0]] == cited == [gru_lab.__version__]


REGISTRIES = {
    name: module.register.__self__
    for path in sorted((ROOT / "gru_lab").rglob("__init__.py"))
    for name in [".".join(path.parent.relative_to(ROOT).parts)]
    if hasattr(module := importlib.import_module(name), "register")
}


def test_every_family_is_seen():
    assert set(FAMILIES) <= set(REGISTRIES) and len(REGISTRIES) >= 10


@pytest.mark.parametrize("family", REGISTRIES)
def test_fields_are_keyword_only(family):
    registry = REGISTRIES[family]
    for cls in (registry.base, *registry.classes().values()):
        assert issubclass(cls, Schema)
        assert not (given := positional(cls)), f"{cls.__name__} takes {given} by position: write kw_only=True"


def test_settings_are_keyword_only():
    assert positional(gru_lab.Experiment) == ["cell", "task"]
    assert not any(map(positional, (Training, Population, Paths, Member, Record)))


def positional(cls):
    """The fields that a class takes by position."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return [field.name for field in fields if not field.kw_only]


SAMPLE = """
from typing import Literal, assert_type

import gru_lab
from gru_lab.cells import GRU, LSTM
from gru_lab.tasks import Adding
from gru_lab.training.optimizers import Adam

assert_type(GRU(hidden=64), GRU)
assert_type(GRU(hidden=64).reset, Literal["after", "before"])
assert_type(LSTM(hidden=8, peephole=True).peephole, bool)
assert_type(Adding(length=20).length, int)
assert_type(Adam(learning_rate=1e-3).learning_rate, float)
experiment = gru_lab.Experiment(GRU(hidden=64), Adding(length=20), optimizer=Adam(learning_rate=1e-3))
assert_type(gru_lab.run(experiment, "runs/mine"), gru_lab.training.Run)
assert_type(gru_lab.tasks.Adding(length=20), Adding)
assert_type(gru_lab.cells.LEM(dt=0.5).dt, float)

GRU(hiden=64)  # pyright: ignore[reportCallIssue]
GRU(64)  # pyright: ignore[reportCallIssue]
GRU(hidden="64")  # pyright: ignore[reportArgumentType]
GRU(reset="behind")  # pyright: ignore[reportArgumentType]
Adding(len=20)  # pyright: ignore[reportCallIssue]
"""


def test_an_editor_knows_the_classes_and_their_fields(tmp_path):
    sample, settings = tmp_path / "sample.py", tmp_path / "pyrightconfig.json"
    sample.write_text(SAMPLE)
    config = {"typeCheckingMode": "standard", "reportUnnecessaryTypeIgnoreComment": "error"}
    settings.write_text(json.dumps(config | {"include": ["sample.py"], "extraPaths": [str(ROOT)]}))
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson", "-p", settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert result["summary"]["filesAnalyzed"] == 1
    lines = SAMPLE.splitlines()
    shown = [f"{lines[d['range']['start']['line']]}: {d['message']}" for d in result["generalDiagnostics"]]
    assert done.returncode == 0, "\n".join(shown)
