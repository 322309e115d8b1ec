"""One mesh of devices, members x batch: the numbers of the whole batch, one sum per update, and the bits on resume."""

import json
import os
import re

import jax
import numpy as np
import pytest
from tiny import Killed, contents, experiment, python, run, stopper

from gru_lab import UserError, cells, models, tasks
from gru_lab.data import in_chunks
from gru_lab.training import layout, population
from gru_lab.training.callbacks.checkpoint import Checkpoint
from gru_lab.training.population import Shape, begin, compiled, fastest
from gru_lab.training.train import make_program

pytestmark = pytest.mark.skipif(len(jax.devices()) < 2, reason="needs two devices")
PARTS = {"batch": 9, "placement": "devices", "parts": 2, "seeds": 1}


def advanced(ours, parts, placement="devices"):
    """The step of one member with its batch in parts: the compiled program, and what it gives."""
    program = make_program(ours, False, parts)
    members = begin(program, ours.members())
    validation = jax.tree.map(np.asarray, program.source.holdout("validation", 7))
    chunks = in_chunks(validation, 4, np.asarray(ours.task.weights(validation)))
    data = {"train": (), "validation": chunks}
    lay_out, step = compiled(placement, lambda m, data: program.advance(m, data, None), members, data, parts=parts)
    return step, jax.tree.map(np.asarray, step(lay_out(members), data))


def test_parts_of_a_batch_give_the_whole_ones_numbers_and_one_sum_per_update():
    task = tasks.create("copy", length=2, items=2)
    ours = experiment(cells.create("rnn", hidden=5), task, seeds=1, batch=9)
    step, (state, measured) = advanced(ours, parts=2)
    _, (alike, known) = advanced(ours, parts=1)
    _, (slowly, _) = advanced(experiment(ours.cell, task, seeds=1, batch=9, accumulate=3), parts=2)
    for found, whole in ((state, alike), (measured, known), (slowly.params, alike.params)):
        for leaf, expected in zip(jax.tree.leaves(found), jax.tree.leaves(whole), strict=True):
            np.testing.assert_allclose(leaf, expected, rtol=2e-4, atol=2e-6)
    text = step.as_text()
    assert len(re.findall(r" all-gather(?:-start)?\(", text)) == 2, "one in the update, one in the evaluation"
    assert " all-reduce" not in text
    steps, width = task.sample(jax.random.key(0), 1).inputs.shape[1], 5
    assert f"f32[{steps},5,{width}]" in text and f"f32[{steps},9,{width}]" not in text, "a device has its share alone"


@pytest.mark.parametrize(
    ("members", "devices", "parts", "shape"),
    [
        (1, 2, 2, (1, 2)),
        (2, 2, 2, (2, 1)),
        (3, 2, 2, (2, 1)),
        (1, 1, 1, (1, 1)),
        (10, 8, 8, (5, 1)),
        (40, 8, 8, (8, 1)),
        (1, 8, 4, (1, 4)),
        (2, 8, 8, (2, 4)),
    ],
)
def test_the_mesh_follows_from_members_and_devices(members, devices, parts, shape):
    assert fastest(members, devices, range(1, parts + 1), population.ALONE) == Shape(*shape)


def test_auto_cuts_large_batches_of_few_members_and_writes_it_down(tmp_path, monkeypatch):
    monkeypatch.setattr(population, "cores", lambda: 2)

    def parts(members=1, **options):
        ours = {"cell": "gru", "placement": "auto", "batch": 9} | options
        return layout.layout_for(experiment(**ours), False, members).parts

    assert parts() == 1, "the batch is small"
    monkeypatch.setattr(layout, "PRODUCTS", 10)
    assert parts() == 2 and parts(members=2) == 1 and parts(parts=3) == 3 and parts(placement="devices") == 1
    assert parts(cell="exprnn") == 1, "it calls LAPACK"
    noisy = models.create("recurrent", state_dropout=0.5)
    assert parts(model=noisy) == 1, "each part would draw for itself"
    (record,) = run(experiment(**PARTS | {"placement": "auto", "parts": None}), tmp_path).records
    assert record.layout["parts"] == 2 and record.timing["mesh"] == {"members": 1, "batch": 2}
    monkeypatch.setattr(population, "cores", lambda: 1)
    assert parts() == 1, "one core cuts no new batch"


def test_a_batch_that_was_cut_is_cut_on_resume_and_gives_the_same_bits(tmp_path, monkeypatch):
    straight = run(experiment(**PARTS), tmp_path / "straight")
    with pytest.raises(Killed):
        run(experiment(**PARTS), tmp_path, [Checkpoint(seconds=0), stopper(65, "evaluated", Killed)])
    monkeypatch.setattr(population, "cores", lambda: 1)
    resumed = run(experiment(**PARTS | {"parts": None, "placement": "map"}), tmp_path)
    assert contents(resumed.folder) == contents(straight.folder)
    assert resumed.records[0].timing["mesh"] == {"members": 1, "batch": 2}
    monkeypatch.setattr(population.jax, "devices", lambda real=jax.devices: real()[:1])
    alone = run(experiment(**PARTS), tmp_path / "one").records[0]
    assert alone.timing["mesh"] == {"members": 1, "batch": 1} and alone.layout["parts"] == 2
    np.testing.assert_allclose(alone.value(), straight.values()[0], rtol=1e-5)


def test_a_part_has_a_sequence():
    with pytest.raises(UserError, match=r"training\.parts is 5: a part has one sequence at least"):
        experiment(parts=5)


ON_CORES = """
import json, os, sys
for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS",): os.environ.pop(name, None)
os.sched_setaffinity(0, [*os.sched_getaffinity(0)][:int(sys.argv[2])])
import jax
jax.config.update("jax_num_cpu_devices", 2)
from tiny import Killed, experiment, run, stopper
from gru_lab import cells
from gru_lab.training.callbacks.checkpoint import Checkpoint
ours = experiment(cells.create("gru", hidden=16), seeds=1, batch=9, placement="auto", parts=2 if sys.argv[3] else None)
try:
    run(ours, sys.argv[1], [Checkpoint(seconds=0)] + [stopper(65, "evaluated", Killed)] * (sys.argv[3] == "killed"))
except Killed:
    pass
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or os.cpu_count() < 2, reason="needs two cores, and to choose")
def test_a_run_begun_on_two_cores_and_resumed_on_one_gives_the_same_bits_with_all_optimisations(tmp_path):
    for folder, cores, how in (("straight", 2, "whole"), ("killed", 2, "killed"), ("killed", 1, "")):
        process = python(ON_CORES, str(tmp_path / folder), str(cores), how, folder=tmp_path)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    straight, resumed = (contents(next((tmp_path / name).glob("*-*"))) for name in ("straight", "killed"))
    assert straight == resumed
    assert json.loads(next((tmp_path / "killed").rglob("layout.json")).read_text())["parts"] == 2
