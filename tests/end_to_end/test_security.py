"""Promises of SECURITY.md that no other test holds."""

import ast
import re

import pytest
from tiny import CELL, ROOT, SIZES, command, experiment, run

from gru_lab.runs import find_records
from gru_lab.training.callbacks.wandb import Wandb

UNPICKLING = re.compile(
    r"pickle\.loads?\(|torch\.load\((?!.*weights_only=True)|np\.load\((?!.*allow_pickle=False)|"
    r"yaml\.(?:unsafe_|full_)?load\(|(?<![\w.])(?:eval|exec)\(|os\.system\(|shell=True"
)
BETWEEN_PROCESSES = {"gru_lab/hosts.py", "gru_lab/launchers/launcher.py"}  # of the same user, see SECURITY.md


def test_nothing_that_runs_code_is_called_on_a_file():
    found = {
        str(path.relative_to(ROOT)): hits
        for path in [*ROOT.glob("gru_lab/**/*.py"), *ROOT.glob("scripts/*.py")]
        if (hits := UNPICKLING.findall(without_docstrings(path.read_text("utf-8"))))
    }
    assert set(found) <= BETWEEN_PROCESSES, found


def without_docstrings(source):
    """The code of a file, without comments and docstrings."""
    return ast.unparse(ast.parse(source))


def test_the_class_of_a_file_is_named_in_the_record_with_its_content(folder):
    (folder / "my_cells.py").write_text(CELL)
    line = [each for each in SIZES if each != "cell=rnn"]
    assert command(*line, f"cell={folder}/my_cells.py:Minimal", f"paths.runs={folder}") == 0
    (group,) = find_records([folder / "default"]).groups
    for record in group.members:
        assert record.cell == "my_cells:Minimal" and record.layout["outside"] == {"my_cells": f"{folder}/my_cells.py"}
        assert len(record.sources["my_cells"]) == 64


@pytest.mark.slow
def test_the_key_of_wandb_is_in_no_file_and_no_output(tmp_path, monkeypatch, capfd):
    key = "0123456789abcdef" * 2 + "fedcba98"
    monkeypatch.setenv("WANDB_API_KEY", key)
    run(experiment(), tmp_path, [Wandb()], say=print)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("wandb" in path.parts for path in files), "W&B wrote its files"
    assert [path.name for path in files if key.encode() in path.read_bytes()] == []
    out, err = capfd.readouterr()
    assert key not in out + err


@pytest.mark.parametrize("promise", re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text("utf-8")))
def test_every_promise_names_a_test_that_is_there(promise):
    assert (ROOT / promise).exists()
