"""The notebooks run from top to bottom, as scripts, in a folder of their own."""

import os
import subprocess
import sys

import pytest
from tiny import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, tmp_path):
    environment = os.environ | {"MPLBACKEND": "agg"}
    command = [sys.executable, str(notebook)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_one(notebook):
    """In jupytext's percent format: a header, and cells of code and of text in turns."""
    lines = notebook.read_text("utf-8").splitlines()
    assert lines[0] == "# ---" and "#       format_name: percent" in lines
    cells = [line for line in lines if line.startswith("# %%")]
    assert cells[0] == "# %% [markdown]" and {*cells} == {"# %%", "# %% [markdown]"} and len(cells) >= 8
