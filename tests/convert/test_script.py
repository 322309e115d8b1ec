"""`scripts/convert_weights.py` on the files that people have: checkpoints of runs, of PyTorch programs, old outputs."""

import argparse
import sys
import types

import jax
import numpy as np
import pytest
from tiny import experiment, run

from gru_lab import cells, convert, load
from gru_lab.convert.files import _state_dict
from gru_lab.errors import UserError
from gru_lab.models import create as model
from gru_lab.programs.convert import main as convert_weights

OURS = ["--from", "gru_lab", "--to", "gru_lab"]


@pytest.fixture
def weights(tmp_path):
    cell = cells.create("gru", hidden=4)
    params = {name: np.asarray(p) for name, p in cell.init(jax.random.key(0), 3).items()}
    convert.write(tmp_path / "in.npz", convert.get("gru_lab").dump(convert.Stack(cell, ((params,),))))
    return tmp_path / "in.npz"


def refused(capsys, *arguments):
    assert convert_weights([*map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1, said.err
    return said.err


def test_an_output_is_overwritten_only_when_asked_to(weights, tmp_path, capsys):
    out = tmp_path / "out.npz"
    out.write_bytes(b"mine")
    assert "exists: --force overwrites it" in refused(capsys, weights, out, *OURS)
    assert out.read_bytes() == b"mine"
    assert convert_weights([str(weights), str(out), *OURS, "--force"]) == 0
    assert convert.read(out).keys() == convert.read(weights).keys()


def test_folders_and_places_that_cannot_be_written_are_refused(weights, tmp_path, capsys):
    (tmp_path / "folder.npz").mkdir()
    assert "is a folder: name a file to write" in refused(capsys, weights, tmp_path / "folder.npz", *OURS)
    assert "is a folder: name a file of weights" in refused(capsys, tmp_path / "folder.npz", tmp_path / "o.npz", *OURS)
    (tmp_path / "file").write_text("")
    assert "cannot be written: " in refused(capsys, weights, tmp_path / "file" / "o.npz", *OURS)


@pytest.mark.slow
def test_the_checkpoint_of_a_run_gives_its_best_recurrent_layers(tmp_path, capsys):
    result = run(experiment("gru", model=model("recurrent", layers=2, bidirectional=True)), tmp_path)
    record = result.records[1]
    checkpoint = record.folder / "checkpoint.safetensors"
    assert convert_weights([str(checkpoint), str(tmp_path / "gru.npz"), *OURS]) == 0
    stack = convert.get("gru_lab").load(convert.read(tmp_path / "gru.npz"))
    layers = load(record.folder).network.recurrent
    assert stack.cell == layers[0].cell and (len(stack.layers), stack.directions) == (2, 2)
    for ours, theirs in zip(stack.layers, layers, strict=True):
        for side, other in zip(ours, theirs.directions, strict=True):
            assert side.keys() == other.keys()
            assert all(np.array_equal(side[name], other[name]) for name in side)
    said = refused(capsys, checkpoint, tmp_path / "o.npz", "--from", "keras", "--to", "keras")
    assert "is a checkpoint of our own: write --from gru_lab" in said


def test_the_state_dict_of_a_pytorch_checkpoint_is_found(tmp_path):
    w = {"weight_ih_l0": np.zeros(3)}
    settings = {"epoch": 3, "optimizer": {"state": {}, "param_groups": []}, "hyper_parameters": {"hidden": 3}}

    def taken(content):
        return _state_dict(tmp_path, content, np.ndarray)

    assert taken(w) is w
    assert taken({**settings, "state_dict": w, "ema": {"x": np.ones(1)}}) is w
    assert taken({**settings, "model": w}) is w
    with pytest.raises(UserError, match="several state_dicts, model or ema: save one of them alone"):
        taken({"model": w, "ema": w})
    for nothing in (settings, [w], {}, {"state_dict": {}}):
        with pytest.raises(UserError, match=r"holds no state_dict: save `model.state_dict\(\)`"):
            taken(nothing)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".ckpt"])
def test_files_of_pytorch_are_read_as_weights_only(ending, tmp_path, monkeypatch):
    class Tensor(np.ndarray):
        detach = cpu = lambda self: self
        numpy = lambda self: np.asarray(self)  # noqa: E731

    def read(path, map_location, weights_only):
        assert weights_only is True and map_location == "cpu"
        return {"epoch": 1, "state_dict": {"rnn.weight": np.arange(3.0).view(Tensor)}}

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(Tensor=Tensor, load=read))
    (tmp_path / f"w{ending}").write_bytes(b"")
    arrays = convert.read(tmp_path / f"w{ending}")
    assert list(arrays) == ["rnn.weight"] and arrays["rnn.weight"].tolist() == [0, 1, 2]


def test_the_checkpoint_of_a_pytorch_program_converts(tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="writes a .ckpt file with PyTorch: `pip install gru-lab[parity]`")
    net = torch.nn.GRU(3, 4, batch_first=True)
    weights = {f"rnn.{name}": value for name, value in net.state_dict().items()}
    torch.save({"epoch": 2, "state_dict": weights, "hyper_parameters": {"lr": 0.1}}, tmp_path / "net.ckpt")
    line = ["--from", "torch", "--to", "gru_lab", "--prefix", "rnn."]
    assert convert_weights([str(tmp_path / "net.ckpt"), str(tmp_path / "o.npz"), *line]) == 0
    assert "torch agrees" in capsys.readouterr().out


def test_what_pytorch_refuses_or_numpy_lacks(tmp_path):
    torch = pytest.importorskip("torch", reason="writes .pt files with PyTorch: `pip install gru-lab[parity]`")
    values = torch.tensor([1.0, -2.5, 3.0e38], dtype=torch.bfloat16)
    torch.save({"state_dict": {"w": values}}, tmp_path / "half.pt")
    array = convert.read(tmp_path / "half.pt")["w"]
    assert array.dtype == np.float32 and array.tolist() == values.tolist()
    torch.save({"state_dict": {"w": values}, "args": argparse.Namespace(lr=1)}, tmp_path / "object.pt")
    with pytest.raises(UserError, match=r"holds argparse.Namespace, and only tensors .*: save `model.state_dict\(\)`"):
        convert.read(tmp_path / "object.pt")
