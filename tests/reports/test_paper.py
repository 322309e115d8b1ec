"""The LaTeX of a table; where pdflatex is installed, three of our tables in a two-column article."""

import re
import shutil
import subprocess

import pytest

from gru_lab.reports.blocks import Table
from gru_lab.reports.paper import LETTER, paper, width
from gru_lab.reports.table import build

TASKS = {"adding": 0.0058, "copy": 0.0145, "digits": 0.913, "temporal_order": 0.9951}
HIGHER = {"better": "higher", "metric": "accuracy", "floor": 0.0833, "threshold": 0.99}


def comparison(run, networks, tasks=TASKS):
    """As large as those that are published: six seeds, all digits, a floor."""
    groups = []
    for task in tasks:
        for n, network in enumerate(networks):
            losses = [tasks[task] * (1 + 0.07 * k) ** (n + 1) for k in range(6)]
            groups.append(run(network, task, losses, **(HIGHER if task in ("digits", "temporal_order") else {})))
    return build(groups)


def test_the_table_of_a_paper_has_its_caption_label_names_and_notes_aside(run):
    text = paper(comparison(run, ["rnn", "lstm", "gru"]))
    assert text.count(r"\begin{table*}") == 1 and r"\label{tab:comparison}" in text
    [caption] = [line for line in text.splitlines() if line.startswith(r"\caption")]
    assert "Comparison on adding, copy, digits and temporal order: mean over 6 seeds" in caption
    assert "of the other networks relative to the RNN" in caption
    assert "task & metric & RNN & LSTM & GRU" in text and "temporal order & accuracy" in text
    printed, _, aside = text.partition(r"\end{table*}")
    assert r"\_" not in printed and "Entry: the mean" not in printed and "% Entry: the mean" in aside
    assert all(not line or line.startswith("% ") for line in aside.splitlines())


def test_networks_that_do_not_fit_side_by_side_take_a_line_each(run):
    assert paper(comparison(run, ["rnn", "lstm", "gru"])).count(r"\begin{table*}") == 1
    assert paper(comparison(run, ["rnn", "lstm", "gru", "mgu", "ran", "lem"])).count(r"\begin{table*}") == 4


def test_the_width_is_that_of_the_longest_words_of_every_column():
    assert width(Table(["a", "bb"], [["ccc", ("d", "e", "f", "g")]])) == pytest.approx(LETTER * 7 + 2 * 6)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (texlive-latex-recommended)")
def test_three_tables_fit_a_two_column_article(run, tmp_path):
    many = ["rnn", "lstm", "gru", "mgu", "minimalrnn", "antisymmetric", "unicornn", "my_module:MyCell"]
    tables = [
        paper(comparison(run, ["rnn", "lstm", "gru"])),
        paper(comparison(run, ["rnn", "lstm", "gru", "my_module:My_Cell"])),
        paper(comparison(run, many, {"temporal_order": 0.9})),
    ]
    body = ""
    for n, text in enumerate(tables):
        text = text.replace(r"\label{tab:", rf"\label{{tab:{n}-")
        body += text + "".join(rf"See Table~\ref{{{label}}}. " for label in re.findall(r"\\label\{(.*?)\}", text))
    preamble = r"\documentclass[10pt,a4paper,twocolumn]{article}\usepackage{booktabs}"
    (tmp_path / "paper.tex").write_text(rf"{preamble}\begin{{document}}{body}\end{{document}}")
    for _ in range(2):  # the second time references are known
        line = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout[-3000:]
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert "Overfull" not in log and "LaTeX Warning" not in log, log
