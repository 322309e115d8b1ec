"""Weights through files: trained models of other frameworks predict the same here, and what is wrong is refused."""

import importlib.util
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells, convert, unroll
from gru_lab.programs.convert import main as convert_weights
from gru_lab.schema import UserError

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="trains a PyTorch model: `pip install gru-lab[parity]`"
)
needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="trains a Keras model: `pip install gru-lab[test]`"
)
XS = np.random.default_rng(0).standard_normal((16, 9, 3)).astype("float32")
YS = np.sin(XS.sum(axis=(1, 2)))


def drawn(name="gru", inputs=3, layers=1, **fields):
    cell = cells.create(name, hidden=4, **fields)
    params = {n: np.asarray(p) for n, p in cell.init(jax.random.key(0), inputs).items()}
    return convert.Stack(cell, ((params,),) * layers)


@needs_torch
def test_a_trained_pytorch_gru_predicts_the_same_here(tmp_path, capsys):
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.GRU(3, 8, num_layers=2, bidirectional=True, batch_first=True)
            self.head = torch.nn.Linear(16, 1)

        def forward(self, xs):
            return self.head(self.rnn(xs)[0][:, -1])[:, 0]

    torch.manual_seed(0)
    torch.set_num_threads(1)  # two threads on a busy machine wait for each other
    net, xs, ys = Net(), torch.tensor(XS), torch.tensor(YS)
    optimizer, losses = torch.optim.Adam(net.parameters(), 0.02), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.mean((net(xs) - ys) ** 2)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    torch.save(net.state_dict(), tmp_path / "net.pt")

    arguments = [tmp_path / "net.pt", tmp_path / "gru.safetensors", "--from", "torch", "--to", "gru_lab"]
    assert convert_weights([*map(str, arguments), "--prefix", "rnn."]) == 0
    assert "torch agrees" in capsys.readouterr().out
    hs = convert.get("gru_lab").load(convert.read(tmp_path / "gru.safetensors")).run(XS)
    head = {name: tensor.detach().numpy() for name, tensor in net.head.named_parameters()}
    ours = np.asarray(hs[:, -1]) @ head["weight"][0] + head["bias"]
    np.testing.assert_allclose(ours, net(xs).detach().numpy(), rtol=0, atol=1e-6)


@needs_keras
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
def test_a_trained_keras_gru_predicts_the_same_here(tmp_path, capsys):
    import keras

    keras.utils.set_random_seed(0)
    recurrent = [keras.layers.GRU(8, return_sequences=True), keras.layers.GRU(8, return_sequences=True)]
    model = keras.Sequential(
        [keras.Input((9, 3)), *recurrent, keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse")
    losses = model.fit(XS, YS, batch_size=16, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    whole, weights = convert.read(tmp_path / "model.keras"), convert.read(tmp_path / "model.weights.h5")
    assert all(np.array_equal(whole[name], weights[name]) for name in weights)

    path, out = str(tmp_path / "model.keras"), str(tmp_path / "gru.npz")
    assert convert_weights([path, out, "--from", "keras", "--to", "gru_lab", "--prefix", "layers/gru"]) == 0
    assert "keras agrees" in capsys.readouterr().out
    hs = convert.get("gru_lab").load(convert.read(out)).run(XS)
    kernel, bias = (np.asarray(w) for w in model.layers[-1].weights)
    np.testing.assert_allclose(np.max(hs, axis=1) @ kernel + bias, model(XS), rtol=0, atol=1e-6)


@needs_keras
def test_keras_loads_the_file_that_we_write(tmp_path):
    import keras

    stack = drawn(layers=1)
    convert.write(tmp_path / "gru.weights.h5", convert.get("keras").dump(stack))
    model = keras.Sequential([keras.Input((9, 3)), keras.layers.GRU(4, return_sequences=True)])
    model.load_weights(tmp_path / "gru.weights.h5")
    np.testing.assert_allclose(model(XS), stack.run(XS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".h5"])
@pytest.mark.parametrize("name", ["gru", "lru", "cwrnn"])
def test_any_cell_comes_back_from_a_file_bit_for_bit(tmp_path, name, ending):
    if ending == ".h5":
        pytest.importorskip("h5py", reason="h5 files need h5py, which keras brings")
    stack, ours = drawn(name), convert.get("gru_lab")
    convert.write(tmp_path / f"w{ending}", ours.dump(stack))
    back = ours.load(convert.read(tmp_path / f"w{ending}"))
    assert back.cell == stack.cell
    jax.tree.map(np.testing.assert_array_equal, back.layers, stack.layers)
    assert [path.name for path in tmp_path.iterdir()] == [f"w{ending}"]  # nothing half-written is left


def refused(arrays, message, framework="torch", **options):
    with pytest.raises(UserError, match=message):
        convert.get(framework).load(arrays, **options)


def test_wrong_names_shapes_and_dtypes_are_named():
    good = convert.get("torch").dump(drawn())
    refused(good | {"weight_ih_l0": good["weight_ih_l0"][:, :, None]}, "not a matrix|shape")
    refused(good | {"bias_hh_l0": good["bias_hh_l0"][:-1]}, r"bias_hh_l0 have shape \(11,\): they must have \(12,\)")
    refused(good | {"weight_hh_l0": good["weight_hh_l0"][:-1]}, r"weight_hh_l0 have shape \(11, 4\).*\(12, 4\)")
    refused(good | {"weight_hh_l0": good["weight_hh_l0"].astype(int)}, "dtypes|floating-point")
    refused({n: a.astype(int) for n, a in good.items()}, "are int64: they must be floating-point")
    refused(good | {"head.weight": np.zeros((1, 4))}, "hold head.weight, which is not a weight")
    refused({n: a for n, a in good.items() if n != "bias_hh_l0"}, "lack bias_hh")
    refused({n: a for n, a in good.items() if "hh" not in n}, "lack weight_hh")
    refused(good, "no weights begin with 'rnn.'", prefix="rnn.")
    refused(good, "it must be rnn, lstm or gru", cell="gruu")
    refused(good, "they must have", cell="lstm")
    refused(good, "unknown", hiden=3)
    with pytest.raises(UserError, match="Did you mean 'torch'"):
        convert.get("torhc")
    ours = convert.get("gru_lab").dump(drawn())
    refused({n: a for n, a in ours.items() if "U_z" not in n}, "lack layer_0/forward/U_z", framework="gru_lab")
    refused(ours | {"layer_0/forward/b_z": np.zeros(3)}, r"\(3,\): they must be floats \(4,\)", framework="gru_lab")
    refused(ours | {"layer_0/forward/b_q": np.zeros(3)}, "b_q, which a gru does not have", framework="gru_lab")
    refused({**ours, "cell.json": np.frombuffer(b"{", np.uint8)}, "not a description", framework="gru_lab")


def test_a_layer_without_biases_has_zeros():
    arrays = convert.get("torch").dump(drawn())
    stack = convert.get("torch").load({n: a for n, a in arrays.items() if "bias" not in n})
    assert not stack.layers[0][0]["b_z"].any() and not stack.layers[0][0]["b_hn"].any()


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".pt", ".h5", ".keras"])
def test_files_that_are_not_what_they_claim_are_refused(tmp_path, ending):
    package = {".pt": "torch", ".h5": "h5py", ".keras": "h5py"}.get(ending)
    if package:
        pytest.importorskip(package)
    path = tmp_path / f"w{ending}"
    with pytest.raises(UserError, match="is not a file"):
        convert.read(path)
    path.write_bytes(b"not weights")
    with pytest.raises(UserError, match="truncated or not a"):
        convert.read(path)
    if ending != ".keras":
        convert.write(path, convert.get("torch").dump(drawn()))
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(UserError, match="truncated or not a"):
            convert.read(path)


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    np.savez(tmp_path / "w.npz", a=np.array([Trap()], dtype=object))
    traps = [tmp_path / "w.npz"]
    if importlib.util.find_spec("torch"):
        import torch

        torch.save({"a": Trap()}, tmp_path / "w.pt")
        traps.append(tmp_path / "w.pt")
    for path in traps:
        with pytest.raises(UserError, match=r"truncated or not a|and only tensors and plain values are read"):
            convert.read(path)
    assert not (tmp_path / "sprung").exists()


def test_the_script_says_a_mistake_in_one_sentence(tmp_path, capsys):
    convert.write(tmp_path / "w.npz", convert.get("keras").dump(drawn(reset="before")))
    assert convert_weights([str(tmp_path / "w.npz"), str(tmp_path / "o.npz"), "--from", "keras", "--to", "torch"]) == 2
    assert "nn.GRU resets after the recurrent product" in capsys.readouterr().err
    assert not (tmp_path / "o.npz").exists()
    assert convert_weights([str(tmp_path / "w.txt"), str(tmp_path / "o.npz"), "--from", "keras", "--to", "torch"]) == 2
    assert "it must be .safetensors" in capsys.readouterr().err


def test_a_gru_whose_gate_writes_converts_by_the_sign_of_z():
    stack = drawn(update="write")
    back = convert.get("torch").load(convert.get("torch").dump(stack))
    assert back.cell.update == "keep"
    np.testing.assert_allclose(back.run(XS), stack.run(XS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "lru"])
def test_our_cells_are_cells_of_flax(name):
    from flax import nnx

    cell = cells.create(name, hidden=4)
    layer = nnx.RNN(convert.FlaxCell(cell, 3, rngs=nnx.Rngs(0)))
    params = {n: w[...] for n, w in layer.cell.weights.items()}
    expected = unroll(cell, params, jnp.asarray(XS))[1]
    np.testing.assert_allclose(layer(jnp.asarray(XS)), expected, rtol=0, atol=1e-6)
    both = nnx.Bidirectional(layer, nnx.RNN(convert.FlaxCell(cell, 3, rngs=nnx.Rngs(1))))
    assert both(jnp.asarray(XS)).shape == (16, 9, 2 * expected.shape[-1])
    gradient = nnx.grad(lambda layer: jnp.mean(layer(jnp.asarray(XS)) ** 2))(layer)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
