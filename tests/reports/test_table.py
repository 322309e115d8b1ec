import csv
import dataclasses
import io
import math
import statistics
from pathlib import Path

import pytest

from gru_lab.errors import UserError
from gru_lab.reports import markdown as writer
from gru_lab.reports import render
from gru_lab.reports.labels import layout
from gru_lab.reports.pages import comparison
from gru_lab.reports.paper import paper
from gru_lab.reports.quantities import duration, rounded
from gru_lab.reports.report import make
from gru_lab.reports.statistics import Interval
from gru_lab.reports.table import build
from gru_lab.runs import Found, Group

GOLDEN = Path(__file__).with_name("golden_table.md")
RATE = "optimizer.learning_rate"


def entry(table, row, column):
    [line] = [line for line in table.rows if line.label == row]
    return line.entries[column]


def markdown(table):
    return writer.markdown(render.blocks(render.shown(table)))


def test_the_markdown_of_a_small_comparison_is_as_it_was(run):
    groups = [
        run("lstm", "adding", [0.004, 0.005, 0.006, 0.0045]),
        run("rnn", "adding", [0.16, 0.17, None, 0.165]),
        run("gru", "adding", [0.001, 0.0012, 0.0011, 0.0014]),
        run("my_module:MyCell", "adding", [None, None, None]),
        run("transformer", "adding", [0.2, 0.21, 0.22, 0.2], cell=None, hidden=None),
        run("gru", "sequential_mnist", [0.98, 0.97, 0.99], better="higher", metric="accuracy", floor=0.1135,
            threshold=0.975),
        run("gru", "translation", [12.0, 13.0, 11.0], better="higher", metric="bleu", floor=None, threshold=None),
    ]  # fmt: skip
    text = markdown(build(groups, ["runs/7 holds no member"], ["runs/8: 2 of its members stand in another folder too"]))
    assert text == GOLDEN.read_text(), (
        "The published look of the table changed. If you meant it, write the new text to "
        f"{GOLDEN.name} and read it as a stranger would: means and intervals here must not change without a reason.\n\n"
        f"{text}"
    )


def test_a_group_becomes_an_entry(run):
    values = [0.4, 0.1, 0.25, 0.05, 0.2]
    rnn = run("rnn", losses=[0.3, 0.31, 0.32], seconds=0.002)
    gru = run("gru", losses=values, threshold=0.22, seconds=0.003)
    table = build([gru, rnn], mixed=True)
    assert table.columns == ("rnn", "gru")
    found = entry(table, "adding", "gru")
    assert found.interval.value == pytest.approx(statistics.fmean(values))
    assert (found.group.solved, found.members, found.diverged) == (3, 5, 0)
    assert (found.cost, found.count) == ("3.00× · 1.50×", "3/5")
    assert entry(table, "adding", "rnn").cost == "1,000 · 2 ms"
    assert any("Seeds per entry: 5 (adding: gru); 3 (adding: rnn)." in note for note in table.notes)


def test_costs_are_relative_to_the_reference_that_is_asked_for_or_absolute(run):
    groups = [run("lstm"), run("gru"), run("transformer", cell=None, hidden=None, seconds=0.01)]
    assert entry(build(groups), "adding", "gru").cost == "3,000 · 3 ms", "there is no rnn"
    relative = build(groups, reference="gru")
    costs = [entry(relative, "adding", column).cost for column in ("lstm", "gru", "transformer")]
    assert costs == ["1.33× · 1.33×", "3,000 · 3 ms", "0.67× · 3.33×"]
    assert any("of gru as they are" in note for note in relative.notes)
    with pytest.raises(UserError, match=r"reference is 'gro': it must be .* Did you mean 'gru'\?"):
        build(groups, reference="gro")


def test_times_are_not_compared_across_devices(run):
    table = build([run("rnn", device="a CPU"), run("gru", device="a GPU")])
    assert entry(table, "adding", "gru").cost == "3.00×"
    assert any("compared within one device only." in note for note in table.notes)
    assert any("a CPU and a GPU" in note for note in table.notes)


def test_a_wider_reference_says_nothing_of_a_narrow_network(run):
    table = build([run("rnn", hidden=16), run("rnn", hidden=32, seconds=1.0), run("gru", hidden=16)])
    assert table.columns == ("rnn (hidden=16)", "rnn (hidden=32)", "gru")
    assert entry(table, "adding", "gru").time_ratio == pytest.approx(3.0)
    unclear = build([run("rnn", hidden=1), run("rnn", hidden=2), run("gru", hidden=3)])
    assert entry(unclear, "adding", "gru").cost == "3,000 · 3 ms"


def test_the_best_is_marked_unless_one_of_its_seeds_has_no_value(run):
    good, bad = [0.01, 0.011, 0.012], [0.5, 0.51, 0.52]
    assert entry(build([run("rnn", losses=bad), run("gru", losses=good)]), "adding", "gru").best
    survivors = build([run("rnn", losses=bad), run("gru", losses=[*good, None])], mixed=True)
    assert not any(e.best for e in survivors.rows[0].entries.values())
    assert entry(survivors, "adding", "gru").count == "0/4 (1 diverged)"
    gru = run("gru", losses=[*good, 0.011])
    lost = dataclasses.replace(gru.members[0], metrics={"validation": {"loss": 0.01}, "test": {"loss": None}})
    silent = build([run("rnn", losses=bad), Group((lost, *gru.members[1:]))], mixed=True)
    assert not entry(silent, "adding", "gru").best
    assert entry(silent, "adding", "gru").count == "0/4 (1 without a value)"
    assert entry(build([run("rnn", losses=[None, None])]), "adding", "rnn").value == "diverged"


def test_settings_that_differ_give_rows_and_columns_of_their_own(run):
    rows = [run("gru", task_fields={"length": 1000}), run("lstm", task_fields={"length": 200}), run("gru", "copy")]
    assert layout(rows).rows == ("adding (length=200)", "adding (length=1000)", "copy")
    columns = [run("gru", hidden=128), run("gru", hidden=64), run("lstm"), run("a:My"), run("b:My"), run("c:Mine")]
    assert layout(columns).columns == ("lstm", "gru (hidden=64)", "gru (hidden=128)", "a:My", "b:My", "Mine")
    models = [run("gru", model={"name": "recurrent", "layers": n}) for n in (1, 2)]
    assert layout(models).columns == ("gru (model.layers=1)", "gru (model.layers=2)")


@pytest.mark.parametrize(
    ("first", "second", "rows", "columns"),
    [
        ({"hyper": {"optimizer.learning_rate": 0.01}}, {"hyper": {"optimizer.learning_rate": 0.1}},
         ("adding (optimizer.learning_rate=0.01)", "adding (optimizer.learning_rate=0.1)"), ("gru",)),
        ({"hyper": {"cell.forget_bias": 1.0}}, {"hyper": {"cell.forget_bias": 2.0}},
         ("adding",), ("gru (forget_bias=1.0)", "gru (forget_bias=2.0)")),
        ({"training": {"batch": 8}}, {"training": {"batch": 64}},
         ("adding (training.batch=8)", "adding (training.batch=64)"), ("gru",)),
        ({"method": {"name": "sequential"}}, {"method": {"name": "reference"}},
         ("adding (method.name=reference)", "adding (method.name=sequential)"), ("gru",)),
        ({"sources": {"cell": "0" * 64}}, {"sources": {"cell": "f" * 64}},
         ("adding (sources.cell=00000000)", "adding (sources.cell=ffffffff)"), ("gru",)),
    ],
    ids=["learning rate", "forget bias", "batch", "method", "edited source"],
)  # fmt: skip
def test_groups_that_differ_share_no_place_and_the_difference_is_seen(run, first, second, rows, columns):
    placed = layout([run(**first), run(**second)])
    assert (placed.rows, placed.columns) == (rows, columns) and len(placed.groups) == 2


def test_groups_that_differ_in_nothing_that_can_be_named_share_no_place(run):
    first = run("gru")
    second = Group(tuple(dataclasses.replace(record, identity="another") for record in first.members))
    assert len(layout([first, second]).groups) == 2
    hidden = [run("gru", task_fields={"x": "a\nb"}), run("gru", task_fields={"x": "a b"})]
    assert len(layout(hidden).groups) == 2, "labels that look alike are numbered"


def test_what_networks_are_may_differ_and_is_noted(run):
    groups = [
        run("rnn", hidden=100, method={"name": "sequential"}), run("gru", hidden=46, method={"name": "parallel"}),
        run("rnn", "copy", hidden=100), run("gru", "copy", hidden=50, sources={"my_cells": "f" * 64}),
    ]  # fmt: skip
    table = build(groups)
    notes = [*table.notes, *table.further]
    assert "adding: the networks differ in hidden units: 100 (rnn); 46 (gru)." in notes
    assert "adding: the networks differ in method.name: sequential (rnn); parallel (gru)." in notes
    assert "gru: the tasks differ in hidden: 46 (adding); 50 (copy)." in notes


FAST = {"name": "adam", "learning_rate": 0.01}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"optimizer": FAST}, "optimizer.learning_rate: 0.001 (rnn); 0.01 (gru)"),
        ({"hyper": {"optimizer.clip_at": 5.0}}, "optimizer.clip_at: unset (rnn); 5.0 (gru)"),
        ({"training": {"updates": 9}}, "training.updates: unset (rnn); 9 (gru)"),
        ({"losses": [0.1, 0.2]}, "the number of seeds: 3 (rnn); 2 (gru)"),
        ({"protocol": "tuned"}, "protocol: fixed (rnn); tuned (gru)"),
        ({"metric": "accuracy"}, None),  # told: a row of its own
        ({"sources": {"mine": "f" * 64}}, None),  # its own source
    ],
)
def test_what_networks_share_must_agree_or_the_table_is_refused(run, changed, named):
    groups = [run("rnn"), run("gru", **changed), run("rnn", "copy"), run("gru", "copy")]
    if named is None:
        assert len(build(groups).columns) == 2
        return
    with pytest.raises(UserError) as refusal:
        build(groups)
    assert f"adding: the networks differ in {named}" in str(refusal.value) and "--mixed" in str(refusal.value)
    mixed = build(groups, mixed=True)
    assert any(note.startswith("Mixed: adding:") and named in note for note in (*mixed.notes, *mixed.further))
    assert build(groups, ["a member"]).rows if "seeds" in named else True, "those left out are named already"


def test_data_and_the_source_of_a_shared_task_must_agree(run):
    def with_data(network, letter, **more):
        group = run(network, **more)
        return Group(tuple(dataclasses.replace(record, data={"x.csv": letter * 64}) for record in group.members))

    with pytest.raises(UserError, match=r"data.x.csv: aaaaaaaa \(rnn\); bbbbbbbb \(gru\)"):
        build([with_data("rnn", "a"), with_data("gru", "b")])
    source = [{"task": "my.py:Mine", "sources": {"my": letter * 64}} for letter in "ab"]
    with pytest.raises(UserError, match=r"sources\.my: "):
        build([run("rnn", **source[0]), run("gru", **source[1])])


def test_differences_that_a_label_tells_are_not_refused(run):
    rates = [run(name, hyper={"optimizer.learning_rate": rate}) for name in ("rnn", "gru") for rate in (0.01, 0.1)]
    assert build(rates).rows[0].label == "adding (optimizer.learning_rate=0.01)"
    lengths = [run(name, task_fields={"length": n}) for name in ("rnn", "gru") for n in (10, 20)]
    assert len(build(lengths).rows) == 2 and len(build([run("gru", hidden=n) for n in (1, 2)]).columns) == 2


def test_rates_that_a_protocol_chose_are_told_and_name_no_column(run):
    rates = {("rnn", "adding"): 0.001, ("gru", "adding"): 0.01, ("rnn", "copy"): 0.01, ("gru", "copy"): 0.01}
    table = build([
        run(*place, hyper={RATE: rate, "optimizer.clip_at": 1.0}, protocol="tuned",
            selection={"hyper": {RATE: rate}, "edge": [RATE] if rate == 0.001 else []})
        for place, rate in rates.items()
    ])  # fmt: skip
    assert table.columns == ("rnn", "gru") and [row.label for row in table.rows] == ["adding", "copy"]
    notes = [*table.notes, *table.further]
    choice = "adding 0.001 at an end of its axis (rnn), 0.01 (gru); copy 0.01 (rnn, gru)"
    assert f"Chosen on validation data, {RATE}: {choice}." in notes
    with pytest.raises(UserError, match=r"optimizer\.clip_at: 1\.0 \(rnn\); 2\.0 \(gru\)"):
        build([run(name, hyper={RATE: 0.1, "optimizer.clip_at": clip}, selection={"hyper": {RATE: 0.1}})
               for name, clip in (("rnn", 1.0), ("gru", 2.0))])  # fmt: skip


def test_the_notes_are_at_most_eight_and_the_page_has_the_others(run, monkeypatch):
    monkeypatch.setattr(comparison, "KINDS", {})  # no figures
    groups = [run("rnn"), run("gru", hidden=7)]
    table = build(groups, [f"run {n} is broken" for n in range(9)])
    assert len(markdown(table).partition("- **Bold**")[2].splitlines()) == 8 == len(table.notes) + 1
    assert len(table.further) == 9 + 5 - 6 and "further notes are in README.md" in table.notes[-1]
    files = make(Found(tuple(groups), tuple(f"run {n} is broken" for n in range(9)))).files
    page = files["README.md"].decode()
    assert all(note.replace("_", r"\_") in page for note in table.further), page


def test_where_a_repetition_will_fall_is_shown_on_demand(run):
    gru = run("gru", losses=[0.1, 0.2, 0.3])
    cells = [entry(build([gru], repetition=m), "adding", "gru") for m in (None, 0, 3, 1)]
    t = 4.302652729911275  # the 97.5% quantile of Student's t with two degrees of freedom
    assert [cell.repetition for cell in cells[:1]] == [""] and cells[1].repetition == cells[2].repetition
    low, high = cells[1].again(3)
    assert (low, high) == pytest.approx((0.2 - t * 0.1 * math.sqrt(2 / 3), 0.2 + t * 0.1 * math.sqrt(2 / 3)), rel=1e-6)
    assert "again -0.15 to 0.55" in markdown(build([gru], repetition=0))
    assert cells[3].again(1)[1] > high


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
    assert rounded(Interval(mean, low, high, 5, "t and Hall")) == expected


def test_durations_have_units():
    assert [duration(s) for s in (2.5, 0.0314, 4.2e-5)] == ["2.5 s", "31.4 ms", "42 µs"]


def test_csv_keeps_every_digit_and_says_where_it_comes_from(run):
    third = [1 / 3, 1 / 7, 1 / 9]
    gru = run("gru", losses=third, hyper={"optimizer.learning_rate": 0.01}, seeds=[3, 5, 8], device="a GPU")
    table = build([run("rnn", losses=[None, None]), gru], mixed=True)
    lines = list(csv.DictReader(io.StringIO(render.csv(table))))
    assert [line["network"] for line in lines] == ["rnn", "gru"]
    assert (lines[0]["value"], lines[0]["low"], lines[0]["diverged"]) == ("", "", "2")
    around = entry(table, "adding", "gru").interval
    assert [float(lines[1][name]) for name in ("value", "low", "high")] == [around.value, around.low, around.high]
    assert around.value == pytest.approx(sum(third) / 3, rel=1e-15)
    about = {name: lines[1][name] for name in ("device", "versions", "identity", "hyper", "protocol", "seeds")}
    assert about == {
        "device": "a GPU", "versions": "jax 0.10.2", "identity": gru.shared.identity,
        "hyper": "optimizer.learning_rate=0.01", "protocol": "fixed", "seeds": "3 5 8",
    }  # fmt: skip
    assert lines[1]["statistic"].startswith("the mean over the seeds")


def test_many_networks_stand_below_each_other(run):
    names = ["rnn", "lstm", "gru", *(f"cell_{n}" for n in range(7))]
    table = build([run(name, task) for task in ("adding", "copy") for name in names])
    lines = markdown(table).splitlines()
    rows = [line for line in lines if line.startswith("| cell_3 |")]
    assert len(rows) == 2 and all(row.count("|") == 4 for row in rows), rows
    assert next(line for line in lines if line.startswith("| adding |")).count("|") == 4
    text = paper(table)
    assert text.count("cell 3 &") == 2 and text.count(r"\label{tab:comparison-") == 2
    assert {line.count(" & ") for line in text.splitlines() if line.endswith(r"\\")} == {3}
