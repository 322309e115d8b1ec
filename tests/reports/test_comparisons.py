"""Tests, probabilities, scores and ranks: against values known by hand, by counting, or by simulation."""

import csv
import itertools
import math

import numpy as np
import pytest

from gru_lab.errors import UserError
from gru_lab.programs.table import main
from gru_lab.reports import comparison_tables, pages
from gru_lab.reports.comparisons import compare
from gru_lab.reports.coverage import (
    DISTRIBUTIONS,
    PROMISED,
    WORST_AGGREGATE,
    aggregate_coverage,
    improvement_coverage,
)
from gru_lab.reports.effects import (
    Estimate,
    aggregate,
    averaged,
    expected_best,
    holm,
    improvement,
    mean_ranks,
    permutation_p,
    restricted,
    score,
    solved_share,
)
from gru_lab.reports.table import build
from gru_lab.runs import Found

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("n", [2, 5, 8])
def test_the_permutation_test_counts_all_signs(n):
    xs = RNG.normal(0.7, 1, n)
    means = [abs(np.mean(xs * signs)) for signs in itertools.product((1, -1), repeat=n)]
    assert permutation_p(xs) == pytest.approx(np.mean(np.array(means) >= abs(xs.mean()) - 1e-12))
    assert permutation_p(np.zeros(n)) == 1


def test_holms_correction_is_that_of_his_paper():
    assert holm([0.01, 0.005, 0.03, 0.04]) == pytest.approx([0.03, 0.02, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0] and holm([]) == []
    families = [holm(list(RNG.random(8))) for _ in range(2000)]
    assert np.mean([min(family) < 0.05 for family in families]) == pytest.approx(0.05, abs=0.015)


def test_the_probability_of_improvement_counts_pairs_and_holds_in_95_of_100_samples():
    xs, ys = RNG.integers(0, 4, 6).astype(float), RNG.integers(0, 4, 5).astype(float)
    share = np.mean([(x < y) + (x == y) / 2 for x in xs for y in ys])
    assert improvement(xs, ys, "lower").value == pytest.approx(share)
    assert improvement(xs, ys, "higher").value == pytest.approx(1 - share)
    apart = improvement(np.arange(5.0), np.arange(5.0) + 10, "lower")
    assert apart.value == apart.high == 1 and 0.6 < apart.low < 0.7, "five seeds do not prove a certainty"
    shares = {(shift, n): improvement_coverage(shift, n, 250) for shift in (0.0, 2.0) for n in (5, 20)}
    assert min(shares.values()) > PROMISED - 0.03, shares
    both = averaged([apart, improvement(np.arange(5.0), np.arange(5.0), "lower")])
    assert both.value == 0.75 and 0.5 < both.low < 0.75 < both.high <= 1


def test_wilsons_interval_is_his():
    k, n, z = 4, 6, 1.959963984540054
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(k * (n - k) / n + z**2 / 4)
    assert solved_share(k, n) == pytest.approx((k / n, middle - half, middle + half))


def test_scores_are_shares_of_the_way_to_the_threshold_and_are_aggregated_by_task():
    assert [score(value, 0.2, 0.0) for value in (0.1, 0.3, None, -0.02)] == pytest.approx([0.5, 0, 0, 1.1])
    strata = [np.array([0.0, 0.2, 0.4, 0.6]), np.array([0.9, 1.0, 1.1, 1.0]), np.array([0.1, 0.1, 0.1, 0.5])]
    assert aggregate(strata, "mean").value == pytest.approx((0.3 + 1.0 + 0.2) / 3)
    assert aggregate(strata, "median").value == pytest.approx(0.3)
    assert aggregate(strata, "iqm").value == pytest.approx(np.mean(sorted(np.concatenate(strata))[3:9]))
    for statistic in ("mean", "median", "iqm"):
        around = aggregate(strata, statistic)
        assert around.low < around.value < around.high
    assert math.isnan(aggregate([np.ones(3)], "iqm").low), "equal scores tell nothing of their spread"


def test_the_aggregates_hold_as_often_as_they_say():
    assert aggregate_coverage(DISTRIBUTIONS["exponential"], 4, 5, 500, "mean") > PROMISED
    assert aggregate_coverage(DISTRIBUTIONS["exponential"], 4, 5, 100, "iqm") > WORST_AGGREGATE - 0.05


def test_ranks_are_means_over_tasks():
    rows = [
        [np.array([1.0, 1.1, 0.9]), np.array([2.0, 2.1, 1.9])],
        [np.array([3.0, 3.1, 2.9]), np.array([3.0, 3.1, 2.9])],
    ]
    first, second = mean_ranks(rows, ["lower", "higher"])
    assert (first.value, second.value) == (1.25, 1.75)
    assert (first.low, first.high) == (1, 1.5), "the first task is certain, the second open"


def test_the_expected_best_is_that_of_random_draws():
    values = [0.9, 0.5, 0.7, 0.2]
    for better, best in (("higher", np.max), ("lower", np.min)):
        found = expected_best(values, better)
        assert found[0] == pytest.approx(np.mean(values))
        assert found[1] == pytest.approx(np.mean([best(pair) for pair in itertools.product(values, repeat=2)]))


def test_failures_do_not_make_a_network_quicker():
    spent = restricted([100, None, 300], 1000)
    assert spent is not None and spent.value == pytest.approx(1400 / 3) and spent.high <= 1000


def comparison(run):
    """Two tasks, three networks, whose seeds have a large part in common; one seed of lstm diverged."""
    common = np.linspace(0.05, 0.15, 8)
    groups = []
    for task in ("adding", "copy"):
        groups += [
            run("rnn", task, list(common), threshold=0.02),
            run("gru", task, list(common - 0.01), threshold=0.045),
            run("lstm", task, [None, *(common[1:] + 0.001 * (-1) ** np.arange(7))], threshold=0.02),
        ]
    return groups


def test_a_table_is_compared_with_its_reference_by_pairs_of_seeds(run):
    groups = [*comparison(run), run("rnn", "digits", [0.1, 0.2], threshold=None)]
    made = compare(build(groups))
    assert made is not None and made.reference == "rnn" and made.tests == 4
    assert made.tasks == made.scored == ("adding", "copy")
    of = {(pair.task, pair.network): pair for pair in made.pairs}
    gru, lstm, rnn = (of["adding", name] for name in ("gru", "lstm", "rnn"))
    assert gru.pairs == 8 and gru.p == 2 / 2**8, "all eight pairs say the same, which their means do not show"
    assert gru.difference is not None and gru.difference.value == pytest.approx(-0.01)
    assert gru.corrected == pytest.approx(4 * gru.p) == of["copy", "gru"].corrected
    assert lstm.difference is not None
    worst = 0.167 - 0.05  # a diverged seed counts as the floor, which is worse than any result
    assert lstm.difference.value == pytest.approx((worst + 0.001) / 8) and lstm.corrected > 0.5
    assert rnn.reference is None and math.isnan(rnn.p) and rnn.improvement.value != rnn.improvement.value
    assert gru.solved is not None and gru.solved.value == 1 / 8 and gru.updates is not None
    assert gru.updates.value == math.inf and gru.spent is not None and gru.spent.value == 200
    best = {each.network: each for each in made.overall}
    assert best["gru"].rank.value == 1 and best["lstm"].rank.value == 3
    assert best["gru"].solved is not None and best["gru"].solved.value == 2 / 16


def test_the_cost_to_solve_is_in_updates_operations_and_seconds_where_records_say_it(run):
    solved = [0.001] * 8
    groups = [run("rnn", losses=solved, flops=3_000_000, seconds=0.5), run("gru", losses=solved)]
    made = compare(build([*groups, run("lstm", losses=[0.1] * 8, flops=10)]))
    assert made is not None
    rnn, lstm, gru = made.pairs
    assert (rnn.updates.value, rnn.flops.value, rnn.seconds.value) == (200, 6e8, 100)
    assert gru.updates.value == 200 and gru.flops is None and lstm.flops.value == math.inf
    rows = [row[7:] for row in comparison_tables.on_tasks(made).rows]
    assert [row[2] for row in rows] == ["600 M", "never", "—"]
    [first, _, last] = csv.DictReader(comparison_tables.csv(made)["statistics.csv"].decode().splitlines())
    assert (first["flops_to_solve"], last["flops_to_solve"]) == ("600000000.0", "")


def test_seeds_of_one_network_alone_are_no_pairs(run):
    groups = [run("rnn", losses=[0.1, 0.2, 0.3], seeds=[1, 2, 3]), run("gru", losses=[0.3, 0.2, 0.1], seeds=[3, 2, 9])]
    made = compare(build(groups))
    assert made is not None
    gru = made.pairs[1]
    assert gru.pairs == 2 and gru.difference is not None and gru.difference.value == pytest.approx(0)
    apart = compare(build([groups[0], run("gru", losses=[0.3, 0.2, 0.1], seeds=[7, 8, 9])]))
    assert apart is not None and math.isnan(apart.pairs[1].p) and apart.tests == 0
    assert compare(build([groups[0]])) is None


def test_the_report_has_the_statistics_and_the_command_prints_them(run, tmp_path, capsys, monkeypatch):
    from gru_lab.reports.pages import comparison as page

    monkeypatch.setattr(page, "KINDS", {})
    comparison(run)
    assert main([str(tmp_path / "runs"), "--statistics"]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "runs" / "report"
    text = (folder / "statistics.md").read_text()
    assert text in printed and text in (folder / "README.md").read_text()
    assert "| adding | gru | -0.0100 | 0.008 | **0.031** |" in text, text
    assert "p (Holm): corrected over the 4 tests of this table" in text
    assert "(performance_profiles.png)" in (folder / "README.md").read_text()
    assert (folder / "performance_profiles.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "statistics.tex").read_text().count(r"\begin{tabular}") == 2
    with (folder / "statistics.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["network"] for line in lines[:3]] == ["rnn", "lstm", "gru"] and float(lines[2]["p"]) == 2 / 2**8
    assert lines[0]["p"] == "" and lines[2]["updates_to_solve"] == "", "never"
    assert main([str(tmp_path / "runs"), "--statistics"]) == 0 and text in capsys.readouterr().out, "kept and printed"


def test_the_statistics_are_a_page_too(run):
    page = pages.create("statistics", reference="gru").make(pages.Material(Found(tuple(comparison(run)))))
    assert "Compared with gru" in page.write("markdown") and set(page.data) == {
        "statistics.csv",
        "statistics_overall.csv",
    }


def test_the_tuning_page_shows_the_best_to_expect_of_a_budget(run, tmp_path, found):
    for network, results in {"rnn": [0.1, 0.3, None, 0.2], "gru": [0.05, 0.15]}.items():
        for n, result in enumerate(results):
            hyper = {"optimizer.learning_rate": 0.001 * (n + 1), "optimizer.clip_at": 1.0}
            run(network, losses=[result, result], hyper=hyper, seeds=[70, 71], role="tune", protocol="tuned")
    run("gru", hyper={"optimizer.learning_rate": 0.001}, protocol="tuned")
    material = found()
    assert len(material.groups) == 1 and len(material.tuning) == 6 and material.broken == ()
    page = pages.create("tuning").make(pages.Material(material))
    rows = [line for line in page.write("markdown").splitlines() if line.startswith(("| rnn", "| gru"))]
    rnn = expected_best([0.1, 0.3, 0.3, 0.2], "lower")
    best = "optimizer.learning_rate=0.001 |"
    assert rows == [
        f"| rnn | 4 | 2 | {rnn[0]:.3g} | {rnn[1]:.3g} | {rnn[3]:.3g} | {best}",
        f"| gru | 2 | 2 | 0.1 | 0.075 |  | {best}",
    ]
    assert page.files()["tuning_adding.png"].startswith(b"\x89PNG")
    with pytest.raises(UserError, match="role tune"):
        pages.create("tuning").make(pages.Material(Found(material.groups)))


def test_numbers_are_written_as_people_read_them():
    assert [comparison_tables._p(p) for p in (math.nan, 0.0001, 0.25)] == ["", "<0.001", "0.250"]
    estimates = [Estimate(0.5, 0.25, 0.75), Estimate(0.0, 0.0, math.inf), Estimate(1.0, math.nan, math.nan), None]
    assert [comparison_tables._estimate(around) for around in estimates] == ["0.50 [0.25, 0.75]", "0.00", "1.00", ""]
