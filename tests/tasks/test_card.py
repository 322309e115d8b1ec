"""`python -m gru_lab.tasks`: every task has a card, and a list names all."""

import pytest
from kin import each

from gru_lab import tasks
from gru_lab.card import main_of_tasks


def test_the_list_names_every_task(capsys):
    assert main_of_tasks([]) == 0
    listed = capsys.readouterr().out
    assert all(f"│ {name} " in listed for name in tasks.names())


@pytest.mark.parametrize("name", each(tasks.names()))
def test_a_card_is_printed_with_the_data_or_without(name, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("GRU_LAB_DATA", raising=False)
    assert main_of_tasks([name]) == 0
    card = capsys.readouterr().out
    task = tasks.create(name)
    assert card.startswith(f"{name}: ") and ">>>" not in card
    assert "outputs: " in card or "Its data are not at hand: " in card
    assert not task.ladder or f"Ladder of lengths: {task.ladder[0]}" in card


def test_a_variant_and_mistakes(capsys):
    assert main_of_tasks(["copy", "length=500", "items=5"]) == 0
    card = capsys.readouterr().out
    assert "length = 500 (default 100)" in card and "Best guess without memory: loss 0.02039" in card
    for line, said in [(["copi"], "Did you mean 'copy'?"), (["copy", "length"], "'length' is not field=value")]:
        assert main_of_tasks(line) == 2
        assert said in capsys.readouterr().err
