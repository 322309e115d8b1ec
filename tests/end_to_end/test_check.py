"""`python -m gru_lab check`: a sound cell passes, and every fault that is planted is found and told."""

import pytest
from PIL import Image
from tiny import CELL

from gru_lab import cells
from gru_lab.check import CHECKS, check, main

SOUND = '''
from dataclasses import dataclass
import jax
import jax.numpy as jnp
import numpy as np
from gru_lab.cells import Cell
from gru_lab.cells.initializers import gates

@dataclass(frozen=True)
class Mine(Cell):
    """A leak that is chosen.

        h' = (1 - rate) h + rate tanh(x W_n + h U_n + b_n)

    Source: none.

    Attributes:
        rate: the share of the new.
    """

    rate: float = 0.5

    def init(self, key, inputs):
        return gates("keras", key, "n", inputs, self.hidden)

    def step(self, params, h, x):
        new = jnp.tanh(x @ params["W_n"] + h @ params["U_n"] + params["b_n"])
        return (1 - self.rate) * h + self.rate * new
'''
FAULTS = {
    "docstring": ("    Source: none.\n", "", "a line `Source:`"),
    "init": ("jnp.tanh(x", "jnp.tanh(x", "draw from `key` alone"),
    "step": ("return (1", "return h[:-1]  # (1", "state"),
    "gradients": ("h @ params", "jax.lax.stop_gradient(h) @ params", "central differences say"),
    "bounds": ("new = jnp.tanh(", "new = 3 * (", "begin with smaller recurrent weights"),
}


@pytest.fixture
def told(folder, capsys):
    """Check a cell that was written to a file; its lines by the name of the check."""

    def ask(source, *more):
        (folder / "mine.py").write_text(source)
        status = main([f"{folder}/mine.py:Mine", "--hidden", "4", "--inputs", "3", *more])
        lines = capsys.readouterr().out.splitlines()
        return status, {line.split()[1]: line for line in lines if line.split()[0] in ("ok", "FAIL")}, lines[-1]

    return ask


def test_a_sound_cell_passes_and_is_drawn(told, folder):
    status, lines, last = told(SOUND, "rate=0.3", "--figure", f"{folder}/flow.png")
    assert status == 0 and [*lines] == [*CHECKS] and all(line.startswith("ok") for line in lines.values())
    assert last.startswith(f"all {len(CHECKS)} checks passed; next: python experiments/train.py -m network=")
    assert "rate" in lines["settings"] and "times those of a GRU of 4 units" in lines["cost"]
    with Image.open(folder / "flow.png") as image:
        assert image.width == 1050


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_found(what, told):
    sound, faulty, sentence = FAULTS[what]
    source = SOUND.replace(sound, faulty, 1)
    if what == "init":
        source = source.replace("inputs, self.hidden)", "inputs, self.hidden) | {'b_n': np.random.rand(self.hidden)}")
    status, lines, last = told(source)
    assert status == 1 and "checks failed" in last
    assert lines[what].startswith("FAIL") and sentence in lines[what], lines[what]


def test_an_error_of_the_cell_is_told_with_its_line(told):
    status, lines, _ = told(SOUND.replace('params["U_n"]', 'params["U_m"]'))
    assert status == 1 and "KeyError: 'U_m' (mine.py, line 27)" in lines["step"]


def test_mistakes_cost_one_sentence(folder, capsys):
    (folder / "mine.py").write_text(CELL)
    for line, said in [
        (["gruu"], "Did you mean 'gru'?"),
        ([f"{folder}/mine.py:Minimal", "rate"], "'rate' is not field=value"),
        ([f"{folder}/mine.py:Minimal", "--inputs=0"], "--inputs is 0"),
    ]:
        assert main(line) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", cells.names())
def test_every_cell_of_ours_passes(name):
    cell = cells.create(name, hidden=8)
    cell = cell.at_length(100) if cell.automatic else cell
    assert [(what, said) for what, passed, said in check(cell, 4, name) if not passed] == []
