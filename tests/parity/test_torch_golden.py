"""rnn, lstm and gru against PyTorch's own numbers, recorded by scripts/make_golden.py."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import convert

GOLDEN = np.load(Path(__file__).parent / "torch_golden.npz", allow_pickle=False)
CASES = sorted({name.split("/")[0] for name in GOLDEN.files})
MEANING = """{case}: {what} differ from PyTorch's by {error:.1e}, allowed {allowed:.0e}.
These numbers were recorded from torch.nn and never change by themselves. So a step's equations, its gate order, its
polarity or the weight conversion has changed: outputs wrong = the forward equations or the conversion; outputs right
and gradients wrong = a custom derivative. Regenerate the file only if PyTorch itself changed its definition."""


def agree(case, what, ours, torchs, allowed):
    error = np.max(np.abs(np.asarray(ours, np.float64) - torchs)) / max(1.0, np.max(np.abs(torchs)))
    assert error <= allowed, MEANING.format(case=case, what=what, error=error, allowed=allowed)


@pytest.mark.parametrize(("dtype", "allowed"), [("float64", 1e-12), ("float32", 1e-6)])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_equal_pytorch(case, dtype, allowed):
    golden = {name.removeprefix(f"{case}/"): GOLDEN[name] for name in GOLDEN.files if name.startswith(f"{case}/")}
    weights = {name.removeprefix("weight/"): v.astype(dtype) for name, v in golden.items() if "weight/" in name}
    fields = {"nonlinearity": "relu"} if case == "rnn_relu" else {}
    stack = convert.get("torch").load(weights, **fields)

    def loss(layers, xs):
        hs = convert.Stack(stack.cell, layers).run(xs)
        return jnp.sum(hs * golden["cotangent"].astype(dtype)), hs

    with jax.enable_x64(dtype == "float64"):
        (_, hs), (by_layers, by_xs) = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(
            stack.layers, jnp.asarray(golden["xs"], dtype)
        )
    assert hs.dtype == dtype
    agree(case, "outputs", hs, golden["hs"], allowed)
    agree(case, "gradients of the inputs", by_xs, golden["grad/xs"], allowed)
    torchs = {
        name.removeprefix("grad/"): v for name, v in golden.items() if name.startswith("grad/") and "xs" not in name
    }
    expected = convert.get("torch").load({n: v for n, v in torchs.items() if "weight" in n}, cell=case.split("_")[0])
    for ours, theirs in zip(by_layers, expected.layers, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            for name in other:
                if name[0] in "WU":
                    agree(case, f"gradients of {name}", one[name], other[name], allowed)
    gates = {"rnn": ["h"], "lstm": list("ifgo"), "gru": list("rzn")}[case.split("_")[0]]
    for n, layer in enumerate(by_layers):
        for suffix, one in zip([f"l{n}", f"l{n}_reverse"], layer, strict=False):
            biases = np.concatenate([one[f"b_{gate}"] for gate in gates])
            agree(case, "gradients of the biases", biases, torchs[f"bias_ih_{suffix}"], allowed)
            if "b_hn" in one:
                agree(
                    case,
                    "gradients of b_hn",
                    one["b_hn"],
                    torchs[f"bias_hh_{suffix}"][-one["b_hn"].size :],
                    allowed,
                )
