"""The Transformer and the TCN against released code, recorded by record_networks.py: outputs and gradients."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gru_lab import models
from gru_lab.models import Spec

GOLDEN = np.load(Path(__file__).with_name("networks_golden.npz"), allow_pickle=False)
HEADS, SIZE = 2, 4
# transformers takes the sines of rotary positions in float32
CASES = {
    "torch": ({"norm": "layer", "mlp": "gelu", "bias": True, "positions": "none"}, 1e-12),
    "llama": ({}, 1e-6),
    "tcn": ({"width": 5, "levels": 3, "kernel": 3}, 1e-12),
}


def neighbours(rows):
    """The rows of a projection, of which LLaMA turns i with i + D/2, so that 2i and 2i + 1 are turned together."""
    heads = rows.reshape(HEADS, 2, SIZE // 2, -1)
    return heads.swapaxes(1, 2).reshape(HEADS * SIZE, -1)


def of_torch(w):
    yield from norm("norm", w, "norm")
    for n in range(2):
        ours, theirs = f"blocks/{n}", f"layers.{n}"
        for part, name in enumerate(("query", "key", "value")):
            yield f"{ours}/attention/{name}/kernel", np.split(w[f"{theirs}.self_attn.in_proj_weight"], 3)[part].T
            yield f"{ours}/attention/{name}/bias", np.split(w[f"{theirs}.self_attn.in_proj_bias"], 3)[part]
        layers = {"attention/out": "self_attn.out_proj", "mlp/up": "linear1", "mlp/down": "linear2"}
        for name, other in layers.items():
            yield f"{ours}/{name}/kernel", w[f"{theirs}.{other}.weight"].T
            yield f"{ours}/{name}/bias", w[f"{theirs}.{other}.bias"]
        yield from norm(f"{ours}/before_attention", w, f"{theirs}.norm1")
        yield from norm(f"{ours}/before_mlp", w, f"{theirs}.norm2")


def norm(name, w, other):
    yield f"{name}/scale", w[f"{other}.weight"]
    yield f"{name}/bias", w[f"{other}.bias"]


def of_llama(w):
    yield "norm/scale", w["norm.weight"]
    for n in range(2):
        ours, theirs = f"blocks/{n}", f"layers.{n}"
        for name in ("query", "key", "value", "out"):
            rows = w[f"{theirs}.self_attn.{name[0]}_proj.weight"]
            yield f"{ours}/attention/{name}/kernel", (neighbours(rows) if name in ("query", "key") else rows).T
        for name in ("gate", "up", "down"):
            yield f"{ours}/mlp/{name}/kernel", w[f"{theirs}.mlp.{name}_proj.weight"].T
        yield f"{ours}/before_attention/scale", w[f"{theirs}.input_layernorm.weight"]
        yield f"{ours}/before_mlp/scale", w[f"{theirs}.post_attention_layernorm.weight"]


def of_tcn(w):
    for n in range(3):
        for name, other in (("first", "conv1"), ("second", "conv2")):
            yield f"blocks/{n}/{name}/v", w[f"{n}.{other}.weight_v"].T
            yield f"blocks/{n}/{name}/g", w[f"{n}.{other}.weight_g"].ravel()
            yield f"blocks/{n}/{name}/b", w[f"{n}.{other}.bias"]
    yield "blocks/0/across/kernel", w["0.downsample.weight"][..., 0].T
    yield "blocks/0/across/bias", w["0.downsample.bias"]


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_of_released_code(case, float64):
    golden = {name.removeprefix(f"{case}/"): GOLDEN[name] for name in GOLDEN.files if name.startswith(f"{case}/")}
    fields, allowed = CASES[case]
    fields = fields if case == "tcn" else {"width": 8, "heads": HEADS, "units": 12, **fields}
    model = models.create("tcn" if case == "tcn" else "transformer", **fields)
    network = model.build(None, Spec(8, 1, False, "every"), nnx.Rngs(params=jax.random.key(0)))
    graph, state = nnx.split(network)
    flat = dict(nnx.to_flat_state(state))
    read = globals()[f"of_{case}"]

    def part(kind):
        return dict(read({n.removeprefix(kind): w for n, w in golden.items() if n.startswith(kind)}))

    outside = {name for path in flat if (name := "/".join(map(str, path))).startswith(("embedding", "readout"))}
    weights = part("weight/")
    assert set(weights) | outside == {"/".join(map(str, path)) for path in flat}
    given = [flat[path].replace(jnp.asarray(weights.get("/".join(map(str, path)), flat[path][...]))) for path in flat]
    state = nnx.from_flat_state(list(zip(flat, given, strict=True)))

    def loss(state, xs):
        out = nnx.merge(graph, state).body(xs, None, {})
        return jnp.sum(out * golden["cotangent"]), out

    (_, out), (by_state, by_xs) = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(
        state, jnp.asarray(golden["xs"])
    )
    ours = {"/".join(map(str, path)): leaf[...] for path, leaf in nnx.to_flat_state(by_state)}
    for name, theirs in part("grad/").items():
        np.testing.assert_allclose(ours[name], theirs, atol=allowed * max(1, np.abs(theirs).max()), err_msg=name)
    np.testing.assert_allclose(out, golden["out"], atol=allowed * np.abs(golden["out"]).max())
    np.testing.assert_allclose(by_xs, golden["grad/xs"], atol=allowed * np.abs(golden["grad/xs"]).max())
