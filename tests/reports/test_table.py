import csv
import dataclasses
import io
import math
import statistics
from pathlib import Path

import pytest

from gru_lab.reports import render
from gru_lab.reports.labels import layout
from gru_lab.reports.statistics import Interval
from gru_lab.reports.table import build, duration, rounded

GOLDEN = Path(__file__).with_name("golden_table.md")


def entry(table, row, column):
    [found] = [one for one in table.rows if one.label == row]
    return found.entries[column]


def test_the_markdown_of_a_small_comparison_is_as_it_was(run):
    records = [
        run("lstm", "adding", [0.004, 0.005, 0.006, 0.0045]),
        run("rnn", "adding", [0.16, 0.17, None, 0.165]),
        run("gru", "adding", [0.001, 0.0012, 0.0011, 0.0014]),
        run("my_module:MyCell", "adding", [None, None, None]),
        run("gru", "sequential_mnist", [0.98, 0.97, 0.99], better="higher", metric="accuracy", floor=0.1135,
            threshold=0.975),
    ]  # fmt: skip
    found = render.markdown(build(records, ["runs/7 holds no record.json: the run did not finish"]))
    assert found == GOLDEN.read_text(), (
        "The published look of the table changed. If you meant it, write the new text to "
        f"{GOLDEN.name} and read it as a stranger would: means and intervals here must not change without a reason "
        f"(another scipy may draw other resamples: then only the last digit of an interval moves).\n\n{found}"
    )


def test_a_record_becomes_an_entry(run):
    values = [0.4, 0.1, 0.25, 0.05, 0.2]
    rnn = run("rnn", losses=[0.3, 0.31, 0.32], seconds=0.002)
    gru = run("gru", losses=values, threshold=0.22, seconds=0.003)
    table = build([gru, rnn])
    assert table.columns == ("rnn", "gru")
    found = entry(table, "adding", "gru")
    assert found.interval.mean == pytest.approx(statistics.fmean(values))
    assert (found.solved, found.members, found.diverged) == (3, 5, 0)
    assert found.parameters_ratio == pytest.approx(3.0)
    assert found.time_ratio == pytest.approx(1.5)
    assert (found.cost, found.count) == ("3.00× · 1.50×", "3/5")
    assert entry(table, "adding", "rnn").cost == "1,000 · 2 ms"


def test_without_an_rnn_only_parameters_are_told(run):
    assert entry(build([run("gru"), run("lstm")]), "adding", "gru").cost == "3,000"


def test_times_are_not_compared_across_devices(run):
    table = build([run("rnn", device="a CPU"), run("gru", device="a GPU")])
    assert entry(table, "adding", "gru").cost == "3.00×"
    assert "Times are compared within one device only." in table.notes
    assert any("a CPU and a GPU" in note for note in table.notes)


def test_a_wider_rnn_is_no_reference_for_a_narrow_cell(run):
    table = build([run("rnn", hidden=16), run("rnn", hidden=32, seconds=1.0), run("gru", hidden=16)])
    assert table.columns == ("rnn (hidden=16)", "rnn (hidden=32)", "gru")
    assert entry(table, "adding", "gru").time_ratio == pytest.approx(3.0)
    assert (
        entry(build([run("rnn", hidden=1), run("rnn", hidden=2), run("gru", hidden=3)]), "adding", "gru").cost
        == "3,000"
    )


def test_the_best_is_marked_unless_one_of_its_seeds_diverged(run):
    good, bad = [0.01, 0.011, 0.012], [0.5, 0.51, 0.52]
    assert entry(build([run("rnn", losses=bad), run("gru", losses=good)]), "adding", "gru").best
    survivors = build([run("rnn", losses=bad), run("gru", losses=[*good, None])])
    assert not entry(survivors, "adding", "gru").best
    assert not entry(survivors, "adding", "rnn").best
    assert entry(survivors, "adding", "gru").count == "0/4 (1 diverged)"


def test_runs_that_all_diverged_say_so(run):
    found = entry(build([run("rnn", losses=[None, None]), run("gru")]), "adding", "rnn")
    assert render.cells(found) == "diverged 0/2"


def test_tasks_with_other_settings_get_rows_of_their_own(run):
    records = [run("gru", task_fields={"length": 1000}), run("lstm", task_fields={"length": 200}), run("gru", "copy")]
    assert layout(records).rows == ("adding (length=200)", "adding (length=1000)", "copy")


def test_cells_with_other_settings_get_columns_of_their_own(run):
    records = [run("gru", hidden=128), run("gru", hidden=64), run("lstm"), run("a:My"), run("b:My"), run("c:Mine")]
    assert layout(records).columns == ("lstm", "gru (hidden=64)", "gru (hidden=128)", "a:My", "b:My", "Mine")


def test_runs_that_differ_in_their_protocol_alone_share_no_entry(run):
    fast, slow = {"learning_rate": 0.01}, {"learning_rate": 0.001}
    records = [run("gru", optimizer=slow), run("gru", optimizer=fast), run("lstm", optimizer=fast)]
    placed = layout(records)
    assert len(placed.runs) == 3
    assert placed.rows == ("adding (optimizer.learning_rate=0.001)", "adding (optimizer.learning_rate=0.01)")


def test_runs_that_differ_in_nothing_that_their_configuration_tells_share_no_entry(run):
    first = run("gru")
    second = dataclasses.replace(first, config_hash="another")
    assert len(layout([first, second]).runs) == 2


def test_differences_that_no_label_shows_are_noted(run):
    records = [
        run("rnn", hidden=100, optimizer={"learning_rate": 0.01}), run("gru", hidden=46),
        run("rnn", "copy", hidden=100, optimizer={"learning_rate": 0.01}), run("gru", "copy", hidden=50),
    ]  # fmt: skip
    notes = build(records).notes
    assert "adding, copy: the cells differ in optimizer.learning_rate: 0.01 (rnn); 0.001 (gru)." in notes
    assert "adding: the cells differ in hidden units: 100 (rnn); 46 (gru)." in notes
    assert "gru: the tasks differ in hidden: 46 (adding); 50 (copy)." in notes
    assert layout(records).columns == ("rnn", "gru")


@pytest.mark.parametrize(
    ("mean", "low", "high", "expected"),
    [
        (0.00123, 0.00101, 0.00154, ("0.0012", "0.0010", "0.0015")),
        (0.98765, 0.9871, 0.9882, ("0.9877", "0.9871", "0.9882")),
        (1.0, 1.0, 1.0, ("1.00", "1.00", "1.00")),
        (1.5e-6, 1.0e-6, 2.0e-6, ("1.5e-06", "1.0e-06", "2.0e-06")),
        (123.4, 100.0, 150.0, ("123", "100", "150")),
        (0.0, 0.0, 0.0, ("0.00", "0.00", "0.00")),
        (-0.5, -0.6, -0.4, ("-0.50", "-0.60", "-0.40")),
        (0.25, -math.inf, math.inf, ("0.250", "-inf", "inf")),
    ],
)
def test_numbers_have_the_digits_that_their_interval_supports(mean, low, high, expected):
    assert rounded(Interval(mean, low, high, 5, "BCa")) == expected


def test_durations_have_units():
    assert [duration(s) for s in (2.5, 0.0314, 4.2e-5)] == ["2.5 s", "31.4 ms", "42 µs"]


def test_csv_keeps_every_digit(run):
    third = [1 / 3, 1 / 7, 1 / 9]
    table = build([run("rnn", losses=[None, None]), run("gru", losses=third)])
    lines = list(csv.DictReader(io.StringIO(render.csv(table))))
    assert [line["cell"] for line in lines] == ["rnn", "gru"]
    assert (lines[0]["mean"], lines[0]["low"], lines[0]["diverged"]) == ("", "", "2")
    found = entry(table, "adding", "gru").interval
    assert [float(lines[1][name]) for name in ("mean", "low", "high")] == [found.mean, found.low, found.high]
    assert found.mean == pytest.approx(sum(third) / 3, rel=1e-15)


def test_latex_is_balanced_and_escaped(run):
    records = [run("rnn", "seq_mnist"), run("gru", "seq_mnist", [0.01, 0.011, 0.012])]
    text = render.latex(build(records, ["C:\\runs\\a_b 50% & more"]))
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert [line.count(" & ") for line in lines] == [3] * 4  # the head, and three lines of the one task
    assert r"seq\_mnist" in text and r"a\_b 50\% \& more" in text and r"C:\textbackslash{}runs" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert r"\textbf{0.011 0/3}" in text
    assert text.isascii(), "a character that plain LaTeX may not know"


def test_many_cells_stand_below_each_other(run):
    names = ["rnn", "lstm", "gru", *(f"cell_{n}" for n in range(7))]
    records = [run(cell=name, task=task) for task in ("adding", "copy") for name in names]
    table = build(records, [])
    lines = render.markdown(table).splitlines()
    rows = [line for line in lines if line.startswith("| cell_3 |")]
    assert len(rows) == 2 and all(row.count("|") == 4 for row in rows), rows
    assert next(line for line in lines if line.startswith("| adding |")).count("|") == 4
    latex = render.latex(table)
    body = latex[latex.index(r"\toprule") : latex.index(r"\bottomrule")].splitlines()
    assert sum(line.startswith(r"cell\_3 &") for line in body) == 2
    assert {line.count(" & ") for line in body if line.endswith(r"\\")} == {2}
