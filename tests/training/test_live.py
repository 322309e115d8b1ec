"""Diagnostics at evaluations: what a line says is what the diagnostic says, and training does not feel it."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import Experiment, UserError, cells, run, tasks
from gru_lab.diagnostics import gradient_flow, saturation
from gru_lab.diagnostics.gates import gate_values
from gru_lab.runs.folder import RunFolder, measured, read_metrics
from gru_lab.training import Population, Training
from gru_lab.training.live import SEQUENCES, entry, scalars
from gru_lab.training.population import stack
from gru_lab.training.train import make_program

OURS = Experiment(
    cells.create("gru", hidden=5),
    tasks.create("adding", length=20),
    training=Training(updates=20, evaluate_every=10, batch=4, validation=40, test=8),
    population=Population(seeds=3),
    diagnostics=("gradient_flow", "gates"),
)


class Tracker:
    """Keeps what it is told, and stops the program after the first evaluation if asked."""

    def __init__(self, stops=False):
        self.told, self.stops = {}, stops

    def log(self, values, update):
        self.told[update] = values
        if self.stops:
            raise KeyboardInterrupt

    def finish(self):
        pass


def test_lines_hold_what_diagnostics_measure_also_when_resumed_and_training_stays_as_it_was(tmp_path):
    plain = dataclasses.replace(OURS, diagnostics=())
    assert plain.hash == OURS.hash and plain.config == OURS.config
    record = run(plain, tmp_path / "plain")

    folder, tracker = tmp_path / "ours" / OURS.name, Tracker()
    with pytest.raises(KeyboardInterrupt):
        run(OURS, tmp_path / "ours", lambda _: Tracker(stops=True))
    first = (folder / "metrics.jsonl").read_text()
    ours = run(OURS, tmp_path / "ours", lambda _: tracker)
    assert (folder / "metrics.jsonl").read_text().startswith(first)
    assert [member.metrics for member in ours.members] == [member.metrics for member in record.members]
    lines, torn = read_metrics(folder / "metrics.jsonl")
    without = [{name: value for name, value in line.items() if name != "diagnostics"} for line in lines]
    assert without == read_metrics(tmp_path / "plain" / OURS.name / "metrics.jsonl")[0] and not torn

    updates, norms_EML = measured(lines, "gradient_flow", "norm")
    assert updates.tolist() == [10, 20] and norms_EML.shape == (2, 3, 20)
    program = make_program(OURS)
    state = RunFolder(folder).load_checkpoint(stack([program.init(jax.random.key(n)) for n in range(3)]))
    batch = jax.tree.map(lambda leaf: leaf[:SEQUENCES], program.data["validation"])
    for n in range(3):
        network = program.network(jax.tree.map(lambda leaf, n=n: jnp.asarray(leaf[n]), state.params))
        weights = network.layers[0].weights

        def loss(outputs, network=network):
            return jnp.sum((network.readout(outputs) - batch.targets) ** 2)

        norms_BL = gradient_flow(OURS.cell, weights, batch.inputs, loss)
        np.testing.assert_allclose(norms_EML[1, n], norms_BL.mean(0), rtol=1e-3)
        low_H, _ = saturation(gate_values(OURS.cell, weights, batch.inputs)["z"])
        np.testing.assert_allclose(measured(lines, "gates", "z_below_0.1")[1][1, n], low_H.mean(), rtol=1e-3)
        assert tracker.told[20][f"diagnostics/gradient_flow/norm[16]/{n}"] == norms_EML[1, n, 16]
    assert tracker.told[20]["diagnostics/gradient_flow/norm[16]"] == pytest.approx(norms_EML[1, :, 16].mean())


def test_a_member_that_has_stopped_is_null_and_a_long_curve_is_told_at_a_few_places():
    found = {"flow": {"norm": np.arange(40.0).reshape(2, 20) / 3, "rate": np.array([0.123456789, np.nan])}}
    kept = entry(found, np.array([True, False]))
    assert kept["flow"]["norm"][0][:3] == [0.0, 0.33333, 0.66667] and kept["flow"]["norm"][1] is None
    columns = scalars(kept)
    assert columns["flow/rate"] == [0.12346, None] and columns["flow/norm[16]"] == [5.3333, None]
    assert list(columns) == ["flow/norm[0]", *(f"flow/norm[{2**n}]" for n in range(5)), "flow/rate"]

    lines = [{"update": 10}, json.loads(json.dumps({"update": 20, "diagnostics": kept}))]
    updates, values = measured(lines, "flow", "norm")
    assert updates.tolist() == [20] and values.shape == (1, 2, 20) and np.isnan(values[0, 1]).all()
    with pytest.raises(UserError, match=r"hold no flow\.rank"):
        measured(lines, "flow", "rank")
