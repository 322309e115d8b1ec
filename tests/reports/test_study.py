"""Questions, the page, the film and the ladder, on diagnostics of real cells."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from gru_lab import Experiment, cells, diagnostics, tasks
from gru_lab.reports import questions
from gru_lab.reports.film import Reel, film
from gru_lab.reports.ladder import horizon, ladder
from gru_lab.reports.prediction import Run, rank_correlation
from gru_lab.reports.questions.question import told
from gru_lab.reports.study import study
from gru_lab.reports.style import palette
from gru_lab.training import Population
from gru_lab.training.diagnose import Asked, diagnose

MEMBERS, LENGTH = 3, 12


@pytest.fixture(scope="module")
def answers():
    """Every question asked of two fresh cells; what training would bring is the same again, but for the GRU."""
    found = {}
    for name in ("rnn", "gru"):
        experiment = Experiment(
            cells.create(name, hidden=4), tasks.create("adding", length=LENGTH), population=Population(seeds=MEMBERS)
        )
        asked = {}
        for one in questions.names():
            question = questions.create(one)
            asked[one] = Asked(diagnostics.create(question.diagnostic, **question.fields), question.sequences)
        measured = diagnose(experiment, None, asked)
        settings = {"gate_init": "chrono", "t_max": 12.0} if name == "gru" else {}
        for one, when in measured.items():
            if when and name == "gru":
                when["trained"] = when["initial"]
            found.setdefault(name, {})[one] = questions.Answer(name, settings, when)
    return {"adding": found}


@pytest.mark.parametrize("name", questions.names())
def test_every_question_is_drawn_and_told(name, answers):
    question = questions.create(name)
    asked = {cell: found[name] for cell, found in answers["adding"].items()}
    drawn = question.draw("adding", {c: a for c, a in asked.items() if a.measured}, palette(asked))
    assert drawn["png"].startswith(b"\x89PNG") and drawn["pdf"].startswith(b"%PDF")
    width, height = Image.open(io.BytesIO(drawn["png"])).size
    assert width == 1050 and height < 1050, "a figure is one column wide (3.5 inches at 300 dpi)"
    assert np.asarray(Image.open(io.BytesIO(drawn["png"])).convert("L"))[:, [0, -1]].min() > 250, "something is cut off"
    for cell, answer in asked.items():
        for label, initial, trained in question.rows(cell, answer):
            assert label == cell and (trained == "-") == ("trained" not in answer.measured)
            assert (initial == "-") == (not answer.measured), (cell, initial)
    assert question.title.endswith("?") and len(question.text()) > 100


def test_the_page_says_what_was_measured(answers):
    files = study("Two cells", "What was run.", answers)
    page, numbers = files["README.md"].decode(), files["numbers.csv"].decode().splitlines()
    assert set(re.findall(r"\]\((\w+\.png)\)", page)) == {name for name in files if name.endswith(".png")}
    horizons = answers["adding"]["gru"]["gradient_flow"].measured["initial"]["horizon"]
    row = next(line for line in page.splitlines() if line.startswith("| gru | ") and "nats a step" in line)
    assert row.split("|")[2].split()[0] == f"{np.median(horizons):.0f}"
    assert "| rnn | - | - |" in page, "a cell without gates is told as one"
    told_horizon = [line for line in numbers if line.startswith("adding,gru,gradient_flow,initial,0,horizon,0,")]
    assert [float(line.rsplit(",", 1)[1]) for line in told_horizon] == [horizons[0]]
    assert study("Two cells", "What was run.", answers) == files, "the same answers give the same bytes"


def test_a_median_has_an_interval_that_covers_it():
    values = np.random.default_rng(0).normal(5, 1, 40)
    middle, low, high = map(float, re.findall(r"[\d.]+", told(values, ".4f")))
    assert low < middle < high and middle == pytest.approx(np.median(values), abs=1e-4)
    assert 0.1 < high - low < 1.5
    assert told(np.array([2.0, np.nan, 2.0, 2.0])) == "2" and told(np.array([np.nan])) == "none"


def test_a_film_moves_holds_stopped_members_and_marks_what_is_solved():
    norms = np.exp(-np.linspace(0, 1, 20)[:, None, None] * np.arange(10)) * np.ones((20, MEMBERS, 1))
    norms[10:, 1] = np.nan
    reels = {"gru": Reel("gru", np.arange(1, 21) * 50, norms, 500), "rnn": Reel("rnn", np.arange(1, 21) * 50, norms)}
    picture = Image.open(io.BytesIO(film("adding", reels, palette(reels))))
    frames = []
    for n in range(picture.n_frames):
        picture.seek(n)
        frames.append(np.asarray(picture.convert("L"), float))
    assert len({frame.tobytes() for frame in frames}) == 20
    assert np.abs(frames[0] - frames[-1]).mean() > 1


def test_the_ladder_ends_where_the_first_rung_breaks(run):
    rungs = {
        10: run(losses=[0.001, 0.002, 0.3]),
        20: run(losses=[0.001, 0.2, 0.3]),
        40: run(losses=[0.001, 0.001, 0.001]),
    }
    assert horizon(rungs) == 10 and horizon({10: rungs[20]}) == 0
    assert ladder("adding", {"gru": rungs}, palette(["gru"]))["png"].startswith(b"\x89PNG")


def test_rank_correlation_is_spearmans_within_a_task_and_knows_no_scale_between_tasks():
    rng = np.random.default_rng(1)
    known = [rng.normal(n, 1, 10) for n in range(8)]
    runs = [Run(one, 100 - 10 * one + rng.normal(0, 10, 10)) for one in known]
    found = rank_correlation({"adding": runs})
    whole = spearmanr(np.concatenate([r.known for r in runs]), np.concatenate([r.updates for r in runs])).statistic
    assert found.rho == pytest.approx(whole) and found.low < found.rho < found.high < 0
    assert (found.runs, found.members) == (8, 80)
    slower = [Run(r.known / 100, r.updates + 10**6) for r in runs]
    assert rank_correlation({"adding": runs, "copy": slower}).rho == pytest.approx(whole)
    never = [Run(r.known, np.where(r.updates > 50, np.inf, r.updates)) for r in runs]
    assert -1 < rank_correlation({"adding": never}).rho < -0.5
    blind = [Run(rng.normal(size=10), rng.normal(size=10)) for _ in range(12)]
    chance = rank_correlation({"adding": blind})
    assert chance.low < 0 < chance.high
    assert np.isnan(rank_correlation({"adding": runs[:2]}).low), "two runs tell nothing of the spread between runs"
