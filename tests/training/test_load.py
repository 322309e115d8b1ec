"""`gru_lab.load`: a finished member, to predict with."""

import dataclasses

import numpy as np
import pytest
from tiny import adam, experiment, run

import gru_lab
from gru_lab import UserError, tasks
from gru_lab.runs import RunFolder

RATE = "optimizer.learning_rate"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Two seeds at two rates, the second of which diverges."""
    return run(experiment(axes={RATE: [1e-3, 1e30]}), tmp_path_factory.mktemp("runs"))


def test_a_loaded_network_has_the_test_metric_of_its_record(result):
    for seed in (None, 1):
        loaded = gru_lab.load(result.folder, seed)
        assert loaded.record.member.seed == (seed or 0) and loaded.record.status == "finished"
        assert loaded.experiment == experiment() and loaded.experiment.identity == loaded.record.identity
        task = loaded.experiment.task
        batch = task.source().holdout("test", 8)
        value = task.loss(loaded.network(batch.inputs, batch.lengths), batch).mean
        np.testing.assert_allclose(value, loaded.record.value(), rtol=1e-5)
    of_member = gru_lab.load(loaded.record.folder)
    assert of_member.record == loaded.record


def test_hyper_parameters_choose_among_members(tmp_path):
    result = run(experiment(axes={RATE: [1e-3, 3e-3]}), tmp_path)
    for rate in (1e-3, 3e-3):
        loaded = gru_lab.load(str(result.folder), 1, {RATE: rate})
        assert loaded.record.member.hyper[RATE] == loaded.experiment.optimizer.learning_rate == rate


def test_what_is_not_there_is_one_sentence(result, tmp_path):
    diverged = next(record for record in result.records if record.status == "diverged")
    for wrong in ({"seed": 7}, {"hyper": {RATE: 0.5}}, {"hyper": {"a": 1.0}}, {"hyper": {RATE: 1e30}}):
        with pytest.raises(UserError, match=r"holds no finished member like that: it holds seed 0 \(report, "):
            gru_lab.load(result.folder, **wrong)
    with pytest.raises(UserError, match=r"it holds seed 0 \(report, diverged\)"):
        gru_lab.load(diverged.folder)
    with pytest.raises(UserError, match=r"holds no config\.yaml: give the folder of a run"):
        gru_lab.load(tmp_path)


@dataclasses.dataclass(frozen=True)
class Named(type(tasks.create("adding"))):
    """Adding that reads a file."""

    file: str = ""

    def files(self):
        return (self.file,)


def test_another_file_of_data_or_another_revision_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "data.txt"
    file.write_text("1")
    result = run(experiment(task=Named(length=4, file=str(file)), optimizer=adam(b1=0.8)), tmp_path)
    assert gru_lab.load(result.folder).experiment.task.file == str(file)
    with monkeypatch.context() as raised:
        raised.setattr(type(adam()), "revision", 2, raising=False)
        with pytest.raises(UserError, match="was made with other revisions than there are now: train it again"):
            gru_lab.load(result.folder)
    file.write_text("2")
    with pytest.raises(UserError, match="was made with other data than there are now: train it again"):
        gru_lab.load(result.folder)
    checkpoint = RunFolder(result.folder).member(result.records[0].member).path / "checkpoint.safetensors"
    file.write_text("1")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    with pytest.raises(UserError, match="cannot be read"):
        gru_lab.load(result.folder)
