"""Searches by Optuna: they ask for what Optuna asks for, train as one program, and ask again after a kill."""

import dataclasses
import importlib.util
import math
from pathlib import Path

import optuna
import pytest
from tiny import Killed, command, contents, experiment, run, stopper, trained

from gru_lab import UserError, load
from gru_lab.reports import pages
from gru_lab.runs import RunFolder, find_records
from gru_lab.runs.sweep import Plan, Planned, keep_plan, states
from gru_lab.training import population, protocols, work
from gru_lab.training.callbacks.checkpoint import Checkpoint
from gru_lab.training.protocols import Selection, Trial

pytestmark = pytest.mark.xdist_group("optuna")  # one worker: what the tests share is made once

RATE, CLIP = "optimizer.learning_rate", "optimizer.clip_at"
LOW, HIGH = 1e-4, 1.0
BOUNDS = {"optimizer": {"learning_rate": {"loguniform": [LOW, HIGH]}}}


def search(**fields):
    """Four generations of four settings, the last of them asked for when the first ten that are random are told."""
    return protocols.create("optuna", **{"axes": BOUNDS, "trials": 16, "generation": 4, "seeds": 1} | fields)


def plan(**fields):
    return experiment("rnn", protocol=search(**fields), seeds=4, stop_when_solved=False)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A search in one go, and how often a step was compiled."""
    compiled, built = [], population.lowered
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "lowered", lambda *given: (compiled.append("step"), built(*given))[1])
        return run(plan(), tmp_path_factory.mktemp("straight")), compiled


def tuning(result):
    folder = RunFolder(result.folder)
    return [folder.member(name).record for name in folder.members() if name.startswith("tune")]


def test_a_search_asks_and_chooses_as_a_loop_by_hand(straight):
    result, _ = straight
    records = {record.member.hyper[RATE]: record for record in tuning(result)}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    law = {RATE: optuna.distributions.FloatDistribution(LOW, HIGH, log=True)}
    tried = {}
    for _ in range(4):
        generation = [study.ask(law) for _ in range(4)]
        for each in generation:
            rate = float(f"{each.params[RATE]:.6g}")
            loss = records[rate].metrics["validation"]["loss"]
            study.tell(each, (1 + loss / (1 + loss)) / 2)
            tried[rate] = loss
    assert records.keys() == tried.keys() and len(tried) == 16
    assert result.selection == Selection({RATE: min(tried, key=tried.__getitem__)}, 16, 64, result.selection.edge)
    assert {record.member.hyper[RATE] for record in result.records} == {*result.selection.hyper.values()}
    untold = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    blind = [untold.ask(law).params[RATE] for _ in range(16)]
    assert {float(f"{rate:.6g}") for rate in blind[12:]} != {*list(tried)[12:]}, "the last follow from the results"


def test_all_generations_and_the_reported_members_are_one_program_and_trials_see_no_test_set(straight):
    result, compiled = straight
    assert len(result.trained) == 20 and compiled == ["step"]
    assert all(record.metrics.keys() == {"validation"} for record in tuning(result))
    assert all(record.metrics.keys() == {"validation", "test"} for record in result.records)


def test_records_name_the_search_its_budget_and_what_it_had_been_told(straight):
    result, _ = straight
    [record, *_] = result.records
    assert record.protocol == "optuna" and record.versions["optuna"] == optuna.__version__
    assert (
        "16 trials of Optuna's TPE sampler, 4 at a time" in record.plan and "(0.0001 to 1, logarithmic)" in record.plan
    )
    assert record.selection == result.selection.as_tree()
    assert record.config["protocol"]["axes"] == {RATE: {"loguniform": [LOW, HIGH]}}
    assert sorted(each.selection.get("trials", 0) for each in tuning(result)) == [0] * 4 + [4] * 4 + [8] * 4 + [12] * 4
    others = [search(sampler="random"), search(sampler_seed=1), search(trials=20), search(generation=8),
              search(axes={RATE: {"uniform": [LOW, HIGH]}})]  # fmt: skip
    assert len({plan().identity, *(dataclasses.replace(plan(), protocol=each).identity for each in others)}) == 6


@pytest.mark.parametrize(
    ("place", "moment", "count"),
    [
        (15, "evaluated", 7),  # in the last generation: metrics are written, and no checkpoint
        pytest.param(65, "finish", 2, marks=pytest.mark.slow),  # the second generation has ended, and has no records
        pytest.param(95, "finish", 3, marks=pytest.mark.slow),  # the third has its records
        pytest.param(65, "evaluated", 9, marks=pytest.mark.slow),  # within the members that are reported
    ],
)
def test_wherever_a_search_is_stopped_it_goes_on_to_the_same_bytes(place, moment, count, straight, tmp_path):
    with pytest.raises(Killed):
        run(plan(), tmp_path, [Checkpoint(seconds=0), stopper(place, moment, Killed, count)])
    again = run(plan(), tmp_path)
    assert 0 < len(trained(again)) < 20 and again.selection == straight[0].selection
    assert contents(again.folder) == contents(straight[0].folder)
    assert trained(run(plan(), tmp_path)) == []


def test_the_tuning_page_shows_what_the_search_had_reached(straight):
    result, _ = straight
    page = pages.create("tuning").make(pages.Material(find_records([result.folder])))
    told = [(each.selection.get("trials", 0), each.value("validation")) for each in tuning(result)]
    best = [min(value for before, value in told if before <= 4 * n) for n in range(4)]
    text = page.write("markdown")
    assert "| best of 4 | best of 8 | best of 12 | best of 16 |" in text and "settings on adding were searched" in text
    assert f"| rnn | 16 | 1 | {' | '.join(f'{value:.3g}' for value in best)} |" in text


def drive(protocol, loss):
    """The settings of a search in their order, and its choice, where a setting has a loss."""
    ours = experiment("rnn", protocol=protocol, stop_when_solved=False)
    going, told, tried = protocol.search(ours), None, []
    try:
        while True:
            asked = next(going) if told is None else going.send(told)
            tried += [{path: each.hyper[path] for path in protocol.axes} for each in asked.members]
            told = [Trial(each, 4, loss(each.hyper), None) for each in asked.members]
    except StopIteration as end:
        return tried, end.value


def bowl(hyper):
    """Least at a rate of 0.01 and a clip of 2; large rates diverge."""
    return None if hyper[RATE] > 0.5 else (math.log10(hyper[RATE]) + 2) ** 2 + (hyper[CLIP] - 2) ** 2


@pytest.mark.parametrize(("sampler", "needs"), [("tpe", ""), ("random", ""), ("cmaes", "cmaes"), ("gp", "torch")])
def test_every_sampler_is_repeatable_within_its_bounds_and_those_that_are_told_do_better(sampler, needs):
    if needs:
        pytest.importorskip(needs)
    axes = BOUNDS | {CLIP: {"uniform": [0.5, 5.0]}}
    budget = {"axes": axes, "trials": 24, "generation": 6}
    tried, chosen = drive(search(sampler=sampler, **budget), bowl)
    assert (tried, chosen) == drive(search(sampler=sampler, **budget), bowl) and len(tried) == 24
    assert tried != drive(search(sampler=sampler, sampler_seed=5, **budget), bowl)[0]
    assert all(LOW <= each[RATE] <= HIGH and 0.5 <= each[CLIP] <= 5.0 for each in tried)
    losses = [math.inf if (value := bowl(each)) is None else value for each in tried]
    assert chosen.hyper == tried[losses.index(min(losses))] and chosen.trials == 24
    if sampler != "random":
        assert sorted(losses[12:])[6] < sorted(losses[:12])[6] / 1.5, "the later half is better"
        blind, _ = drive(search(sampler=sampler, **budget), lambda hyper: 1.0)
        assert blind[:6] == tried[:6] and blind[-6:] != tried[-6:], "what was told decides what is asked for next"


@pytest.mark.parametrize(("best", "edge"), [(1.2e-4, (RATE,)), (1e-2, ()), (0.8, (RATE,))])
def test_a_choice_near_a_bound_is_told(best, edge):
    _, chosen = drive(search(trials=64, generation=64, sampler="random"), lambda h: abs(math.log(h[RATE] / best)))
    assert chosen.edge == edge


def test_a_setting_that_is_asked_for_twice_is_trained_once():
    narrow = search(axes={RATE: {"uniform": [0.1, 0.100001]}}, seeds=2)
    tried, chosen = drive(narrow, lambda hyper: hyper[RATE])
    assert len(tried) < 32 and chosen.trials == 2 * len({each[RATE] for each in tried})


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"trials": 4, "generation": 6},
            "protocol.trials is 4: it must be a multiple of protocol.generation, which is 6",
        ),
        (
            {"sampler": "tpee"},
            "protocol.sampler is 'tpee': it must be 'tpe', 'cmaes', 'gp' or 'random'.*Did you mean 'tpe'",
        ),
        (
            {"sampler": "cmaes", "trials": 6, "generation": 2},
            "protocol.generation is 2: sampler=cmaes needs at least 4",
        ),
        ({"axes": {RATE: [1e-3, 1e-2]}}, "protocol.axes.optimizer.learning_rate is .*: it must be bounds"),
        ({"axes": {RATE: {"loguniform": [0, 1]}}}, r"learning_rate.loguniform is \[0, 1\]: .*, and both above 0"),
        (
            {"axes": {RATE: {"uniform": [0, 1], "n": 4}}},
            "learning_rate.n is unknown: an axis has uniform or loguniform",
        ),
        ({"axes": {"optimizer.learning_rat": {"uniform": [0, 1]}}}, "learning_rat is unknown: .* Did you mean"),
        ({"axes": {"task.length": {"uniform": [3, 9]}}}, "protocol.axes.task.length is unknown"),
        ({"seeds": 2, "first_seed": 1}, "seeds 0 to 1 are reported and may not choose"),
    ],
)
def test_what_cannot_be_searched_is_told_in_a_sentence(fields, sentence):
    with pytest.raises(UserError, match=sentence):
        experiment(protocol=search(**fields))


def test_a_missing_package_is_told_before_anything_is_trained_and_results_are_read_without_it(
    straight, tmp_path, capsys, monkeypatch
):
    import gru_lab.training.protocols.optuna as module

    monkeypatch.setattr(module, "find_spec", lambda name: None if name != "optuna" else importlib.util.find_spec(name))
    assert command(f"paths.runs={tmp_path}", "protocol=optuna", "protocol.sampler=gp") == 2
    assert "protocol.sampler is 'gp': it needs the package torch, which is not installed" in capsys.readouterr().err
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    line = f"protocol.axes.{RATE}={{loguniform:[1e-4,1e-1]}}"
    assert command(f"paths.runs={tmp_path}", "protocol=optuna", line) == 2
    assert (
        "it needs the package optuna, which is not installed: pip install 'gru-lab[optuna]'" in capsys.readouterr().err
    )
    assert not list(Path(tmp_path).rglob("members"))
    assert load(straight[0].folder).record.protocol == "optuna"


def test_the_state_of_a_sweep_counts_trials_whose_names_are_not_known_yet(tmp_path):
    ours = plan()
    names = tuple(member.name for member in ours.protocol.opening(ours))
    keep_plan(tmp_path, Plan("", "", {ours.name: Planned("rnn", names, 4, reported=4, trials=ours.protocol.budget)}))
    [state] = states(tmp_path)
    assert (len(names), state.members, state.word) == (4, 20, "to do")
