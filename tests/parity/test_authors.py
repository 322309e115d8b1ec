"""Cells against their authors' code, transcribed, and the rank of every cell's witness."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells

sys.path.insert(0, str(Path(__file__).parent))
import authors

INPUTS, HIDDEN, TIME = 3, 6, 12


@pytest.mark.parametrize("name", authors.RUNS)
def test_a_cell_equals_its_authors_code(name):
    _, fields, run = authors.RUNS[name]
    cell = cells.create(name, hidden=HIDDEN, **fields)
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: cell.init(key, INPUTS), jax.random.key(0))
    params = {n: 0.6 * rng.standard_normal(s.shape) for n, s in shapes.items()}
    xs = rng.standard_normal((TIME, INPUTS))
    if name == "grud":  # values of one variable, whether it was observed, and the time since then
        xs[:, 1], xs[:, 2] = xs[:, 1] > 0, np.abs(xs[:, 2])
    with jax.enable_x64(True):
        given = {n: jnp.asarray(p) for n, p in params.items()}
        start = cell.initial_state(given)
        hs = jax.lax.scan(lambda s, x: (new := cell.step(given, s, x), cell.read(new)), start, jnp.asarray(xs))[1]
    # The unitary cell keeps 1e-12 below a root, where its gradient would be nan.
    told = np.array(list(run(params, xs, cell)))
    near = 1e-9 if name == "urnn" else 1e-12
    np.testing.assert_allclose(hs, told, rtol=0, atol=near * max(1.0, np.max(np.abs(told))))


def test_every_cell_names_the_witness_that_the_tests_hold():
    golden = np.load(Path(__file__).parent / "packages_golden.npz")
    recorded = {}
    for entry in golden.files:
        if entry.endswith("/about"):
            about = json.loads(str(golden[entry]))
            recorded.setdefault(about["cell"], set()).add(f"{about['package']} {about['version']}")
    ranks = {}
    for name in cells.names():
        witness = cells.get(name).witness
        ranks[name] = witness[0]
        for line in witness.split("; "):
            rank, _, what = line.partition(": ")
            if rank == "a" and what.startswith("torch.nn"):
                assert name in ("rnn", "gru", "lstm")
            elif rank == "a":
                assert what.partition(" (")[0] in recorded[name], name
            elif rank == "c":
                assert authors.RUNS[name][0] in witness, name
            elif rank == "d":
                assert name not in recorded and name not in authors.RUNS, name
    assert sum(rank in "ab" for rank in ranks.values()) >= 20 and sum(rank in "abc" for rank in ranks.values()) >= 30
