"""`unroll` on several devices: the work stays split, gradients are summed once, and the numbers stay."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gru_lab import cells, unroll

CELL = cells.create("lstm", hidden=4)
pytestmark = pytest.mark.skipif(len(jax.devices()) < 2, reason="needs two devices")


def problem(batch):
    """Parameters, inputs, and every option of `unroll` that has a batch axis."""
    keys = iter(jax.random.split(jax.random.key(0), 6))
    params = CELL.init(next(keys), 3)
    start = jax.tree.map(lambda leaf: jax.random.normal(next(keys), (batch, *leaf.shape)), CELL.initial_state(params))
    masks = {name: jax.random.bernoulli(next(keys), 0.6, (batch, 6)) for name in ("mask", "resets")}
    options = {"state": start, "lengths": jnp.arange(batch) % 6 + 1, "reverse": True} | masks
    return params, jax.random.normal(next(keys), (batch, 6, 3)), options


def gap(a, b):
    pairs = zip(jax.tree.leaves(jax.device_get(a)), jax.tree.leaves(jax.device_get(b)), strict=True)
    return max(float(np.abs(x - y).max()) for x, y in pairs)


def devices():
    return Mesh(np.array(jax.devices()[:2]), ("batch",))


@pytest.mark.parametrize("batch", [4, 5])  # 5 sequences are not divided by two devices
def test_gradients_of_a_mesh_are_those_of_one_device_summed_once(batch, float64):
    params, xs, options = problem(batch)

    def gradient(params, xs, options, mesh=None):
        def loss(params, xs):
            final, hs = unroll(CELL, params, xs, **options, mesh=mesh)
            return jnp.vdot(jnp.cos(jnp.arange(hs.size)).reshape(hs.shape), hs) + jnp.sin(final[1]).sum()

        return jax.grad(loss, (0, 1))(params, xs)

    program = jax.jit(lambda *arrays: gradient(*arrays, options, devices())).lower(params, xs).compile()
    assert gap(program(params, xs), gradient(params, xs, options)) < 1e-12
    text = program.as_text()
    assert len(re.findall(r" all-reduce(?:-start)?\(", text)) == 1, "the gradient is summed once, at the end"
    assert f"f64[6,{batch}," not in text and f"f64[6,{(batch + 1) // 2}," in text, "every device steps its own share"


@pytest.mark.parametrize("kind", ["auto", "explicit"])
def test_inputs_that_are_sharded_stay_so(kind, float64):
    params, xs, options = problem(4)
    mesh = devices() if kind == "auto" else jax.make_mesh((2,), ("batch",), devices=jax.devices()[:2])
    there = jax.device_put(xs, NamedSharding(mesh, PartitionSpec("batch")))
    final, hs = unroll(CELL, params, there, **options)
    assert hs.addressable_shards[0].data.shape == (2, 6, 4)
    assert gap((final, hs), unroll(CELL, params, xs, **options)) < 1e-12
    if kind == "explicit":
        text = jax.jit(lambda p, x: unroll(CELL, p, x)[1]).lower(params, there).compile().as_text()
        assert "all-gather" not in text and "f64[6,2," in text and "f64[6,4," not in text
