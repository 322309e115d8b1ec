"""Length generalisation: tested at lengths other than that of training, stored, and shown."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import experiment, numbers, run

from gru_lab import UserError, load, tasks
from gru_lab.reports import pages
from gru_lab.runs import Found, RunFolder
from gru_lab.training.callbacks.generalisation import Generalisation

OURS = experiment()
WATCH = Generalisation(factors=(1, 3), sequences=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("longer")


@pytest.fixture(scope="module")
def watched(folder):
    return run(OURS, folder, [WATCH])


def measured(result, n=0):
    moments = RunFolder(result.folder).member(result.records[n].member).measured("generalisation")
    assert moments is not None and moments.when == ["trained"]
    return moments.at("trained")


def test_at_the_length_of_training_it_is_the_test_result_and_beyond_it_that_of_the_longer_task(watched):
    longer = tasks.create("adding", length=12)
    batch = longer.source().holdout("test", 8)
    for n, record in enumerate(watched.records):
        ours = measured(watched, n)
        assert ours["factor"].tolist() == [1, 3] and ours["length"].tolist() == [4, 12]
        np.testing.assert_allclose(ours["floor"], 1 / 6, rtol=1e-6)
        np.testing.assert_allclose(ours["loss"][0], record.value("test"), rtol=1e-5)
        network = load(watched.folder, seed=record.member.seed).network
        outputs = network(batch.inputs, None)
        assert outputs.shape == batch.targets.shape
        np.testing.assert_allclose(ours["loss"][1], jnp.mean((outputs - batch.targets) ** 2), rtol=1e-4)


def test_members_that_had_finished_are_measured_alike_and_training_does_not_feel_it(watched, tmp_path):
    plain = run(OURS, tmp_path)
    later = run(OURS, tmp_path, [WATCH])
    assert not later.trained
    for n, record in enumerate(watched.records):
        jax.tree.map(np.testing.assert_array_equal, measured(later, n), measured(watched, n))
        ours, theirs = (numbers(each) for each in (record, plain.records[n]))
        assert ours["metrics"] == theirs["metrics"]


def test_the_page_has_a_row_per_network_and_every_number(watched):
    page = pages.create("generalisation").make(pages.Material(Found(tuple(watched.groups)), command="the command"))
    text, files = page.write("markdown"), page.files(formats=("markdown",))
    assert "| rnn |" in text and "best guess" in text and "3 x" in text
    rows = files["generalisation.csv"].decode().splitlines()[1:]
    assert len(rows) == 2 * 2 and float(rows[0].split(",")[6]) == pytest.approx(measured(watched)["loss"][0], rel=1e-5)
    assert any(name.endswith(".png") for name in files)


@pytest.mark.slow
def test_a_small_space_of_sequences_is_told(tmp_path):
    said = []
    small = experiment(task=tasks.create("parity", length=4), updates=4, batch=4)
    run(small, tmp_path, say=said.append)
    share = 1 - (15 / 16) ** 16
    assert any(f"about 16 sequences, so that {share:.0%} of those held out are drawn in training" in s for s in said)
    assert experiment(task=tasks.create("adding", length=4)).repeated == 0


def test_a_task_without_a_length_is_refused_before_anything_compiles(tmp_path):
    with pytest.raises(UserError, match="task 'digits' has no length; those that have are adding"):
        run(experiment(task=tasks.create("digits")), tmp_path, [WATCH])
    with pytest.raises(UserError, match=r"callback.factors is \(2, 1\)"):
        Generalisation(factors=(2, 1))
    with pytest.raises(UserError, match=r"train with 'callbacks=\[generalisation\]'"):
        pages.create("generalisation").make(pages.Material(Found(())))
