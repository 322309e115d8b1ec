"""Cells against the numbers of the packages that hold them, recorded by record_packages.py."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells

GOLDEN = np.load(Path(__file__).parent / "packages_golden.npz", allow_pickle=False)
CASES = {name.split("/")[0]: json.loads(str(GOLDEN[name])) for name in GOLDEN.files if name.endswith("/about")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{CASES[case]['cell']}-{case}")
def test_outputs_and_gradients_equal_the_package(case):
    about = CASES[case]
    golden = {name.removeprefix(f"{case}/"): GOLDEN[name] for name in GOLDEN.files if name.startswith(f"{case}/")}
    given = {name.removeprefix("params/"): value for name, value in golden.items() if name.startswith("params/")}
    cotangent = golden.get("cotangent", np.zeros_like(golden["hs"]))
    with jax.enable_x64(True):
        cell = cells.create(about["cell"], hidden=4, **about["fields"])
        params = {name: jnp.asarray(value) for name, value in given.items()}
        shapes = jax.eval_shape(lambda key: cell.init(key, golden["xs"].shape[1]), jax.random.key(0))
        assert {n: s.shape for n, s in shapes.items()} == {n: p.shape for n, p in params.items()}

        def loss(xs):
            start = cell.initial_state(params)
            hs = jax.lax.scan(lambda s, x: (new := cell.step(params, s, x), cell.read(new)), start, xs)[1]
            return jnp.sum(hs * cotangent), hs

        (_, hs), slope = jax.jit(jax.value_and_grad(loss, has_aux=True))(jnp.asarray(golden["xs"]))
    np.testing.assert_allclose(hs, golden["hs"], rtol=0, atol=about["tolerance"])
    if "gradient" in golden:
        np.testing.assert_allclose(slope, golden["gradient"], rtol=0, atol=10 * about["tolerance"])
