"""The purpose of the recurrence: few products per step, little stored, and the same program on every kind of device.

Numbers do not change when a pass is lost, so it is the traced program that is counted and compared with a file.
"""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import export
from kin import each

from gru_lab import cells
from gru_lab.recurrence import report

FILE = Path(__file__).with_name("recurrence_counts.json")
GOLDEN = json.loads(FILE.read_text())
COMMAND = f"python -m gru_lab.recurrence --counts {FILE.relative_to(FILE.parents[2])}"
GUARDS = {  # which passes and choices a count speaks of
    "forward products": ("fusion", "hoisting"),
    "forward transposed": ("transposition",),
    "forward flops": ("hoisting", "common subexpressions"),
    "stored arrays": ("residuals",),
    "stored bytes": ("residuals",),
    "backward products": ("fusion", "deferred weight gradients"),
    "backward transposed": ("transposition",),
    "backward flops": ("deferred weight gradients", "common subexpressions"),
    "written arrays": ("fusion", "deferred weight gradients", "common subexpressions"),
    "written bytes": ("deferred weight gradients", "common subexpressions"),
    "outside products": ("fusion", "deferred weight gradients"),
    "outside transposed": ("transposition", "weight gradients without transposition"),
    "outside flops": ("common subexpressions",),
}
LOST = {  # each pass and choice switched off, and a cell that shows it
    "fusion": ("gru", {"fuse": False}),
    "transposition": ("gru", {"transpose": False}),
    "hoisting": ("lstm", {"hoist": False}),
    "deferred weight gradients": ("lstm", {"defer": False}),
    "residuals": ("gru", {"store": "states"}),
    "common subexpressions": ("slstm", {"common": False}),
}


def moved(name, counts, pinned):
    """A line for each count that moved, with what it guards."""
    return [
        f"{name}: {what} {pinned.get(what)} -> {counts[what]} (guards {' and '.join(GUARDS[what])})"
        for what in counts
        if counts[what] != pinned.get(what)
    ]


@pytest.mark.parametrize("name", cells.names())
def test_loops_do_what_they_did(name):
    if name not in GOLDEN:
        pytest.skip(f"the counts of {name} are not pinned yet: {COMMAND}")
    lines = moved(name, report.pinned(name), GOLDEN[name])
    if lines and GOLDEN["jax"] != jax.__version__:
        pytest.skip(
            f"counted with JAX {GOLDEN['jax']}, and this is {jax.__version__}, so that JAX may have moved them: "
            f"write the file anew at the last commit that passed ({COMMAND}); what still moves is a change of ours.\n"
            + "\n".join(lines)
        )
    assert not lines, (
        "\n".join(lines)
        + f"\nJAX is the same as when these were pinned, so the change is ours. More products, flops or bytes per step "
        "are time and memory lost at the same numbers: look for the pass that no longer applies (see the docstring of "
        "gru_lab.recurrence.report.counts for what is counted). If the cell's equations changed, or less is done than "
        f"before, pin the new counts: {COMMAND}"
    )


@pytest.mark.parametrize("lost", LOST)
def test_a_pass_that_is_lost_is_noticed_and_named(lost):
    name, change = LOST[lost]
    lines = moved(name, report.pinned(name, replace(report.HOISTED, **change)), report.pinned(name))
    assert any(lost in line for line in lines), lines


def test_a_weight_gradient_with_a_transposed_factor_is_noticed(monkeypatch):
    from gru_lab.recurrence.backward import Backward

    before = report.pinned("gru")
    monkeypatch.setattr(Backward, "_of_product", lambda *_: None)
    another = replace(report.HOISTED, block=report.WHOLE - 1)  # no other program, but none that JAX has traced before
    lines = moved("gru", report.pinned("gru", another), before)
    assert any("weight gradients without transposition" in line for line in lines), lines


@pytest.mark.parametrize("name", each(cells.names()))
def test_gradients_lower_for_every_kind_of_device(name):
    cell = cells.create(name, hidden=4)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 3))
    program = jax.jit(lambda params, xs: report.gradient(cell, params, xs, report.HOISTED))
    exported = export.export(program, platforms=("cpu", "cuda", "tpu"))
    xs = jax.ShapeDtypeStruct((5, 7, 3), jnp.float32)
    assert exported(params, xs).platforms == ("cpu", "cuda", "tpu")
