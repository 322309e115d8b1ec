"""Named cells against torchrecurrent, a PyTorch package of recurrent cells: another team's reading of the papers.

Two of its cells are left out because they differ from the paper: its LEM reads the cell state of the step before,
and its SCRN has an output layer of its own.
"""

import numpy as np
import pytest

pytest.importorskip("torchrecurrent", reason="compares with torchrecurrent: `pip install gru-lab[parity]`")
import jax
import jax.numpy as jnp
import torch
import torchrecurrent

from gru_lab import cells

INPUTS, HIDDEN, TIME = 3, 4, 6
# (our cell, its fields, their class, their options, their arrays as ours: joined along the first axis; - is set to 0)
CASES = [
    ("antisymmetric", {"dt": 0.3}, "AntisymmetricRNNCell", {"epsilon": 0.3, "gamma": 0.01}, "W_h", "U_h", "b_h", "b_h"),
    (
        "antisymmetric",
        {"dt": 0.3, "gated": True},
        "GatedAntisymmetricRNNCell",
        {"epsilon": 0.3, "gamma": 0.01},
        "W_z W_h",
        "U_h",
        "b_z b_h",
        "b_h",
    ),
    ("atr", {}, "ATRCell", {}, "W_p", "U_q", "b_p", "-"),
    ("brc", {}, "BRCell", {}, "W_a W_c W_n", "u_a u_c", "- b_c -", "- b_c"),
    ("brc", {"neuromodulated": True}, "NBRCell", {}, "W_a W_c W_n", "U_a U_c", "- b_c -", "- b_c"),
    ("cfn", {}, "CFNCell", {}, "W_f W_i W_n", "U_f U_i", "b_f b_i -", "b_f b_i"),
    ("cornn", {}, "coRNNCell", {"dt": 0.042, "gamma": 2.7, "epsilon": 4.7}, "W_y", "U_y", "b_y", "b_y"),
    ("fastrnn", {}, "FastRNNCell", {"nonlinearity": torch.tanh}, "W_h", "U_h", "b_h", "b_h"),
    ("fastgrnn", {}, "FastGRNNCell", {"nonlinearity": torch.sigmoid}, "W_a", "U_a", "b_z b_n", "b_z b_n"),
    ("indrnn", {}, "IndRNNCell", {"nonlinearity": torch.relu}, "W_h", "", "b_h", "b_h"),
    ("janet", {}, "JANETCell", {}, "W_f W_n", "U_f U_n", "b_f b_n", "b_f b_n"),
    ("ligru", {}, "LiGRUCell", {}, "W_z W_n", "U_z U_n", "b_z b_n", "b_z b_n"),
    ("mgu", {}, "MGUCell", {}, "W_f W_n", "U_f U_n", "b_f b_n", "b_f b_n"),
    ("minimalrnn", {}, "MinimalRNNCell", {}, "W_z", "U_u", "b_z", "b_u"),
    ("mut", {"variant": 1}, "MUT1Cell", {}, "W_z W_r W_n", "U_r U_n", "b_z b_r -", "b_r b_n"),
    ("mut", {"variant": 2}, "MUT2Cell", {}, "W_z W_r W_n", "U_z U_r U_n", "b_z b_r b_n", "b_z b_r b_n"),
    ("mut", {"variant": 3}, "MUT3Cell", {}, "W_z W_r W_n", "U_z U_r U_n", "b_z b_r b_n", "b_z b_r b_n"),
    ("ran", {}, "RANCell", {}, "W_c W_i W_f", "U_i U_f", "b_i b_f", "b_i b_f"),
    ("star", {}, "STARCell", {}, "W_z W_k", "U_k", "b_z b_k", "b_k"),
    ("ugrnn", {}, "UGRNNCell", {}, "W_n W_z", "U_n U_z", "b_n b_z", "b_n b_z"),
    ("unicornn", {}, "UnICORNNCell", {"dt": 0.1, "alpha": 1.0}, "W_y", "u_y", "b_y", "-"),
    (
        "lstm",
        {"peephole": True},
        "PeepholeLSTMCell",
        {},
        "W_i W_f W_g W_o",
        "U_i U_f U_g U_o",
        *["b_i b_f b_g b_o"] * 2,
    ),
]
OTHERS = {
    "weight_ch": {"cornn": "V_y", "unicornn": "c"},
    "bias_ch": {"cornn": "b_y"},
    "vector_u": "u_h",
    "weight_mm": "V_u",
    "weight_ph": "p_i p_f p_o",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[2])
def test_outputs_and_gradients_equal_torchrecurrent(case):
    name, fields, theirs, options, *joined = case
    torch.manual_seed(0)
    module = getattr(torchrecurrent, theirs)(INPUTS, HIDDEN, dtype=torch.float64, **options)
    layout = dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), joined, strict=True))
    params = {}
    for entry, tensor in module.named_parameters():
        other = OTHERS.get(entry, entry)
        words = layout.get(entry) or (other[name] if isinstance(other, dict) else other)
        if entry == "beta" and name == "janet":  # a constant there, a field here
            assert tensor.item() == cells.create(name).beta
            continue
        with torch.no_grad():
            tensor.normal_(0, 0.7)
            parts = torch.chunk(tensor, len(words.split()), 0)
            for word, part in zip(words.split(), parts, strict=True):
                if word == "-":
                    part.zero_()
        for word, part in zip(words.split(), parts, strict=True):
            ours = part.detach().numpy().T.copy() if part.shape != (1,) else part.detach().numpy()[0]
            if word != "-":
                params[word] = params.get(word, 0) + ours

    xs = torch.randn(TIME, 1, INPUTS, dtype=torch.float64, requires_grad=True)
    state, outputs = None, []
    for x in xs:
        state = module(x, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    cotangent = torch.randn(TIME, 1, HIDDEN, dtype=torch.float64)
    (torch.stack(outputs) * cotangent).sum().backward()

    cell = cells.create(name, hidden=HIDDEN, **fields)
    with jax.enable_x64(True):
        shapes = jax.eval_shape(lambda key: cell.init(key, INPUTS), jax.random.key(0))
        assert {n: s.shape for n, s in shapes.items()} == {n: np.shape(p) for n, p in params.items()}

        def loss(params, xs):
            start = cell.initial_state(params)
            hs = jax.lax.scan(lambda s, x: (new := cell.step(params, s, x), cell.read(new)), start, xs)[1]
            return jnp.sum(hs * cotangent.numpy()[:, 0]), hs

        params = {n: jnp.asarray(params[n]) for n in shapes}
        (_, hs), slope = jax.jit(jax.value_and_grad(loss, (1,), has_aux=True))(
            params, jnp.asarray(xs.detach().numpy()[:, 0])
        )
    np.testing.assert_allclose(hs, torch.stack(outputs).detach().numpy()[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(slope[0], xs.grad.numpy()[:, 0], rtol=0, atol=1e-12)
