"""Questions, pages and documents, on diagnostics of real cells."""

import io
import math
import re
from html.parser import HTMLParser

import jax
import numpy as np
import pytest
from conftest import flow
from PIL import Image
from scipy.stats import spearmanr

from gru_lab import cells, diagnostics
from gru_lab.diagnostics import Layer
from gru_lab.errors import UserError
from gru_lab.reports import escape, pages, questions
from gru_lab.reports.curves import learning_curves
from gru_lab.reports.document import Code, Document, Figure, Heading, Strong, Table, Text
from gru_lab.reports.labels import Described
from gru_lab.reports.prediction import Run, rank_correlation
from gru_lab.reports.style import files, palette
from gru_lab.runs import Found

pytestmark = pytest.mark.xdist_group("pages")  # one worker: what the tests share is made once

MEMBERS, LENGTH = 3, 12


@pytest.fixture(scope="module")
def subjects():
    """Every question asked of two fresh cells; what training would bring is the same again, but for the GRU."""
    xs = jax.random.normal(jax.random.key(1), (4, LENGTH, 2))
    entries = []
    for name in ("rnn", "gru"):
        cell = cells.create(name, hidden=4)
        answers = {}
        for asked in questions.names():
            question = questions.create(asked)
            diagnostic = diagnostics.create(question.diagnostic, **question.fields)

            def measure(key, cell=cell, diagnostic=diagnostic):
                layer = Layer(cell, cell.init(key, 2), xs, None, lambda outputs: (outputs**2).sum())
                return diagnostic.measure(layer)

            try:
                diagnostic.check_cell(cell)
                measured = jax.tree.map(np.asarray, jax.lax.map(measure, jax.random.split(jax.random.key(0), MEMBERS)))
                when = {"initial": measured} | ({"trained": measured} if name == "gru" else {})
            except UserError:
                when = {}
            answers[asked] = questions.Answer(name, {"gate_init": "chrono", "t_max": 12.0} if when else {}, when)
        entries.append(pages.Entry(Described("adding", name, name, {}), None, answers, f"about {name}"))
    return pages.placed(entries)


@pytest.mark.parametrize("name", questions.names())
def test_every_question_is_drawn_and_answered(name, subjects):
    question = questions.create(name)
    answers = {subject.network: subject.answers[name] for subject in subjects}
    drawn = files(question.draw("adding", {label: a for label, a in answers.items() if a.measured}))
    assert drawn["png"].startswith(b"\x89PNG") and drawn["pdf"].startswith(b"%PDF")
    pixels = np.asarray(Image.open(io.BytesIO(drawn["png"])).convert("L"))
    assert pixels.shape[1] == 1050 and pixels.shape[0] < 1050, "a figure is one column wide (3.5 inches at 300 dpi)"
    assert min(pixels[:, [0, -1]].min(), pixels[[0, -1]].min()) > 250, "something is cut off"
    for label, answer in answers.items():
        for network, initial, trained in question.rows(label, answer):
            assert network == label and (trained == "-") == ("trained" not in answer.measured)
            assert (initial == "-") == (not answer.measured) and "nan" not in initial
    assert question.title.endswith("?") and len(question.text()) > 100


def test_the_gradients_page_says_what_was_measured(subjects):
    files = pages.create("gradients").make(pages.Material(subjects=subjects, command="the command")).files()
    page, numbers = files["README.md"].decode(), files["numbers.csv"].decode().splitlines()
    assert "```\nthe command\n```" in page and "about gru" in page
    assert set(re.findall(r"\]\((\w+\.png)\)", page)) == {name for name in files if name.endswith(".png")}
    horizons = subjects[1].answers["gradient_flow"].measured["initial"]["horizon"]
    row = next(line for line in page.splitlines() if line.startswith("| gru | ") and "nats per step" in line)
    assert row.split("|")[2].split()[0] == f"{np.median(horizons):.0f}"
    assert "| rnn | - | - |" in page, "a cell without gates is shown as such"
    values = [line for line in numbers if line.startswith("adding,gru,gradient_flow,initial,0,horizon,0,")]
    assert [float(line.rsplit(",", 1)[1]) for line in values] == [horizons[0]]


def test_pages_are_made_of_stored_measurements(run):
    live = [(update, "live", *flow(0.9, 0.9)[0][2:]) for update in (50, 100)]
    groups = [run("gru", losses=[0.001, 0.002, 0.3], measured=[*flow(0.9, 0.9)[:1], *live, flow(0.9, 0.99)[1]]),
              run("rnn", measured=[*flow(0.5, 0.6)[:1], *live])]  # fmt: skip
    material = pages.Material(Found(tuple(groups)), pages.subjects(groups))
    files = pages.create("gradients", animate=True).make(material).files()
    assert files["film_adding.gif"].startswith(b"GIF8")
    assert b'<figure class="film">' in files["film_adding.html"]
    page = files["README.md"].decode()
    assert "| adding | gru | 3 | 16 | 3,000 | 2 of 3 | 200 | 0.002 loss |" in page
    assert "| rnn | 50 [50, 50] of 50" not in page and "| gru | 50 of 50 steps, -0.1 nats per step | 50 of 50" in page
    with pytest.raises(UserError, match="nothing was measured"):
        pages.create("gradients").make(pages.Material())


def test_the_memory_page_says_how_far_each_network_climbed(run):
    losses = {10: [0.001, 0.002, 0.3], 20: [0.1, 0.2, 0.3]}
    groups = [run("gru", losses=values, task_fields={"length": n}) for n, values in losses.items()]
    groups.append(run("rnn", losses=losses[20], task_fields={"length": 10}))
    files = pages.create("memory").make(pages.Material(Found(tuple(groups)))).files()
    page = files["README.md"].decode()
    assert "| adding | gru | 3,000 | 10 | 10: 2 of 3, 20: 0 of 3 |" in page
    assert "| adding | rnn | 1,000 | under 10 | 10: 0 of 3 |" in page
    assert "(ladder_adding.png)" in page and files["ladder_adding.png"].startswith(b"\x89PNG")
    assert "adding,gru,10,1,200,loss,0.002" in files["ladder.csv"].decode()
    assert "(horizons.png)" in page and files["horizons.png"].startswith(b"\x89PNG")


def test_the_zoo_page_names_presets_and_says_how_soon_each_solves(run):
    groups = [
        run("brc", losses=(0.001, 0.002, 0.5), curves=[[1] * 3] * 2, hidden=30),
        run("brc", task="copy", losses=(0.5, None, 0.5), hidden=28),
        run("rnn", cell_fields={"nonlinearity": "relu", "initializer": "identity"}),
        run("rnn", cell_fields={"nonlinearity": "relu"}),
    ]
    page = pages.create("zoo").make(pages.Material(Found(tuple(groups)), command="the command")).write("markdown")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert rows == [
        "| cell | authors' setting used | witness | adding: solved | updates to solve | copy: solved "
        "| updates to solve |",
        "| irnn | nonlinearity=relu, initializer=identity; 16 units | a: torch.nn | 0 of 3 | - |  |  |",
        "| rnn (nonlinearity=relu) | nonlinearity=relu; 16 units | a: torch.nn | 0 of 3 | - |  |  |",
        "| brc = brc_vecoven2021 | defaults; 30, 28 units (theirs 100) | a: torchrecurrent 0.2.5 | 2 of 3 | 200 "
        "| 0 of 3 (1 diverged) | - |",
    ]
    with pytest.raises(UserError, match="irnn on adding is there twice"):
        pages.create("zoo").make(pages.Material(Found((groups[2], groups[2]))))


def test_the_prediction_page_correlates_within_tasks(run, found):
    for task, better in (("adding", 1), ("copy", 2)):
        for n, network in enumerate(("rnn", "gru", "lstm", "lem")):
            [when, *_] = flow(0.9, 0.9)
            values = when[3] | {"horizon": [10.0 * n + seed for seed in range(3)], "decay_rate": [0.0] * 3}
            run(network, task, losses=[0.001] * 3, every=1000 * better - 100 * n,
                measured=[(0, "initial", "gradient_flow", values)])  # fmt: skip
    run("gru", "digits")  # measured nothing
    page = pages.create("prediction").make(pages.Material(found())).write("markdown")
    rows = [line for line in page.splitlines() if line.startswith("| horizon at initialisation")]
    assert [row.split("|")[2].strip() for row in rows] == ["adding", "copy", "all"]
    assert all("| -0.9" in row for row in rows[:2]) and rows[-1].endswith("| 8 | 24 | 24 |")
    assert "| rate of decay at initialisation | all | all alike | 8 |" in page


def test_rank_correlation_is_spearmans_within_a_task_and_knows_no_scale_between_tasks():
    rng = np.random.default_rng(1)
    known = [rng.normal(n, 1, 10) for n in range(8)]
    runs = [Run(values, 100 - 10 * values + rng.normal(0, 10, 10)) for values in known]
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


EVIL = "<script>alert(1)</script>\x1b[31m*x*|`y`\n# [red]z[/red] $q$ a_b _c_ \\ [t](http://u) \u202e&amp;"


class Outline(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.tags += [f"{tag}.{name}" for name, _ in attrs]

    def handle_data(self, data):
        self.text += data


def document_of(words):
    blocks = [Heading(words), Text(words), Text((Strong(words), f" and {words}")), Code(words),
              Table([words, "b"], [[words, Strong(words)]], "lr", [0], [words]),
              Figure("name", {"png": b"\x89PNG", "pdf": b"%PDF"}, words)]  # fmt: skip
    return Document(words, blocks)


def test_names_reach_no_page_as_markup():
    assert "\x1b" not in escape.plain(EVIL) and "\n" not in escape.plain(EVIL) and "\u202e" not in escape.plain(EVIL)
    tame, wild = (Outline(document_of(words).write("html")) for words in ("x", EVIL))
    assert wild.tags == tame.tags, "a name made or closed an element"
    assert wild.text.count("<script>alert(1)</script>\\x1b[31m*x*|`y`") == wild.text.count("[red]z[/red]") > 8
    tame, wild = (document_of(words).write("markdown") for words in ("x", EVIL))
    fence = wild.index("```")
    prose = wild[:fence] + wild[wild.index("```", fence + 3) :]
    assert [len(line.split(" | ")) for line in wild.splitlines() if line.startswith("| ")] == [2, 2]
    live = r"(?<!\\)[`$]|(?<!\\)\]\(http|(?<![\\*])\*(?!\*)"
    assert "<" not in prose and not re.search(live, prose[: prose.index("```")])
    assert wild.count("\n") == tame.count("\n") + wild[fence : wild.index("```", fence + 3)].count("\n") - 2
    tame, wild = (document_of(words).write("latex") for words in ("x", EVIL))
    assert wild.isascii() and wild.count(r"\begin") == tame.count(r"\begin")
    assert wild.count(" & ") == tame.count(" & ")
    braces = re.sub(r"\\[{}]", "", wild)
    assert braces.count("{") == braces.count("}")


def test_figures_show_names_as_they_are_and_not_as_formulas(run):
    formula = "漢字 $\\frac{1$"  # not one that could be set
    networks = {EVIL: run(EVIL), formula: run(f"b:{formula}", metric=formula)}
    colours = palette(group.shared.network for group in networks.values())
    assert files(learning_curves(formula, networks, colours))["png"].startswith(b"\x89PNG")


def test_what_is_infinite_is_no_member_without_a_value(run):
    exponents = [[0.1, -math.inf], [0.2, -1.0], [math.nan, math.nan]]
    stored = [(0, "initial", "lyapunov", {"exponents": exponents, "errors": [[0.1, 0.1]] * 3})]
    [subject] = pages.subjects([run(measured=stored)], {"lyapunov": "lyapunov"})
    question, answer = questions.create("lyapunov"), subject.answers["lyapunov"]
    assert np.array_equal(answer.measured["initial"]["exponents"], exponents, equal_nan=True)
    assert question.rows("gru", answer) == [("gru", "0.15 (error 0.1), 50 % slow", "-")]
    assert question.draw("adding", {"gru": answer}, palette(["gru"]))


def test_a_page_in_html_needs_no_other_file_and_reads_on_a_telephone_in_the_dark(run):
    page = pages.create("comparison").make(pages.Material(Found((run("gru", measured=flow(0.5, 0.9)),))))
    files = page.files(formats=("html",))
    text = files["index.html"].decode()
    assert text.count("data:image/png;base64,") == 2 == sum(name.endswith(".png") for name in files)
    assert not re.search(r'(src|href)="(?!data:)', text) and "<script" not in text
    assert 'name="viewport"' in text and "prefers-color-scheme: dark" in text and "overflow-x: auto" in text


def test_a_page_of_the_users_own_is_a_page_like_ours(tmp_path, run):
    (tmp_path / "my_page.py").write_text(
        "from dataclasses import dataclass\n"
        "from gru_lab.reports.document import Document, Text\n"
        "from gru_lab.reports.pages import Page\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Mine(Page):\n"
        "    word: str = 'seeds'\n\n"
        "    def make(self, material):\n"
        "        members = sum(len(group.members) for group in material.found.groups)\n"
        "        return Document('Mine', [Text(f'{members} {self.word}')])\n"
    )
    material = pages.Material(Found((run("gru"),)))
    assert "3 members" in pages.create(f"{tmp_path}/my_page.py:Mine", word="members").make(material).write("markdown")
