"""Every YAML composes, and the dataclasses are the only list of fields."""

import dataclasses

import kin
import numpy as np
import pytest

from gru_lab import cells, models, recurrence, tasks
from gru_lab.composition import compose, configs
from gru_lab.models import count_parameters
from gru_lab.training import optimizers, remedies
from gru_lab.training.callbacks.diagnostics import Diagnostics
from gru_lab.training.callbacks.wandb import Wandb

PRESETS = sorted(path.relative_to(configs()).with_suffix("") for path in configs().rglob("*.yaml"))
FAMILIES = {"cell": cells, "task": tasks, "method": recurrence, "optimizer": optimizers, "remedy": remedies}
OPTIONS = [(group, name) for group, family in FAMILIES.items() for name in family.names()] + [("model", "recurrent")]


def job(*arguments):
    return compose("train", list(arguments))[0]


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(p, marks=[pytest.mark.slow] * (p.parts[0] == "cell" and n % 4 > 0), id=str(p))
        for n, p in enumerate(p for p in PRESETS if len(p.parts) > 1)
    ],
)
def test_every_preset_composes(preset):
    group, option = preset.parts[0], "/".join(preset.parts[1:])
    assert job(f"{group}={option}").experiment.identity


def test_presets_are_found():
    assert {"experiment/compare/adding", "debug/quick", "cell/lstm_peephole"} <= {str(preset) for preset in PRESETS}


@pytest.mark.parametrize(
    ("group", "name"),
    [
        pytest.param(*each, marks=[pytest.mark.slow] * (each[1] in kin.CELLS | kin.TASKS), id="=".join(each))
        for each in OPTIONS
    ],
)
def test_every_class_is_an_option_with_its_defaults(group, name):
    chosen = {**FAMILIES, "model": models}[group].create(name)
    reader = ["model=encoder_decoder"] if getattr(chosen, "paired", False) else []
    assert getattr(job(f"{group}={name}", *reader).experiment, group) == chosen


def test_a_network_is_a_model_and_a_cell_in_one_word():
    assert job("network=lstm").experiment == job("cell=lstm").experiment
    assert job("network=lstm_chrono", "cell.hidden=3").experiment == job("cell=lstm_chrono", "cell.hidden=3").experiment
    jobs = compose("train", ["-m", "network=rnn,irnn,gru"])
    assert [j.experiment.network for j in jobs] == ["rnn", "rnn", "gru"]
    assert len({j.experiment.identity for j in jobs}) == 3


def test_a_sweep_composes_every_pair_wherever_its_flag_stands():
    for line in (["-m", "cell=rnn,gru", "task=adding,copy"], ["cell=rnn,gru", "-m", "task=adding,copy"]):
        jobs = compose("train", [*line, "task.length=9"])
        pairs = {(j.experiment.network, j.experiment.config["task"]["name"]) for j in jobs}
        assert pairs == {("rnn", "adding"), ("rnn", "copy"), ("gru", "adding"), ("gru", "copy")}
        assert all(j.experiment.task.length == 9 for j in jobs)


def test_callbacks_are_given_as_a_list_or_by_name():
    gates = Diagnostics(names=("gates",))
    assert job().callbacks == ()
    assert job("callbacks=[wandb]").callbacks == (Wandb(),)
    assert job("callbacks.diagnostics.names=[gates]").callbacks == (gates,)
    assert job("callbacks={wandb:{mode:online},diagnostics:{names:[gates]}}").callbacks == (Wandb(mode="online"), gates)
    assert job("callbacks=[{name:wandb,project:mine}]").callbacks == (Wandb(project="mine"),)


def test_axes_and_fields_that_were_asked_for_arrive():
    ours = job(
        "population.axes.optimizer.learning_rate=[1e-3,0.001,3e-3]", "population.seeds=2", "population.role=tune"
    )
    members = ours.experiment.members()
    assert [(m.seed, m.hyper["optimizer.learning_rate"]) for m in members] == [
        (0, 1e-3),
        (1, 1e-3),
        (0, 3e-3),
        (1, 3e-3),
    ]
    assert {m.role for m in members} == {"tune"} and job("force=true").force and not job().force


def test_axes_that_are_drawn_vary_together_and_always_to_the_same_numbers():
    rate, clip = "optimizer.learning_rate", "optimizer.clip_at"
    line = [f"population.axes.{rate}={{loguniform:[1e-4,1e-1],n:60}}", f"population.axes.{clip}={{uniform:[1,3],n:60}}"]
    members = job(*line, "population.axes.model.dropout=[0,0.5]", "population.seeds=1", "model.layers=2").experiment
    points = [(m.hyper[rate], m.hyper[clip]) for m in members.members()]
    assert len(points) == 120 and len({*points}) == 60, "a grid of the listed values, at each of the points"
    rates, clips = (np.array(values) for values in zip(*dict.fromkeys(points), strict=True))
    assert rates.min() >= 1e-4 and rates.max() <= 1e-1 and clips.min() >= 1 and clips.max() <= 3
    assert 0.3 < np.mean(rates < 10**-2.5) < 0.7 and 0.3 < np.mean(clips < 2) < 0.7
    assert abs(np.corrcoef(np.log(rates), clips)[0, 1]) < 0.4
    again = job(*line, "population.seeds=1").experiment.members()
    assert [(m.hyper[rate], m.hyper[clip]) for m in again] == [*dict.fromkeys(points)]
    other = job(line[0].replace("n:60", "n:60,seed:1"), line[1], "population.seeds=1").experiment.members()
    assert {m.hyper[rate] for m in other}.isdisjoint(rates) and [m.hyper[clip] for m in other] == clips.tolist()


def test_compared_cells_have_equal_parameters():
    for task in (path.name for path in PRESETS if path.parts[:2] == ("experiment", "compare")):
        jobs = compose("train", ["-m", "cell=rnn,lstm,gru", f"experiment=compare/{task}"])
        counts = [parameters(j.experiment) for j in jobs]
        assert max(counts) <= 1.02 * min(counts), f"{task}: {counts}"
        assert all(j.experiment.population.seeds >= 5 for j in jobs)
        protocols = {str(dataclasses.replace(j.experiment, cell=jobs[0].experiment.cell)) for j in jobs}
        assert len(protocols) == 1, "the cells of one task are trained by one protocol"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["adding", "copy"])
def test_the_zoo_takes_every_cell_at_equal_parameters(task):
    jobs = compose("train", ["-m", "cell=glob(*)", f"experiment=zoo/{task}"])
    assert {j.experiment.config["cell"]["name"] for j in jobs} == set(cells.names())
    for experiment in (j.experiment for j in jobs):
        assert abs(parameters(experiment) - experiment.model.parameters) <= 0.02 * experiment.model.parameters


def parameters(experiment):
    return sum(count_parameters(experiment.model, experiment.cell, experiment.spec).values())
