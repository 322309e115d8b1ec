"""Counts against counts by hand, the size that meets a budget, and the card of every cell."""

import subprocess
import sys
from dataclasses import fields

import pytest
from kin import each

from gru_lab import cells
from gru_lab.card import document, main
from gru_lab.cells import budget
from gru_lab.schema import UserError

BY_HAND = {  # parameters, state and FLOPs a step at 3 inputs and 5 units
    "rnn": (3 * 5 + 5 * 5 + 5, 5, 2 * 3 * 5 + 2 * 5 * 5 + 3 * 5),
    "gru": (3 * (15 + 25 + 5) + 5, 5, 3 * (30 + 50) + 15 * 5),
    "lstm": (4 * (15 + 25 + 5), 10, 4 * (30 + 50) + 17 * 5),
    "mingru": (2 * (15 + 5), 5, 2 * 30 + 7 * 5),
    "lru": (2 * 15 + 15, 10, 2 * 2 * 15 + 14 * 5),
    "exprnn": (15 + 5 + 10, 5, 30 + 50 + 5 * 5),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_counts_equal_counts_by_hand(name):
    count = budget.cost(cells.create(name, hidden=5), 3)
    assert (count.parameters, count.state, count.flops) == BY_HAND[name]


@pytest.mark.parametrize("name", ["gru", "lstm", "lru", "exprnn", "mlstm", "cwrnn"])
def test_the_hidden_size_of_a_budget_is_the_nearest_of_all(name):
    def make(hidden):
        return cells.create(name, hidden=hidden)

    for measure, wanted in (("parameters", 2000), ("flops", 5000)):
        found = budget.hidden_for(make, 8, wanted, measure)
        off = [abs(getattr(budget.cost(make(found + n), 8), measure) - wanted) for n in (-2, -1, 0, 1, 2)]
        assert off[2] == min(off) <= 0.05 * wanted


def test_a_budget_that_no_size_meets_names_the_nearest():
    def make(hidden):
        return cells.create("gru", hidden=hidden)

    with pytest.raises(UserError, match=r"40 parameters within 5%: hidden=1 has 31 and hidden=2 has 68"):
        budget.hidden_for(make, 8, 40)
    with pytest.raises(UserError, match=r"hidden=1 has 31$"):
        budget.hidden_for(make, 8, 5)
    with pytest.raises(UserError, match="at least 1"):
        budget.hidden_for(make, 8, 0)


def test_formulas_are_read_off_exactly_or_not_at_all():
    assert budget.formula(lambda i, h: 3 * h * h + 3 * h * i + 4 * h) == "3 H^2 + 3 H I + 4 H"
    assert budget.formula(lambda i, h: h * (h - 1) // 2 + 1) == "1/2 H^2 - 1/2 H + 1"
    assert budget.formula(lambda i, h: h**3) is None
    assert budget.formula(lambda i, h: h if h < 100 else 0) is None


@pytest.mark.parametrize("name", each(cells.names()))
def test_every_cell_has_a_card(name):
    cls = cells.get(name)
    parts = document(cls)
    assert parts["summary"].endswith(".") and parts["equations"] and parts["story"], "see gru_lab.cells.Cell"
    assert parts["Shapes"].startswith("Shapes: x (inputs,)") and parts["Source"]
    assert "'" in parts["equations"], "the new state is marked: h' = ..."
    assert {field.name for field in fields(cls)} <= set(parts["fields"]), "every field needs its Attributes: line"


@pytest.mark.slow
def test_the_card_and_the_list_are_printed(capsys):
    assert main(["lstm", "--hidden", "32", "--inputs", "16", "peephole=true", "gate_init=chrono"]) == 0
    card = capsys.readouterr().out
    assert "parameters 6,368  = 4 H^2 + 4 H I + 7 H" in card and "Sequential()" in card
    assert "peephole = True (default False)" in card and "i  = sigmoid(" in card and "Gers" in card
    assert "cell.peephole is True" in card
    assert main(["gru", "recurrent_bias=false"]) == 0
    assert "equinox, keras, linen, nnx, torch" in capsys.readouterr().out
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert all(f"│ {name} " in listed for name in cells.names())
    assert len(cells.names()) >= 23


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gruu"], "Did you mean 'gru'"),
        (["gru", "rest=after"], "Did you mean 'reset'"),
        (["gru", "reset=afterwards"], "Did you mean 'after'"),
        (["gru", "reset"], "is not field=value"),
        (["gru", "--hidden", "0"], "cell.hidden is 0"),
        (["gru", "--inputs", "0"], "--inputs is 0"),
        (["lstm", "forget_gate=coupled", "input_gate=false"], "where input_gate is false"),
        (["lstm", "forget_gate=none", "gate_init=chrono"], "where forget_gate is 'none'"),
        (["lru", "r_min=0.9", "r_max=0.5"], "below r_max"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_two(capsys, arguments, message):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_listing_the_cells_imports_nothing_heavy():
    script = """
import sys, jax
before = set(sys.modules)
from gru_lab import cells
[cells.create(name) for name in cells.names()]
tops = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(tops & {"flax", "rich", "torch", "keras", "pandas", "matplotlib", "optax", "safetensors", "hydra"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
