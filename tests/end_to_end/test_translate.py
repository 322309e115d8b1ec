"""A small encoder-decoder learns to translate, and `scripts/translate.py` lets it."""

import math
import sys

import numpy as np
import pytest
import tiny

from gru_lab import cells, models, tasks
from gru_lab.data.words import words_of
from gru_lab.programs import translate


@pytest.mark.slow
def test_a_trained_network_translates(tmp_path, capsys, monkeypatch):
    ours = tiny.experiment(
        cells.create("gru", hidden=24), tasks.create("multi30k"), seeds=1, updates=400, evaluate_every=400, batch=16,
        optimizer=tiny.adam(learning_rate=0.02), model=models.create("encoder_decoder", embedding=16),
    )  # fmt: skip
    run = str(tiny.run(ours, tmp_path / "sweep").folder)
    assert translate.main([run, "T one three four.", "T two and one four two three.", "--beam", "3"]) == 0
    assert capsys.readouterr().out == "t eins drei vier.\nt zwei und eins vier zwei drei.\n"
    assert translate.main([run, "T two and one."]) == 0 and capsys.readouterr().out == "t zwei und eins.\n"
    drawing = tmp_path / "attention.png"
    assert translate.main([run, "T two and one.", "--attention", str(drawing)]) == 0
    assert drawing.read_bytes().startswith(b"\x89PNG")
    shares, rows, columns = translate.Translator(run).shares("T two and one.", words_of("t zwei und eins."))
    assert rows[-1] == columns[-1] == "</s>" and shares.shape == (len(rows), len(columns))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    capsys.readouterr()
    assert translate.main([run, "--bleu"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("BLEU = ") and "case:lc" in printed and "tok:13a" in printed and "version:" in printed
    for wrong, why in [
        ([run, "a", "--beam", "0"], "--beam is 0: it must be at least 1"),
        ([run, ""], "a sentence is empty"),
        ([run, "a", "b", "--attention", str(drawing)], "--attention draws one sentence, and there are 2"),
        ([run, "a", "--attention", "x.gif"], "--attention is x.gif: it must be the name of a .png or .pdf"),
        ([run, "a", "--bleu"], "--bleu translates the test set"),
    ]:
        assert translate.main(wrong) == 2 and why in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    assert translate.main([run, "--bleu"]) == 2
    assert "pip install 'gru-lab[translation]'" in capsys.readouterr().err


def test_bleu_is_that_of_papineni_for_an_example_by_hand():
    printed = translate.bleu(["a b c d e f"], ["A b c d x f"], lower=True)
    precisions = [5 / 6, 3 / 5, 2 / 4, 1 / 3]
    assert f"BLEU = {100 * math.prod(precisions) ** 0.25:.2f}" in printed


def test_a_run_of_another_task_is_refused(tmp_path, capsys):
    run = str(tiny.run(tiny.experiment(seeds=1), tmp_path / "sweep").folder)
    assert translate.main([run, "a"]) == 2
    assert "is a run of task=adding with rnn: it must be of task=multi30k" in capsys.readouterr().err
