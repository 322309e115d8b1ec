"""Record what public packages compute for the cells that they hold, so that the tests need none of them.

    python tests/parity/record_packages.py        # rewrites the cases of the packages that are installed

For each case `packages_golden.npz` holds, in float64: the parameters under the names of our cell, the inputs, what
the package shows of each step, and, where it has one, the gradient of `sum(outputs * cotangent)` with respect to
the inputs. `about` says in JSON which cell with which fields, which package at which version, and how near the
numbers are expected to be: 1e-12, or 1e-6 where the package computes in float32 whatever it is given.
"""

import importlib.metadata
import json
from pathlib import Path

import jax
import numpy as np

from gru_lab import cells

GOLDEN = Path(__file__).parent / "packages_golden.npz"
INPUTS, HIDDEN, TIME = 3, 4, 6
# (our cell, its fields, their class, their options, their arrays as ours: joined along the first axis; - is set to 0)
TORCHRECURRENT = [
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
    ("atr", {}, "ATRCell", {}, "W_p", "U_q", "-", "b_q"),
    ("brc", {}, "BRCell", {}, "W_a W_c W_n", "u_a u_c", "b_a b_c -", "b_a b_c"),
    ("brc", {"neuromodulated": True}, "NBRCell", {}, "W_a W_c W_n", "U_a U_c", "b_a b_c -", "b_a b_c"),
    ("cfn", {}, "CFNCell", {}, "W_f W_i W_n", "U_f U_i", "b_f b_i -", "b_f b_i"),
    ("cornn", {}, "coRNNCell", {"dt": 0.042, "gamma": 2.7, "epsilon": 4.7}, "W_y", "U_y", "b_y", "b_y"),
    ("fastrnn", {}, "FastRNNCell", {"nonlinearity": "tanh"}, "W_h", "U_h", "b_h", "b_h"),
    ("fastgrnn", {}, "FastGRNNCell", {"nonlinearity": "sigmoid"}, "W_a", "U_a", "b_z b_n", "b_z b_n"),
    ("indrnn", {}, "IndRNNCell", {"nonlinearity": "relu"}, "W_h", "", "b_h", "b_h"),
    ("janet", {}, "JANETCell", {}, "W_f W_n", "U_f U_n", "b_f b_n", "b_f b_n"),
    ("ligru", {}, "LiGRUCell", {}, "W_z W_n", "U_z U_n", "b_z b_n", "b_z b_n"),
    ("mgu", {}, "MGUCell", {}, "W_f W_n", "U_f U_n", "b_f b_n", "b_f b_n"),
    ("minimalrnn", {}, "MinimalRNNCell", {}, "W_z", "U_u", "b_z", "b_u"),
    ("mut", {"variant": 1}, "MUT1Cell", {}, "W_z W_r W_n", "U_r U_n", "b_z b_r -", "b_r b_n"),
    ("mut", {"variant": 2}, "MUT2Cell", {}, "W_z W_r W_n", "U_z U_r U_n", "b_z b_r b_n", "b_z b_r b_n"),
    ("mut", {"variant": 3}, "MUT3Cell", {}, "W_z W_r W_n", "U_z U_r U_n", "b_z b_r b_n", "b_z b_r b_n"),
    ("ran", {}, "RANCell", {}, "W_c W_i W_f", "U_i U_f", "b_i b_f", "b_i b_f"),
    ("star", {"beta": 0.0}, "STARCell", {}, "W_z W_k", "U_k", "b_z b_k", "b_k"),
    ("ugrnn", {}, "UGRNNCell", {}, "W_n W_z", "U_n U_z", "b_n b_z", "b_n b_z"),
    ("unicornn", {}, "UnICORNNCell", {"dt": 0.19, "alpha": 30.65}, "W_y", "u_y", "b_y", "-"),
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


def drawn(name, **fields):
    """Parameters of a cell, far from their first values, and inputs."""
    cell = cells.create(name, hidden=HIDDEN, **fields)
    shapes = jax.eval_shape(lambda key: cell.init(key, INPUTS), jax.random.key(0))
    rng = np.random.default_rng(0)
    return {n: 0.5 * rng.standard_normal(s.shape) for n, s in shapes.items()}, rng.standard_normal((TIME, INPUTS))


def torchrecurrent():
    import torch
    import torchrecurrent as package

    for name, fields, theirs, options, *joined in TORCHRECURRENT:
        torch.manual_seed(0)
        options = {k: getattr(torch, v) if k == "nonlinearity" else v for k, v in options.items()}
        module = getattr(package, theirs)(INPUTS, HIDDEN, dtype=torch.float64, **options)
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
        slope = {"cotangent": cotangent.numpy()[:, 0], "gradient": xs.grad.numpy()[:, 0]}
        hs = torch.stack(outputs).detach().numpy()[:, 0]
        yield name, fields, params, xs.detach().numpy()[:, 0], hs, 1e-12, slope


def mingru_pytorch():
    import torch
    from minGRU_pytorch.minGRU import minGRU
    from minGRU_pytorch.minLSTM import minLSTM

    params, xs = drawn("mingru", candidate="positive")
    params |= {"b_z": np.zeros(HIDDEN), "b_n": np.zeros(HIDDEN)}  # it has no biases
    module = minGRU(INPUTS, expansion_factor=HIDDEN / INPUTS, proj_out=False).double()
    with torch.no_grad():
        module.to_hidden_and_gate.weight.copy_(torch.tensor(np.hstack([params["W_n"], params["W_z"]]).T))
        hs = module(torch.tensor(xs)[None])[0]  # all steps at once, by a parallel scan
    yield "mingru", {"candidate": "positive"}, params, xs, hs.numpy(), 1e-12, {}
    params, xs = drawn("minlstm", candidate="positive")
    params |= {name: np.zeros(HIDDEN) for name in params if name.startswith("b_")}
    module = minLSTM(INPUTS, expansion_factor=HIDDEN / INPUTS, proj_out=False).double()
    with torch.no_grad():
        joint = np.hstack([params["W_n"], params["W_f"], params["W_i"]])
        module.to_hidden_and_f_i_gate.weight.copy_(torch.tensor(joint.T))
        hs = module(torch.tensor(xs)[None])[0]
    yield "minlstm", {"candidate": "positive"}, params, xs, hs.numpy(), 1e-12, {}


def lru_pytorch():
    import LRU_pytorch
    import torch

    params, xs = drawn("lru")
    module = LRU_pytorch.LRU(INPUTS, 2 * HIDDEN, HIDDEN).double()
    identity = torch.eye(HIDDEN, dtype=torch.complex128)
    with torch.no_grad():
        for theirs, name in (("nu_log", "nu"), ("theta_log", "theta"), ("gamma_log", "gamma")):
            getattr(module, theirs).copy_(torch.tensor(params[name]))
        module.B = torch.nn.Parameter(torch.tensor((params["B"][:, :HIDDEN] + 1j * params["B"][:, HIDDEN:]).T))
        # Re(C h) with C = (1, -i) is (Re h, Im h)
        module.C, module.D = torch.nn.Parameter(torch.cat([identity, -1j * identity])), torch.nn.Parameter(module.D * 0)
        module.state = module.state.to(torch.complex128)
        hs = module(torch.tensor(xs)).numpy()
    yield "lru", {}, params, xs, hs.astype(np.float64), 1e-6, {}


def xlstm():
    import torch
    from xlstm.blocks.mlstm.backends import parallel_stabilized_simple
    from xlstm.blocks.slstm.src.vanilla.slstm import slstm_forward_pointwise

    for heads in (1, 2):
        params, xs = drawn("slstm", heads=heads)
        d, blocks = HIDDEN // heads, []
        for gate in "ifgo":
            U = np.zeros((HIDDEN, HIDDEN))
            for head in range(heads):
                U[head * d : (head + 1) * d, head * d : (head + 1) * d] = params[f"U_{gate}"][head]
            blocks.append(U)
        W, b = (np.concatenate([params[f"{letter}_{gate}"] for gate in "ifgo"], axis=-1) for letter in "Wb")
        W, U, b = (torch.tensor(array) for array in (W, np.concatenate(blocks, axis=1), b))
        states, seen = torch.zeros(4, 1, HIDDEN, dtype=torch.float64), []
        for x in torch.tensor(xs):
            states, _ = slstm_forward_pointwise(x[None] @ W, states[0] @ U, b, states, {})
            seen.append(states[0, 0].numpy())
        yield "slstm", {"heads": heads}, params, xs, np.stack(seen), 1e-12, {}

        p, xs = drawn("mlstm", heads=heads)
        q, k, v = (xs @ p[f"W_{g}"] + p[f"b_{g}"] * (d**0.5 if g == "k" else 1) for g in "qkv")
        q, k, v = (torch.tensor(a.reshape(TIME, heads, d).transpose(1, 0, 2)[None]) for a in (q, k, v))
        i, f = (torch.tensor((xs @ p[f"w_{g}"] + p[f"b_{g}"]).T[None, ..., None]) for g in "if")
        h = parallel_stabilized_simple(q, k, v, i, f)[0].numpy().transpose(1, 0, 2).reshape(TIME, HIDDEN)
        yield "mlstm", {"heads": heads}, p, xs, h / (1 + np.exp(-xs @ p["W_o"] - p["b_o"])), 1e-12, {}


def sru():
    import sru
    import torch

    params, xs = drawn("sru")
    module = sru.SRUCell(INPUTS, HIDDEN).eval()
    joint = np.stack([params[f"W_{g}"] for g in "nfrs"], axis=-1).reshape(INPUTS, -1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor(joint))
        module.weight_c.copy_(torch.tensor(np.concatenate([params["v_f"], params["v_r"]])))
        module.bias.copy_(torch.tensor(np.concatenate([params["b_f"], params["b_r"]])))
        hs = module(torch.tensor(xs, dtype=torch.float32)[:, None])[0][:, 0].numpy()
    yield "sru", {}, params, xs, hs.astype(np.float64), 1e-6, {}


def recurrentgemma():
    import jax.numpy as jnp
    from recurrentgemma.jax.layers import RGLRU

    for full in (False, True):
        params, xs = drawn("rglru", full_start=full)
        module = RGLRU(width=HIDDEN, num_heads=1)
        gates = {
            name: {"w": params[f"W_{g}"][None], "b": params[f"b_{g}"][None]}
            for name, g in (("input_gate", "i"), ("a_gate", "r"))
        }
        theirs = {"params": {"a_param": -params["Lambda"], **gates}}
        v, place = (xs @ params["W_v"])[None], jnp.arange(TIME)[None] + (not full)
        hs, _ = module.apply(jax.tree.map(jnp.float32, theirs), jnp.float32(v), place)
        yield "rglru", {"full_start": full}, params, xs, np.asarray(hs[0], np.float64), 1e-6, {}

    from recurrentgemma.jax.modules import RecurrentBlock

    params, xs = drawn("griffin", heads=2)
    module = RecurrentBlock(width=INPUTS, num_heads=2, lru_width=HIDDEN, conv1d_temporal_width=4)
    dense = {
        name: {"kernel": params[f"W_{g}"], "bias": params[f"b_{g}"]}
        for name, g in (("linear_x", "v"), ("linear_y", "a"))
    }
    gates = {
        name: {"w": params[f"W_{g}"], "b": params[f"b_{g}"].reshape(2, -1)}
        for name, g in (("input_gate", "i"), ("a_gate", "r"))
    }
    theirs = {
        **dense,
        "conv_1d": {"w": params["K"][::-1], "b": params["b_k"]},
        "rg_lru": {"a_param": -params["Lambda"], **gates},
    }
    seen = []
    for columns in (slice(0, INPUTS), slice(1, 1 + INPUTS)):  # three outputs at a time
        of_output = {"kernel": params["W_o"][:, columns], "bias": params["b_o"][columns]}
        given = jax.tree.map(jnp.float32, {"params": theirs | {"linear_out": of_output}})
        seen.append(
            np.asarray(module.apply(given, jnp.float32(xs)[None], jnp.arange(TIME)[None] + 1)[0][0], np.float64)
        )
    hs = np.concatenate([seen[0], seen[1][:, -1:]], axis=1)
    yield "griffin", {"heads": 2}, params, xs, hs, 1e-6, {}


def keras_lmu():
    import keras
    import keras_lmu as package
    import tensorflow as tf

    params, xs = drawn("lmu", order=4, theta=5.0)
    options = {"hidden_to_memory": True, "memory_to_memory": True, "input_to_hidden": True, "dtype": "float64"}
    hidden = keras.layers.SimpleRNNCell(HIDDEN, dtype="float64")
    module = package.LMUCell(memory_d=1, order=4, theta=5.0, hidden_cell=hidden, **options)
    module.build((1, INPUTS))
    module.kernel.assign(np.concatenate([params["e_x"], params["e_h"]])[:, None])
    module.recurrent_kernel.assign(params["e_m"][:, None])
    hidden.kernel.assign(np.concatenate([params["V_h"], params["W_h"]]))
    hidden.recurrent_kernel.assign(params["U_h"])
    states, seen = [tf.zeros((1, 4), "float64"), tf.zeros((1, HIDDEN), "float64")], []
    for x in xs:
        out, states = module(tf.constant(x[None]), states)
        seen.append(out.numpy()[0])
    yield "lmu", {"order": 4, "theta": 5.0}, params, xs, np.stack(seen), 1e-6, {}


def torch_projection():
    import torch

    params, xs = drawn("lstmp", projection=2)
    module = torch.nn.LSTM(INPUTS, HIDDEN, proj_size=2, batch_first=True, dtype=torch.float64)
    W, U, b = (np.concatenate([params[f"{letter}_{g}"] for g in "ifgo"], axis=-1).T for letter in "WUb")
    with torch.no_grad():
        given = {
            "weight_ih_l0": W,
            "weight_hh_l0": U,
            "bias_ih_l0": b,
            "bias_hh_l0": 0 * b,
            "weight_hr_l0": params["P"].T,
        }
        for name, value in given.items():
            getattr(module, name).copy_(torch.tensor(value))
        hs = module(torch.tensor(xs)[None])[0][0].numpy()
    yield "lstmp", {"projection": 2}, params, xs, hs, 1e-12, {}


def mogrifier():
    import torch
    from mogrifier import Mogrifier

    params, xs = drawn("mogrifier")
    circuit = Mogrifier(INPUTS, iters=5, dim_hidden=HIDDEN).double()
    cell = torch.nn.LSTMCell(INPUTS, HIDDEN, dtype=torch.float64)
    W, U, b = (torch.tensor(np.concatenate([params[f"{c}_{g}"] for g in "ifgo"], axis=-1).T) for c in "WUb")
    with torch.no_grad():
        for linear, weight, bias in ((circuit.Q[0], "Q", "b_x"), (circuit.R[0], "R", "b_h")):
            linear.weight.copy_(torch.tensor(params[weight].T))
            linear.bias.copy_(torch.tensor(params[bias]))
        for name, value in {"weight_ih": W, "weight_hh": U, "bias_ih": b, "bias_hh": 0 * b}.items():
            getattr(cell, name).copy_(value)
        h, c, seen = torch.zeros(1, HIDDEN).double(), torch.zeros(1, HIDDEN).double(), []
        for x in torch.tensor(xs)[:, None]:
            x, h = circuit(x, h)
            h, c = cell(x, (h, c))
            seen.append(h[0].numpy())
    yield "mogrifier", {}, params, xs, np.stack(seen), 1e-12, {}


def ncps():
    import torch
    from ncps.torch import CfCCell

    fields = {"backbone": 5, "elapsed": 2.5}
    params, xs = drawn("cfc", **fields)
    module = CfCCell(INPUTS, HIDDEN, backbone_units=5).double()
    layers = {"f": module.ff1, "g": module.ff2, "a": module.time_a, "b": module.time_b}
    with torch.no_grad():
        module.backbone[0].weight.copy_(torch.tensor(np.concatenate([params["W_s"], params["U_s"]]).T))
        module.backbone[0].bias.copy_(torch.tensor(params["b_s"]))
        for g, layer in layers.items():
            layer.weight.copy_(torch.tensor(params[f"W_{g}"].T))
            layer.bias.copy_(torch.tensor(params[f"b_{g}"]))
        h, seen = torch.zeros(1, HIDDEN).double(), []
        for x in torch.tensor(xs)[:, None]:
            h = module(x, h, 2.5)[0]
            seen.append(h[0].numpy())
    yield "cfc", fields, params, xs, np.stack(seen), 1e-12, {}


def fla():
    import torch
    from fla.ops.delta_rule.naive import delta_rule_recurrence
    from fla.ops.gla.naive import naive_recurrent_gla

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    def by_head(a):
        return torch.tensor(a.reshape(TIME, 2, -1)[None], dtype=torch.float32)  # (batch, time, heads, d)

    p, xs = drawn("deltanet", heads=2)
    q, k, v = (xs @ p[f"W_{g}"] for g in "qkv")
    q, k, v = (by_head(a * sigmoid(a)).transpose(1, 2) for a in (q, k, v))
    q, k = (a / torch.sqrt((a * a).sum(-1, keepdim=True) + 1e-6) for a in (q, k))
    beta = by_head(sigmoid(xs @ p["w_b"])).transpose(1, 2)[..., 0]
    out, _ = delta_rule_recurrence(q, k, v, beta)
    hs = out[0].transpose(0, 1).reshape(TIME, HIDDEN).numpy()
    yield "deltanet", {"heads": 2}, p, xs, hs.astype(np.float64), 1e-6, {}

    p, xs = drawn("gla", heads=2)
    q, k, v = (by_head(xs @ p[f"W_{g}"]) for g in "qkv")
    gate = by_head(np.log(sigmoid(xs @ p["W_a"] @ p["V_a"] + p["b_a"])) / 16)
    out = naive_recurrent_gla(q, k, v, gate)[0]
    yield "gla", {"heads": 2}, p, xs, out[0].reshape(TIME, HIDDEN).numpy().astype(np.float64), 1e-5, {}


def mambapy():
    from types import SimpleNamespace

    import torch
    from mambapy.mamba import MambaBlock

    p, xs = drawn("s6", order=3)
    v = xs @ p["W_v"]
    delta = np.logaddexp(0, v @ p["W_d"] @ p["V_d"] + p["b_d"])
    arrays = (v[None], delta[None], -np.exp(p["A_log"]), (v @ p["W_B"])[None], (v @ p["W_C"])[None], p["D"])
    block = SimpleNamespace(config=SimpleNamespace(d_inner=HIDDEN, d_state=3))
    hs = MambaBlock.selective_scan_seq(block, *(torch.tensor(a) for a in arrays))[0].numpy()
    yield "s6", {"order": 3}, p, xs, hs, 1e-12, {}


PACKAGES = {
    "torchrecurrent": torchrecurrent,
    "minGRU-pytorch": mingru_pytorch,
    "lru-pytorch": lru_pytorch,
    "xlstm": xlstm,
    "sru": sru,
    "recurrentgemma": recurrentgemma,
    "keras-lmu": keras_lmu,
    "torch": torch_projection,
    "mogrifier": mogrifier,
    "ncps": ncps,
    "fla-core": fla,
    "mambapy": mambapy,
}


def main() -> None:
    """Record all that is installed; keep the rest of the file."""
    old = dict(np.load(GOLDEN)) if GOLDEN.exists() else {}
    kept = {name: json.loads(str(a)) for name, a in old.items() if name.endswith("/about")}
    arrays = {}
    for package, record in PACKAGES.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            cases = [name.removesuffix("about") for name, about in kept.items() if about["package"] == package]
            arrays |= {name: a for name, a in old.items() if name.startswith(tuple(cases) or ("-",))}
            print(f"{package} is not installed: its {len(cases)} cases stay as they were")
            continue
        for n, (cell, fields, params, xs, hs, tolerance, more) in enumerate(record()):
            about = {"cell": cell, "fields": fields, "package": package, "version": version, "tolerance": tolerance}
            case = {"about": json.dumps(about), "xs": xs, "hs": hs, **more}
            case |= {f"params/{name}": value for name, value in params.items()}
            arrays |= {f"{package}-{n}/{name}": np.asarray(value) for name, value in case.items()}
            print(f"{package} {version}: {cell} {fields}")
    np.savez_compressed(GOLDEN, **arrays)


if __name__ == "__main__":
    main()
