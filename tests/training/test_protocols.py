"""Protocols: what chooses never sees the test set, what is reported took no part in the choice, budgets are equal."""

import dataclasses

import pytest
from test_members import NoTest
from tiny import Killed, command, contents, experiment, run, stopper, trained

from gru_lab import UserError, tasks
from gru_lab.runs import RunFolder, find_records
from gru_lab.training import population, protocols, work
from gru_lab.training.callbacks.checkpoint import Checkpoint
from gru_lab.training.protocols import Trial, choice

pytestmark = pytest.mark.xdist_group("protocols")  # one worker: what the tests share is made once

RATE = "optimizer.learning_rate"


def tuned(*rates, **fields):
    return protocols.create("tuned", axes={RATE: list(rates)} if rates else {}, **fields)


def plan(*rates, seeds=2, halving=(0.5,), **options):
    """Two trials for each of the rates, halved at two of four updates, then two seeds."""
    return experiment("rnn", protocol=tuned(*rates or (1e-4, 1e-3, 1e-1), halving=halving), seeds=seeds, **options)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A tuned run in one go."""
    return run(plan(), tmp_path_factory.mktemp("straight"))


def records(result, role):
    names = RunFolder(result.folder).members()
    return [RunFolder(result.folder).member(name).record for name in names if name.startswith(role)]


def test_a_setting_is_chosen_by_trials_and_reported_by_other_seeds(straight):
    tune, report = records(straight, "tune"), records(straight, "report")
    assert [(len(tune), len(report)), len(straight.trained)] == [(6, 2), 8]
    means = {}
    for record in tune:
        means.setdefault(record.member.hyper[RATE], []).append(record.value("validation"))
    ended = {record.member.hyper[RATE] for record in tune if record.stopped == "updates"}
    best = min(ended, key=lambda rate: sum(means[rate]))
    assert {record.member.hyper[RATE] for record in report} == {best} and straight.selection.hyper == {RATE: best}
    assert {record.member.seed for record in tune}.isdisjoint(record.member.seed for record in report)
    assert [set(record.metrics) for record in tune] == [{"validation"}] * 6
    assert all("test" in record.metrics for record in report)


def test_halving_stops_the_worse_settings_at_the_rung_and_changes_nothing_of_the_others(straight, tmp_path):
    tune = records(straight, "tune")
    assert sorted((record.updates, record.stopped) for record in tune) == [(2, "halted")] * 2 + [(4, "updates")] * 4
    whole = run(plan(halving=()), tmp_path)
    metrics = {record.member.name: (record.folder / "metrics.jsonl").read_text() for record in records(whole, "tune")}
    at_rung = {}
    for record in tune:
        ours = (record.folder / "metrics.jsonl").read_text()
        assert metrics[record.member.name].startswith(ours) and ours.count("\n") == record.updates // 2
        at_rung.setdefault(record.stopped, {}).setdefault(record.member.setting, []).append(
            RunFolder(whole.folder).member(record.member).read_metrics()[0]["validation"]["loss"]
        )
    [halted] = at_rung["halted"].values()
    assert all(sum(values) < sum(halted) for values in at_rung["updates"].values())
    assert (straight.selection.updates, whole.selection.updates) == (20, 24)


def test_the_record_names_the_protocol_its_budget_and_its_choice(straight):
    for record in straight.records:
        assert record.protocol == "tuned" and "not among those reported" in record.plan
        assert record.config["protocol"]["axes"] == {RATE: [1e-4, 1e-3, 1e-1]}
        assert record.selection == straight.selection.as_tree() and record.selection["trials"] == 6
        assert (record.selection["edge"] == [RATE]) == (record.member.hyper[RATE] in (1e-4, 1e-1))


def test_a_second_call_trains_nothing_and_more_seeds_train_those_alone(straight, tmp_path_factory):
    sweep = straight.folder.parent
    again = run(plan(), sweep)
    assert trained(again) == [] and again.selection == straight.selection
    before = contents(straight.folder)
    more = run(plan(seeds=3), sweep)
    assert [(member.role, member.seed) for member in more.trained] == [("report", 2)]
    assert before.items() <= contents(straight.folder).items()
    assert [len(group.members) for group in find_records([sweep]).groups] == [3]
    assert plan(1e-4, 1e-3).identity != plan().identity == plan(seeds=9).identity, "the budget is part of the identity"


@pytest.mark.parametrize(
    ("place", "moment", "count"),
    [
        (15, "evaluated", 1),  # metrics of the rung are written, and no checkpoint
        pytest.param(65, "evaluated", 1, marks=pytest.mark.slow),  # all have reached the rung
        (65, "evaluated", 2),  # those that went on have ended
        (65, "finish", 1),  # trials have ended, and have no records
        pytest.param(65, "evaluated", 4, marks=pytest.mark.slow),  # within the members that are reported
    ],
)
def test_wherever_a_tuned_run_is_stopped_it_goes_on_to_the_same_bytes(place, moment, count, straight, tmp_path):
    with pytest.raises(Killed):
        run(plan(), tmp_path, [Checkpoint(seconds=0), stopper(place, moment, Killed, count)])
    run(plan(), tmp_path)
    ours, theirs = contents(tmp_path / straight.folder.name), contents(straight.folder)
    assert ours == {name: theirs[name] for name in theirs if "-2/" not in name}  # a third seed was asked for above


def test_trials_and_reported_members_of_one_number_compile_once(tmp_path, monkeypatch):
    compiled, built = [], population.lowered

    def counted(*arguments):
        compiled.append("step")
        return built(*arguments)

    monkeypatch.setattr(work, "lowered", counted)
    result = run(plan(1e-3, 1e-2, seeds=4), tmp_path)
    assert len(result.trained) == 8 and compiled == ["step"]


@dataclasses.dataclass(frozen=True)
class Secret(type(tasks.create("adding"))):
    """Adding without a test set."""

    def source(self):
        return NoTest(self.sample)


def test_trials_never_see_the_test_set(tmp_path):
    with pytest.raises(AssertionError, match="the test set was drawn"):
        run(plan(task=Secret(length=4)), tmp_path)
    [folder] = tmp_path.iterdir()
    roles = [path.parent.name.split("-")[0] for path in folder.rglob("record.json")]
    assert roles == ["tune"] * 6


def test_what_an_earlier_choice_reported_is_moved_aside(tmp_path):
    first = run(plan(), tmp_path)
    chosen = first.selection.hyper[RATE]
    for record in records(first, "tune"):  # the choice is read from the records: another machine may choose otherwise
        worse = dataclasses.replace(
            record, metrics={"validation": {"loss": 9.0 + (record.member.hyper[RATE] < chosen)}}
        )
        if record.member.hyper[RATE] == chosen:
            worse.save(record.folder / "record.json")
    said = []
    second = run(plan(), tmp_path, say=said.append)
    assert second.selection.hyper[RATE] != chosen and len(second.trained) == 2
    assert len(said) == 2 and all("chose anew" in sentence for sentence in said)
    assert [group.hyper[RATE] for group in find_records([tmp_path]).groups] == [second.selection.hyper[RATE]]


def trial(rate, value, solved_at=None, seed=0):
    ours = plan(1.0, 2.0, 3.0)
    [member] = [m for m in ours.protocol.opening(ours) if m.hyper[RATE] == rate][:1]
    return Trial(dataclasses.replace(member, seed=seed), 4, value, solved_at)


@pytest.mark.parametrize(
    ("better", "stops", "trials", "order"),
    [
        ("lower", False, [trial(1.0, 0.2), trial(2.0, 0.1), trial(3.0, 0.3)], [2, 1, 3]),
        ("higher", False, [trial(1.0, 0.2), trial(2.0, 0.1), trial(3.0, 0.3)], [3, 1, 2]),
        ("lower", False, [trial(1.0, None), trial(1.0, 0.0, seed=1), trial(2.0, 9.0), trial(2.0, 9.0, seed=1)], [2, 1]),
        ("lower", True, [trial(1.0, 0.1), trial(2.0, 0.5, solved_at=4), trial(3.0, 0.3)], [2, 1, 3]),
        ("lower", True, [trial(1.0, 0.1, solved_at=4), trial(2.0, 0.5, solved_at=2)], [2, 1]),
        ("lower", False, [trial(1.0, 0.1, solved_at=4), trial(2.0, 0.5, solved_at=2)], [1, 2]),
        ("lower", False, [trial(1.0, None), trial(2.0, None), trial(3.0, None)], [1, 2, 3]),
        (
            "lower",
            True,
            [trial(1.0, 0.1), trial(1.0, 0.1, 2, seed=1), trial(2.0, None), trial(2.0, 0, 4, seed=1)],
            [1, 2],
        ),
        (
            "lower",
            True,
            [trial(1.0, -9e9), trial(1.0, -9e9, seed=1), trial(2.0, None), trial(2.0, 0, 4, seed=1)],
            [2, 1],
        ),
    ],
)
def test_settings_are_ranked_as_declared(better, stops, trials, order):
    ours = plan(1.0, 2.0, 3.0, stop_when_solved=stops)
    task = dataclasses.replace(ours.task)
    object.__setattr__(task, "better", better)
    object.__setattr__(ours, "task", task)
    rates = {each.member.setting: each.member.hyper[RATE] for each in trials}
    assert [rates[setting] for setting in choice.ranked(trials, [RATE], ours)] == order
    costs = [choice.cost(seeds, ours) for seeds in choice.by_setting(trials).values()]
    assert all(0 <= cost <= 3 for cost in costs), "a search is told numbers that are finite"
    by_cost = sorted(zip(costs, dict.fromkeys(rates.values()), strict=True))
    assert [rate for _, rate in by_cost] == order, "a search is told the same order"


def test_a_search_keeps_the_better_half_at_every_rung_and_chooses_of_those_that_reached_the_end():
    ours = plan(1.0, 2.0, 3.0, halving=(0.5,))
    search = ours.protocol.search(ours)
    first = next(search)
    values = {1.0: 0.3, 2.0: 0.1, 3.0: 0.2}
    second = search.send([Trial(member, 2, values[member.hyper[RATE]], None) for member in first.members])
    assert [first.until, second.until, len(first.members)] == [2, 4, 6]
    assert {member.hyper[RATE] for member in second.members} == {2.0, 3.0}
    with pytest.raises(StopIteration) as end:
        search.send([Trial(member, 4, {2.0: 0.4, 3.0: 0.35}[member.hyper[RATE]], None) for member in second.members])
    assert end.value.value == protocols.Selection({RATE: 3.0}, 6, 20, (RATE,))


def line(update, value, train=1.0):
    return {"update": update, "train": {"loss": train}, "validation": {"loss": value}}


@pytest.mark.parametrize(
    ("lines", "value", "solved_at"),
    [
        ([line(2, 0.5), line(4, 0.4), line(6, 0.1)], 0.4, None),  # what came later does not count
        ([line(2, 0.5), line(4, 0.6)], 0.5, None),
        ([line(2, 0.5)], None, None),  # it stopped before: it diverged
        ([line(2, 0.5), line(4, 0.4, train=None)], None, None),
        ([line(2, 0.01)], 0.01, 2),  # it stopped before: it solved the task
        ([line(2, None), line(4, 0.3)], 0.3, None),
        ([], None, None),
    ],
)
def test_a_trial_at_a_rung_is_that_of_its_log_up_to_there(lines, value, solved_at):
    ours = Trial.at(4, trial(1.0, 0.0).member, lines, plan())
    assert (ours.value, ours.solved_at) == (value, solved_at)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"seeds": 3, "first_seed": 1}, "protocol.first_seed is 1: seeds 0 to 1 are reported and may not choose"),
        ({"axes": {"optimizer": {"learning_rat": [1]}}}, "protocol.axes.optimizer.learning_rat is unknown: .* mean"),
        ({"axes": {RATE: ["x"]}}, "protocol.axes.optimizer.learning_rate is .*: it must be a list of numbers"),
        ({"halving": [1.5]}, "protocol.halving is .*: it must be a list whose every item is a number above 0"),
    ],
)
def test_what_cannot_be_planned_is_told_in_a_sentence(fields, sentence):
    with pytest.raises(UserError, match=sentence):
        experiment(protocol=protocols.create("tuned", **fields))


def test_the_population_leaves_the_choice_to_the_protocol(tmp_path, capsys):
    line = [f"paths.runs={tmp_path}", "protocol=tuned"]
    assert command(*line, "population.axes.optimizer.learning_rate=[1,2]") == 2
    assert "stand in protocol.axes" in capsys.readouterr().err
    assert command(*line, "population.role=tune") == 2
    assert command("protocol=tunde") == 2 and "Did you mean 'tuned'" in capsys.readouterr().err


def test_values_to_choose_among_are_six_rates_or_drawn_on_the_command_line(tmp_path):
    line = [f"paths.runs={tmp_path}", "protocol=tuned", "protocol.seeds=1", "protocol.halving=[]"]
    assert plan().protocol.axes != tuned().axes == {RATE: (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)}
    assert command(*line, f"protocol.axes.{RATE}={{loguniform:[1e-4,1e-1],n:3}}") == 0
    rates = {r.member.hyper[RATE] for g in find_records([tmp_path], "tune").groups for r in g.members}
    assert len(rates) == 3 and min(rates) >= 1e-4 and max(rates) <= 1e-1 and rates.isdisjoint(tuned().axes[RATE])


def test_a_paper_names_its_source_and_its_flaws():
    paper = protocols.create("paper", source="Arjovsky 2016", flaws=("one seed.", "chosen on the test set"))
    assert paper.statement == "As in Arjovsky 2016, with its flaws: one seed; chosen on the test set"
    with pytest.raises(UserError, match=r"protocol\.source"):
        protocols.create("paper")


@pytest.mark.parametrize("name", protocols.names())
def test_every_protocol_states_itself_and_is_part_of_the_identity(name):
    fields = {"source": "a paper"} if name == "paper" else {}
    ours = experiment(protocol=protocols.create(name, **fields))
    assert ours.protocol.statement and not ours.protocol.statement.endswith(".")
    assert ours.config["protocol"]["name"] == name and "Protocol" in ours.card["revisions"]
