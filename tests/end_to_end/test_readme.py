"""The README is true: its code runs, in its order, in one folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# Long trainings are cut short; what else a command says stays as it is printed.
SHORT = ["training.updates=10", "training.evaluate_every=10", "training.batch=4", "training.validation=8"]
TRAINS = re.compile(r"experiments/(train|gradients|memory)\.py")
SHORT += ["training.test=8", "population.seeds=2", "training.stop_when_solved=false"]


def test_every_block_of_python_runs(tmp_path):
    blocks_run(tmp_path, {"python"})


@pytest.mark.slow
def test_every_block_runs(tmp_path):
    assert blocks_run(tmp_path, {"python", "sh"}) >= 4


def blocks_run(tmp_path, languages):
    """Run the blocks of these languages in their order; the number of commands that trained."""
    blocks = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
    assert len([language for language, _ in blocks if language == "python"]) >= 4
    trained = 0
    for language, block in (each for each in blocks if each[0] in languages):
        if language == "python":
            named = re.match(r"# (\w+\.py)\n", block)
            script = tmp_path / (named.group(1) if named else "block.py")
            script.write_text(block)
            execute([sys.executable, str(script)], tmp_path, block)
        for line in block.splitlines() if language == "sh" else []:
            words = shlex.split(line, comments=True)
            assert (ROOT / words[0]).exists() or words[0] == "python", line
            if words[0] != "python":  # the two commands themselves; compare is run in test_commands.py
                continue
            short = SHORT if TRAINS.search(words[1]) and "--help" not in words else []
            short = short + ["protocol=fixed"] * (bool(short) and "protocol=tuned" not in words)
            trained += bool(short)
            budget = [word for word in words if not word.startswith("population.seeds")]
            execute([sys.executable, str(ROOT / words[1]), *budget[2:], *short], tmp_path, line)
    return trained


def execute(command, folder, shown):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{shown}\n{done.stdout}\n{done.stderr}"


def test_every_file_that_the_readme_names_exists():
    for path in re.findall(r"\]\(([\w/.]+)\)|`((?:gru_lab|experiments|scripts|configs)/[\w/.]*)`", README):
        name = path[0] or path[1]
        assert (ROOT / name).exists(), f"the README names {name}"
