"""The wheel: an installed gru_lab holds what a checkout has, no more, and needs nothing of it."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import gru_lab

ROOT = Path(__file__).parents[2]
UNREACHABLE = ("No matching distribution found for hatchling", "Failed to resolve requirements", "Failed to fetch")


def builder(out):
    """The command that builds the wheel: with the build backend where it is installed, else with pip or uv."""
    if importlib.util.find_spec("hatchling"):
        return [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out]
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--retries=0", "--timeout=10"]
        return [*command, "--no-deps", "--wheel-dir", out, ROOT]
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("neither hatchling, pip nor uv is installed: nothing here can build a wheel")
    return [uv, "build", "--wheel", "--out-dir", out, ROOT]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder into which the wheel is unpacked."""
    built = tmp_path_factory.mktemp("built")
    done = subprocess.run(builder(built), cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode and any(words in said for words in UNREACHABLE):
        pytest.skip("the package index, from which the build backend comes, cannot be reached")
    assert done.returncode == 0, said
    (path,) = built.glob("*.whl")
    unpacked = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(path).extractall(unpacked)
    return unpacked


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name[0] != "."
    }


def test_the_wheel_holds_the_package_and_the_configurations(wheel):
    assert sorted(path.name for path in wheel.iterdir()) == ["gru_lab", f"gru_lab-{gru_lab.__version__}.dist-info"]
    configs = {f"configs/{name}": content for name, content in files(ROOT / "configs").items()}
    held, expected = files(wheel / "gru_lab"), files(ROOT / "gru_lab") | configs
    assert sorted(held) == sorted(expected) and held == expected
    assert {"py.typed", "cells/__init__.pyi", "configs/train.yaml"} <= held.keys()


def test_an_installed_package_needs_no_checkout(wheel, tmp_path):
    script = """
import gru_lab, sys
from importlib.metadata import version
from gru_lab.composition import compose, configs
(job,) = compose("train", ["debug=quick", "cell=lstm_peephole"])
assert job.experiment.cell.peephole and version("gru-lab") == gru_lab.__version__
print(gru_lab.__file__, configs(), sep="\\n")
"""
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    package = wheel / "gru_lab"
    entries = next(wheel.glob("*.dist-info")) / "entry_points.txt"
    assert "gru-lab = gru_lab.__main__:main" in entries.read_text()
    assert done.stdout.splitlines() == [str(package / "__init__.py"), str(package / "configs")]


@pytest.mark.slow
def test_an_installed_command_trains_and_compares_outside_of_the_checkout(tmp_path):
    """In an environment of its own; its packages are those of this one, which the network is not asked for."""
    import sysconfig

    built = tmp_path / "built"
    assert subprocess.run(builder(built), cwd=ROOT, capture_output=True, check=False).returncode == 0
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "env")}))
    zipfile.ZipFile(next(built.glob("*.whl"))).extractall(site)
    (site / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    program = tmp_path / "env" / "bin" / "python"

    def gru_lab_command(*words):
        command = [program, "-P", "-m", "gru_lab", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import gru_lab; print(gru_lab.__file__)"
    assert subprocess.run([program, "-c", where], capture_output=True, text=True, cwd=tmp_path).stdout.startswith(
        str(site)
    )
    line = ["debug=quick", "task.length=5", "sweep=tiny", f"paths.runs={tmp_path / 'runs'}"]
    assert "[2/2] gru on adding" in gru_lab_command("train", "-m", "network=rnn,gru", "task=adding", *line)
    assert "adding" in gru_lab_command("table", str(tmp_path / "runs" / "tiny"))
    assert "2 runs: 2 done" in gru_lab_command("sweep", "status", str(tmp_path / "runs" / "tiny"))
    assert "gated recurrent unit" in gru_lab_command("cells", "gru").lower() and "--networks" in gru_lab_command(
        "compare", "--help"
    )
