"""Curves, panels, ladder and film: what they show of groups, read back from the axes."""

import io
import math

import numpy as np
import pytest
from conftest import flow
from matplotlib.figure import Figure
from PIL import Image

from gru_lab.errors import UserError
from gru_lab.reports import curves, gradient_flow
from gru_lab.reports.film import film, player, reel
from gru_lab.reports.ladder import climbs, horizon, ladder
from gru_lab.reports.style import DASHES, KNOWN, files, looks, palette, using

LAGS = 50


def draw(function, *groups):
    networks = {group.shared.network: group for group in groups}
    return function("adding", networks, palette(networks))


def test_a_solved_member_keeps_its_value_and_a_diverged_one_has_none(run):
    group = run(losses=[0.005, 0.4, None], curves=[[0.1, 0.1, 0.1], [0.005, 0.2, 9.0], [0.005, 0.3, None]])
    lines = (group.members[0].folder / "metrics.jsonl").read_text().splitlines()
    (group.members[0].folder / "metrics.jsonl").write_text("\n".join(lines[:2]) + "\n")  # it stopped when solved
    updates, values = curves.curves(group)
    assert updates.tolist() == [100, 200, 300]
    assert values[:, 0].tolist() == [0.1, 0.005, 0.005]
    assert values[:, 1].tolist() == [0.1, 0.2, 0.3]
    assert values[:2, 2].tolist() == [0.1, 9.0] and math.isnan(values[2, 2])


def test_learning_curves_show_the_floor_and_the_threshold_on_a_log_axis(run):
    figure = draw(curves.learning_curves, run("gru", losses=[0.001] * 3, curves=[[0.2] * 3, [0.001] * 3]))
    [axes] = figure.axes
    flat = {tuple(line.get_ydata()): line.get_linestyle() for line in axes.lines if len(set(line.get_ydata())) == 1}
    assert flat[0.167, 0.167] == "--" and flat[0.01, 0.01] == ":"
    assert axes.get_yscale() == "log"
    assert "lower is better" in axes.get_ylabel() and axes.get_xlabel() == "update"
    assert len(figure.legends) == 1


def test_the_bold_line_counts_a_diverged_member_as_the_worst(run):
    values = [[0.1, 0.2, 0.3], [0.1, 0.2, None], [0.1, None, None]]
    figure = draw(curves.learning_curves, run("gru", losses=[0.1, None, None], curves=values))
    [bold] = [line for line in figure.axes[0].lines if line.get_label() == "gru"]
    assert bold.get_ydata()[:2].tolist() == [0.2, 0.2]
    assert math.isnan(bold.get_ydata()[2]), "two of three have diverged: there is no median left to draw"


def test_accuracy_gets_a_linear_axis_and_a_task_without_floor_no_line(run):
    accuracy = {"metric": "accuracy", "better": "higher", "floor": None, "threshold": None}
    figure = draw(curves.learning_curves, run("gru", losses=[0.9], curves=[[0.01], [0.9]], **accuracy))
    assert figure.axes[0].get_yscale() == "linear"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["GRU"], "as the literature writes it"


def test_gradients_that_vanish_altogether_stay_on_the_axis(run):
    gone = [[0.5] + [0.0] * (LAGS - 1)] * 3
    rnn = run("rnn", measured=[flow(0.1, 1.0)[0], (200, "trained", "gradient_flow", {"norm": gone})][:1])
    diverged = [[0.5] * LAGS, [0.5] * LAGS, [math.nan] * LAGS]
    gru = run("gru", measured=[(0, "initial", "gradient_flow", {"norm": gone}),
                               (200, "trained", "gradient_flow", {"norm": diverged})])  # fmt: skip
    figure = draw(gradient_flow.gradient_flow_figure, rnn, gru)
    for axes in figure.axes:
        assert axes.get_yscale() == "log"
        bottom, top = axes.get_ylim()
        assert 1e-17 < bottom < top < 10
        for line in axes.lines:
            ys = np.asarray(line.get_ydata())
            assert np.isfinite(ys).all() and (ys >= bottom).all()
    trained = figure.axes[1].lines[-1].get_ydata()
    assert np.asarray(trained) == pytest.approx(0.5), "the median is over the members that did not diverge"


def test_nothing_measured_makes_no_figure(run):
    assert draw(gradient_flow.gradient_flow_figure, run("gru")) is None
    assert draw(curves.learning_curves, run("gru", losses=[None], curves=[[None]])) is None
    assert files(None) == {}


def test_a_network_looks_the_same_in_every_report_and_unlike_the_others_even_in_grey():
    alone, among = palette(["mgu"]), palette(["gru", "rnn", "mgu", "zzz"])
    assert alone["mgu"] == among["mgu"]
    many = [f"cell{i}" for i in range(12)]
    assert len(set(palette(many).values())) == len(many) + len(KNOWN), "two networks look alike"
    few = palette(["mgu", "lem", "ran", "transformer"])
    assert len({dash for _, dash in few.values()}) == len(few), "two networks look alike in grey"
    first, second = looks(["gru", "gru"], palette([]))
    assert first["color"] == second["color"] and (first["linestyle"], second["linestyle"]) == DASHES[:2]


@pytest.mark.parametrize(
    "style, width",
    [("paper", 1050), *(pytest.param(*each, marks=pytest.mark.slow) for each in (("wide", 2100), ("slides", 1921)))],
)
@pytest.mark.parametrize(
    "network", ["gru", "a very long name of a network of the user's own that does not end: Minimal"]
)
def test_nothing_is_cut_off(run, network, style, width):
    groups = {network: run(network, measured=flow(0.5, 0.9)), f"{network} (hidden=64)": run("lstm")}
    colours = palette(group.shared.network for group in groups.values())
    title = f"a task with settings (length=1000, optimizer.learning_rate=0.001) {network}"
    for function in (curves.learning_curves, gradient_flow.gradient_flow_figure):
        with using(style):
            drawn = files(function(title, groups, colours))
        assert drawn["pdf"].startswith(b"%PDF")
        picture = Image.open(io.BytesIO(drawn["png"])).convert("L")
        assert picture.width == width, "paper: one column of 3.5 inches at 300 dpi"
        pixels = np.asarray(picture)
        assert min(pixels[:, [0, -1]].min(), pixels[[0, -1]].min()) > 250, "something is cut off"


def test_the_ladder_ends_where_the_first_rung_breaks(run):
    losses = {10: [0.001, 0.002, 0.3], 20: [0.001, 0.2, 0.3], 40: [0.001, 0.001, None]}
    groups = [run(network, losses=values, task_fields={"length": n}, floor=floor)
              for network, floor in (("gru", 0.167), ("lstm", None)) for n, values in losses.items()]  # fmt: skip
    ladders = climbs([*groups, run("gru", "copy", task_fields={"length": 10})])
    assert list(ladders) == ["adding", "copy"] and list(ladders["adding"]) == ["gru", "lstm"]
    rungs = ladders["adding"]["gru"]
    assert list(rungs) == [10, 20, 40]
    assert horizon(rungs) == 10 and horizon({20: rungs[20]}) == 0
    figure = ladder("adding", ladders["adding"])
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["GRU: 10", "LSTM: 10"]
    with pytest.raises(UserError, match="no whole number as its length"):
        climbs([run(task="digits", task_fields={"length": "all"})])


def film_of(run, network, rate):
    def values(update):
        return {"norm": [[rate ** (lag * (1 + update / 500)) for lag in range(10)]] * 2}

    live = [(update, "live", "gradient_flow", values(update)) for update in range(50, 1001, 50)]
    curve = [[0.1, 0.1], [0.2, 0.3], [0.001, 0.3]]
    start = (0, "initial", "gradient_flow", values(0))
    return reel(run(network, losses=[0.001, 0.3], curves=curve, measured=[start, *live]))


@pytest.mark.slow
def test_a_film_begins_at_update_0_holds_stopped_members_and_marks_what_is_solved(run, monkeypatch):
    reels = {"gru": film_of(run, "gru", 0.9), "rnn": film_of(run, "rnn", 0.5)}
    assert reels["gru"].updates[:2].tolist() == [0, 50] and reels["gru"].solved == 300
    reels["gru"].norms[10:, 1] = np.nan  # stopped
    made = film("adding", reels)
    assert made == film("adding", reels), "the same film has the same bytes"
    assert b"ftyp" in made["mp4"][:12] and b"avc1" in made["mp4"]
    picture = Image.open(io.BytesIO(made["gif"]))
    frames = []
    for n in range(picture.n_frames):
        picture.seek(n)
        frames.append(np.asarray(picture.convert("L"), float))
    assert len({frame.tobytes() for frame in frames}) == 21
    assert np.abs(frames[0] - frames[-1]).mean() > 1
    with pytest.raises(UserError, match=r"trained without diagnostics=\[gradient_flow\]"):
        reel(run("gru"))
    scene = player(reels | {"rnn": reels["rnn"]._replace(solved=None)})
    gru, rnn = scene["tracks"]
    assert (gru["label"], gru["solved"], rnn["solved"]) == ("GRU", 300, None)
    assert len(scene["updates"]) == len(gru["norms"]) == 21 and len(gru["norms"][0][1]) == len(gru["lags"]) == 10
    assert gru["norms"][0][1][9] == pytest.approx(9 * math.log10(0.9), abs=0.005), "decimal logarithms"
    assert gru["evaluations"] == [100, 200, 300] and gru["values"][1] == [0.2, 0.25, 0.3]


def test_a_figure_is_drawn_on_axes_of_the_readers_own_and_leaves_the_rest_of_them_alone(run):
    groups = {"mine": run("gru", measured=flow(0.5, 0.9), losses=[0.1], curves=[[0.2], [0.1]])}
    page = Figure()
    page.suptitle("Figure 1")
    (left, right), (below, _) = page.subplots(2, 2)
    assert gradient_flow.gradient_flow_figure("adding", groups, on=[left, right]) is page
    assert curves.learning_curves("adding", groups, on=below) is page
    assert page.get_suptitle() == "Figure 1" and not page.legends
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["mine"] and left.get_yscale() == "log"
    with pytest.raises(ValueError, match="1 x 2 panels, and 1 axes"):
        gradient_flow.gradient_flow_figure("adding", groups, on=left)
    with pytest.raises(UserError, match="Did you mean 'slides'"), using("slide"):
        pass


def test_a_pdf_leaves_the_title_to_the_caption_of_a_paper(run):
    groups = {"gru": run("gru", losses=[0.1], curves=[[0.2], [0.1]])}
    figure = curves.learning_curves("adding", groups)
    shown, printed = figure.get_suptitle(), files(figure)
    untitled = curves.learning_curves("adding", groups)
    untitled.suptitle("")
    assert "adding" in shown and figure.get_suptitle() == shown
    assert printed["pdf"] == files(untitled)["pdf"] and printed["png"] != files(untitled)["png"]


def test_the_speed_of_libraries_is_drawn_as_the_other_figures_are():
    from gru_lab.reports.speed import speed_figure

    rows = [
        {"cell": cell, "batch": 1, "time": time, "inputs": 2, "hidden": 3, "direction": direction, "contender": name,
         "ratio": ratio}
        for cell in ("rnn", "gru") for time in (10, 1000) for direction in ("forward", "forward+backward")
        for name, ratio in (("gru_lab", 1), ("flax.nnx", 1.4), ("torch (2 threads)", "0.7"))
    ]  # fmt: skip
    picture = Image.open(io.BytesIO(files(speed_figure(rows))["png"])).convert("L")
    pixels = np.asarray(picture)
    assert picture.width == 1050 and min(pixels[:, [0, -1]].min(), pixels[[0, -1]].min()) > 250
    assert speed_figure(rows[::3]) is None, "ours alone is no comparison"
