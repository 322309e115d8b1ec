"""Every YAML composes, and the dataclasses are the only list of fields."""

import dataclasses

import pytest

from gru_lab import cells, tasks
from gru_lab.commandline import compose, configs
from gru_lab.training import optimizers, remedies

PRESETS = sorted(path.relative_to(configs()).with_suffix("") for path in configs().rglob("*.yaml"))


def job(*arguments):
    return compose("train", list(arguments))[1][0]


@pytest.mark.parametrize("preset", [p for p in PRESETS if len(p.parts) > 1], ids=str)
def test_every_preset_composes(preset):
    group, option = preset.parts[0], "/".join(preset.parts[1:])
    assert job(f"{group}={option}").experiment.hash


def test_presets_are_found():
    assert {"experiment/compare/adding", "debug/quick", "cell/lstm_peephole"} <= {str(preset) for preset in PRESETS}


@pytest.mark.parametrize("name", cells.names())
def test_every_cell_is_an_option_with_the_defaults_of_its_class(name):
    assert job(f"cell={name}").experiment.cell == cells.create(name)


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_is_an_option_with_the_defaults_of_its_class(name):
    assert job(f"task={name}").experiment.task == tasks.create(name)


@pytest.mark.parametrize("name", optimizers.names())
def test_every_optimizer_is_an_option_with_the_defaults_of_its_class(name):
    assert job(f"optimizer={name}").experiment.optimizer == optimizers.create(name)


@pytest.mark.parametrize("name", remedies.names())
def test_every_remedy_is_an_option_and_none_leaves_the_configuration_as_it_was(name):
    base, experiment = job().experiment, job(f"remedy={name}").experiment
    assert experiment.remedy == remedies.create(name)
    assert ("remedy" in experiment.config) == (experiment.hash != base.hash) == (name != "none")


def test_a_sweep_composes_every_pair():
    jobs = compose("train", ["-m", "cell=rnn,gru", "task=adding,copy", "task.length=9"])[1]
    pairs = {(j.experiment.config["cell"]["name"], j.experiment.config["task"]["name"]) for j in jobs}
    assert pairs == {("rnn", "adding"), ("rnn", "copy"), ("gru", "adding"), ("gru", "copy")}
    assert all(j.experiment.task.length == 9 for j in jobs)


def test_the_folder_of_a_run_follows_its_settings_and_not_where_or_how_it_is_shown():
    base = job().experiment.name
    assert job("logger=wandb", "paths.runs=elsewhere", "sweep=other").experiment.name == base
    assert job("population.placement=vmap").experiment.name == base
    assert job("diagnostics=[gradient_flow,gates]").experiment.name == base
    assert job("cell.hidden=65").experiment.name != base
    assert job("optimizer.learning_rate=1").experiment == job("optimizer.learning_rate=1.0").experiment


def test_compared_cells_have_equal_parameters():
    from gru_lab.models import count_parameters

    for task in (path.name for path in PRESETS if path.parts[:2] == ("experiment", "compare")):
        jobs = compose("train", ["-m", "cell=rnn,lstm,gru", f"experiment=compare/{task}"])[1]
        counts = [
            sum(count_parameters(j.experiment.cell, j.experiment.model, j.experiment.shape).values()) for j in jobs
        ]
        assert max(counts) <= 1.02 * min(counts), f"{task}: {counts}"
        assert all(j.experiment.population.seeds >= 5 for j in jobs)
        protocols = {dataclasses.replace(j.experiment, cell=cells.create("rnn")) for j in jobs}
        assert len(protocols) == 1, "the cells of one task are trained by one protocol"


def test_the_zoo_takes_every_cell_at_equal_parameters():
    from gru_lab.models import count_parameters

    jobs = compose("train", ["-m", "cell=glob(*)", "+experiment=zoo"])[1]
    assert {j.experiment.config["cell"]["name"] for j in jobs} == set(cells.names())
    for experiment in (j.experiment for j in jobs):
        count = sum(count_parameters(experiment.cell, experiment.model, experiment.shape).values())
        assert abs(count - experiment.model.parameters) <= 0.02 * experiment.model.parameters
