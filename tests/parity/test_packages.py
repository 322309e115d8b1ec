"""minGRU, LRU and sLSTM against the public packages that hold them, where those are installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells

INPUTS, HIDDEN, TIME = 4, 4, 7
WHY = "compares with {0}: `pip install {0}`"


def drawn(name, **fields):
    cell = cells.create(name, hidden=HIDDEN, **fields)
    shapes = jax.eval_shape(lambda key: cell.init(key, INPUTS), jax.random.key(0))
    rng = np.random.default_rng(0)
    return cell, {n: 0.5 * rng.standard_normal(s.shape) for n, s in shapes.items()}, rng.standard_normal((TIME, INPUTS))


def ours(cell, params, xs):
    with jax.enable_x64(True):
        params = {n: jnp.asarray(p) for n, p in params.items()}
        step = lambda s, x: (new := cell.step(params, s, x), new)  # noqa: E731
        return jax.lax.scan(step, cell.initial_state(params), jnp.asarray(xs))[1]


def test_mingru_equals_the_package_of_its_form_in_logarithms():
    package = pytest.importorskip("minGRU_pytorch", reason=WHY.format("minGRU-pytorch"))
    import torch

    cell, params, xs = drawn("mingru", candidate="positive")
    params |= {"b_z": np.zeros(HIDDEN), "b_n": np.zeros(HIDDEN)}  # it has no biases
    module = package.minGRU(INPUTS).double()
    with torch.no_grad():
        module.to_hidden_and_gate.weight.copy_(torch.tensor(np.hstack([params["W_n"], params["W_z"]]).T))
        theirs = module(torch.tensor(xs)[None])[0]  # all steps at once, by a parallel scan
    np.testing.assert_allclose(ours(cell, params, xs), theirs.numpy(), rtol=0, atol=1e-12)


def test_lru_equals_the_package():
    package = pytest.importorskip("LRU_pytorch", reason=WHY.format("lru-pytorch"))
    import torch

    cell, params, xs = drawn("lru")
    module = package.LRU(INPUTS, 2 * HIDDEN, HIDDEN).double()
    identity = torch.eye(HIDDEN, dtype=torch.complex128)
    with torch.no_grad():
        for theirs, name in (("nu_log", "nu"), ("theta_log", "theta"), ("gamma_log", "gamma")):
            getattr(module, theirs).copy_(torch.tensor(params[name]))
        module.B = torch.nn.Parameter(torch.tensor((params["B"][:, :HIDDEN] + 1j * params["B"][:, HIDDEN:]).T))
        # Re(C h) with C = (1, -i) is (Re h, Im h)
        module.C, module.D = torch.nn.Parameter(torch.cat([identity, -1j * identity])), torch.nn.Parameter(module.D * 0)
        module.state = module.state.to(torch.complex128)
        theirs = module(torch.tensor(xs)).numpy()
    states = ours(cell, params, xs)
    np.testing.assert_allclose(
        np.hstack([states.real, states.imag]), theirs, rtol=0, atol=1e-6
    )  # its output is float32


def test_slstm_equals_its_authors_package():
    pytest.importorskip("mlstm_kernels", reason=WHY.format("xlstm"))
    module = pytest.importorskip("xlstm.blocks.slstm.src.vanilla.slstm", reason=WHY.format("xlstm"))
    import torch

    cell, params, xs = drawn("slstm")
    W, U, b = (
        torch.tensor(np.concatenate([params[f"{letter}_{gate}"] for gate in "ifgo"], axis=-1)) for letter in "WUb"
    )
    states, seen = torch.zeros(4, 1, HIDDEN, dtype=torch.float64), []
    for x in torch.tensor(xs):
        states, _ = module.slstm_forward_pointwise(x[None] @ W, states[0] @ U, b, states, {})
        seen.append(states[:, 0])
    for mine, theirs in zip(ours(cell, params, xs), torch.stack(seen, dim=1), strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=0, atol=1e-12)
