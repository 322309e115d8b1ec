import math
import time
from pathlib import Path

import numpy as np
import pytest

from gru_lab import reports
from gru_lab.reports import curves, gradient_flow, panels
from gru_lab.reports.style import DASHES, KNOWN, looks, palette
from gru_lab.schema import UserError

LAGS = list(range(50))


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, in place of their files."""
    pages = []
    for module in (curves, panels):
        monkeypatch.setattr(module, "files", lambda page: pages.append(page) or {"png": b""})
    return pages


def decay(rate: float, members: int = 3) -> list[list[float]]:
    return [[0.5 * rate**lag for lag in LAGS] for _ in range(members)]


def draw(function, *records):
    return function("adding", {record.cell: record for record in records}, palette(r.cell for r in records))


def test_a_solved_member_keeps_its_value_and_a_diverged_one_has_none(run):
    values = [[0.1, 0.1, 0.1], [0.005, 0.2, 9.0], [None, 0.3, None], [None, 0.4, None]]
    updates, found = curves.curves(run(losses=[0.005, 0.4, None], curves=values))
    assert updates.tolist() == [100, 200, 300, 400]
    assert found[:, 0].tolist() == [0.1, 0.005, 0.005, 0.005]
    assert found[:, 1].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert found[:2, 2].tolist() == [0.1, 9.0] and np.isnan(found[2:, 2]).all()


def test_learning_curves_show_the_floor_and_the_threshold_on_a_log_axis(run, drawn):
    draw(curves.learning_curves, run("gru", losses=[0.001] * 3, curves=[[0.2] * 3, [0.001] * 3]))
    [axes] = drawn[0].axes
    flat = {tuple(line.get_ydata()): line.get_linestyle() for line in axes.lines if len(set(line.get_ydata())) == 1}
    assert flat[0.167, 0.167] == "--" and flat[0.01, 0.01] == ":"
    assert axes.get_yscale() == "log"
    assert "lower is better" in axes.get_ylabel() and axes.get_xlabel() == "update"
    assert len(drawn[0].legends) == 1


def test_the_bold_line_counts_a_diverged_member_as_the_worst(run, drawn):
    values = [[0.1, 0.2, 0.3], [0.1, 0.2, None], [0.1, None, None]]
    draw(curves.learning_curves, run("gru", losses=[0.1, None, None], curves=values))
    [bold] = [line for line in drawn[0].axes[0].lines if line.get_label() == "gru"]
    assert bold.get_ydata()[:2].tolist() == [0.2, 0.2]
    assert math.isnan(bold.get_ydata()[2]), "two of three have diverged: there is no median left to draw"


def test_accuracy_gets_a_linear_axis(run, drawn):
    draw(curves.learning_curves, run("gru", losses=[0.9], metric="accuracy", better="higher", curves=[[0.01], [0.9]]))
    assert drawn[0].axes[0].get_yscale() == "linear"


def test_gradients_that_vanish_altogether_stay_on_the_axis(run, drawn):
    gone = [[0.5 if lag == 0 else 0.0 for lag in LAGS]] * 3
    rnn = run("rnn", gradients={"lags": LAGS, "initial": decay(0.1), "trained": gone})
    trained = [*decay(1.0, 2), [None] * len(LAGS)]  # a member that diverged
    gru = run("gru", gradients={"lags": LAGS, "initial": decay(0.9), "trained": trained})
    draw(gradient_flow.gradient_flow_figure, rnn, gru)
    for axes in drawn[0].axes:
        assert axes.get_yscale() == "log"
        bottom, top = axes.get_ylim()
        assert 1e-17 < bottom < top < 10
        for line in axes.lines:
            ys = np.asarray(line.get_ydata())
            assert np.isfinite(ys).all() and (ys >= bottom).all()
    drawn_gru = drawn[0].axes[1].lines[-1].get_ydata()
    assert np.asarray(drawn_gru) == pytest.approx(0.5), "the median is over the members that did not diverge"


def test_runs_without_gradients_make_no_figure(run, drawn):
    assert draw(gradient_flow.gradient_flow_figure, run("gru")) == {}
    assert draw(curves.learning_curves, run("gru", losses=[None], curves=[[None]])) == {}
    assert drawn == []


def test_a_truncated_gradient_file_is_a_broken_run(run):
    good, bad = run("rnn"), run("gru", gradients={"lags": LAGS, "initial": decay(0.9), "trained": decay(0.9)})
    file = bad.folder / "gradient_flow.json"
    file.write_text(file.read_text()[:-40])
    with pytest.raises(UserError, match=r"gradient_flow\.json cannot be read"):
        gradient_flow.gradient_flow(bad)
    report = reports.make([good, bad])
    assert len(report.broken) == 1 and report.table.columns == ("rnn",)


def test_metrics_of_other_members_than_the_records_are_a_broken_run(run):
    good, bad = run("rnn"), run("gru", losses=[0.1, 0.2], curves=[[0.1, 0.2, 0.3]])
    assert [str(bad.folder) in sentence for sentence in reports.make([good, bad]).broken] == [True]


def test_a_cell_has_one_colour_in_every_report():
    alone, among = palette(["mgu"]), palette(["gru", "rnn", "mgu", "zzz"])
    assert alone["mgu"] == among["mgu"]
    assert {cell: colour for cell, (colour, _) in among.items() if cell in KNOWN} == KNOWN
    many = [f"cell{i}" for i in range(12)]
    assert len(set(palette(many).values())) == len(many) + len(KNOWN), "two cells look alike"
    first, second = looks(["gru", "gru"], palette([]))
    assert first["color"] == second["color"] and (first["linestyle"], second["linestyle"]) == DASHES[:2]


@pytest.mark.parametrize("cells", [["gru"], ["rnn", "lstm", "gru", "a:My", "mgu", "ligru", "ugrnn", "peephole_lstm"]])
def test_a_report_has_all_files_and_the_same_bytes_every_time(run, cells):
    flow = {"lags": LAGS, "initial": decay(0.5), "trained": decay(0.99)}
    ugly: list[list[float | None]] = [[None] * 3, [0.0001] * 3, [0.1, None, 0.2]]  # diverged, solved at once, mixed
    records = [
        run(cell, losses=ugly[i % 3], curves=[ugly[i % 3]], gradients=flow, task_fields={"noise": 0.5})
        for i, cell in enumerate([*cells, *cells[:1]])
        if i < len(cells)
    ]
    first = reports.make(records).files
    assert {Path(name).stem for name in first} >= {"table", "gradient_flow_adding"}
    assert {Path(name).suffix for name in first} == {".md", ".csv", ".tex", ".png", ".pdf"}
    for name, data in first.items():
        assert not name.endswith("png") or data.startswith(b"\x89PNG")
        assert not name.endswith("pdf") or data.startswith(b"%PDF")
    time.sleep(1.1)  # a file that holds the time would differ
    assert reports.make(records).files == first
