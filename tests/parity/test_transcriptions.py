"""Every cell and variant against the loop-by-loop transcription of its paper, and what holds by construction."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells

sys.path.insert(0, str(Path(__file__).parent))
import kin
import transcriptions

INPUTS, HIDDEN, TIME = 3, 4, 7
CASES = [(name, fields, step) for name, entries in transcriptions.STEPS.items() for fields, step in entries]


def label(case):
    return "-".join([case[0], *(f"{key}={value}" for key, value in case[1].items())])


def drawn(cell, inputs=INPUTS, seed=0):
    """Parameters in float64 that are far from their initial zeros and ones, so that every term shows."""
    shapes = jax.eval_shape(lambda key: cell.init(key, inputs), jax.random.key(0))
    rng = np.random.default_rng(seed)
    return {name: jnp.asarray(0.7 * rng.standard_normal(s.shape)) for name, s in sorted(shapes.items())}


def plain(leaf):
    return np.asarray(leaf).tolist()


def test_every_cell_has_a_transcription():
    assert set(cells.names()) == set(transcriptions.STEPS)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.slow if case[0] in kin.CELLS else (), id=label(case)) for case in CASES],
)
def test_a_cell_equals_its_transcription(case):
    name, fields, transcription = case
    cell = cells.create(name, hidden=HIDDEN, **fields)
    with jax.enable_x64(True):
        params = drawn(cell)
        state = cell.initial_state(params)
        xs = np.random.default_rng(1).standard_normal((TIME, INPUTS))
        _, hs = jax.lax.scan(lambda s, x: (new := cell.step(params, s, x), cell.read(new)), state, jnp.asarray(xs))
    told = jax.tree.map(plain, state)
    seen = []
    for t in range(TIME):
        told, out = transcription(jax.tree.map(plain, params), told, xs[t].tolist(), t, cell)
        seen.append(out)
    np.testing.assert_allclose(hs, seen, rtol=0, atol=1e-12 * max(1.0, np.max(np.abs(seen))))
