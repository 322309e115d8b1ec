"""What a step costs: the experiments that measure it, through their command lines."""

import csv
import runpy
import sys

import pytest
from tiny import ROOT

from gru_lab import cells
from gru_lab.cells.budget import cost
from gru_lab.jaxprs import operations, trace


def program(name, monkeypatch, *arguments):
    """An experiment in this process, with arguments; its exit status."""
    script = ROOT / "experiments" / f"{name}.py"
    monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    return end.value.code


def table(path):
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


SIZES = ["--hidden=8", "--inputs=2", "--parameters=130", "--batches=2", "--lengths=6", "--rounds=2", "--least=0"]


def test_cells_are_measured_at_equal_size_and_at_equal_parameters(tmp_path, monkeypatch):
    assert not program("cost", monkeypatch, "--cells", "rnn", "gru", *SIZES, "--out", tmp_path)
    rows = table(tmp_path / "cost.csv")
    sizes = {(row["sizing"], row["cell"]): (int(row["hidden"]), int(row["parameters"])) for row in rows}
    assert sizes["equal hidden size", "rnn"] == (8, 2 * 8 + 8 * 8 + 8)
    assert sizes["equal parameters", "rnn"][0] == 10 > sizes["equal parameters", "gru"][0]
    assert all(abs(n - 130) <= 6.5 for (sizing, _), (_, n) in sizes.items() if sizing == "equal parameters")

    for row in rows:
        once = cost(cells.create(row["cell"], hidden=int(row["hidden"])), inputs=2)
        forward = 2 * 6 * once.flops  # sequences x steps
        counted = int(row["flops"]) / forward
        assert 0.95 < counted < 1.05 if row["direction"] == "forward" else 2 < counted < 5  # states alone are kept
        assert int(row["bytes"]) > 4 * 6 * once.parameters and float(row["ms"]) > 0  # weights are read at every step
        assert float(row["ratio"]) == 1 or row["cell"] == "gru"
    assert (tmp_path / "cost.png").stat().st_size > 1000 and "| gru | 8 |" in (tmp_path / "cost.md").read_text()

    assert not program("cost", monkeypatch, "--from", tmp_path / "cost.csv", "--out", tmp_path / "again")
    assert (tmp_path / "again/cost.md").read_text() == (tmp_path / "cost.md").read_text()


def test_a_wrong_name_costs_a_sentence(tmp_path, monkeypatch, capsys):
    assert program("cost", monkeypatch, "--cells", "gruu", *SIZES, "--out", tmp_path / "none") == 2
    assert "'gru'" in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_every_entry_of_the_speed_table_has_the_time_of_its_products(tmp_path, monkeypatch, capsys):
    asked = ["--cells=rnn", "--shapes=2,5,3,4", "--contenders", "gru_lab", "plain", "--rounds=2", "--least=0"]
    assert not program("speed", monkeypatch, *asked, "--out", tmp_path)
    rows = table(tmp_path / "speed.csv")
    assert {row["contender"] for row in rows} == {"gru_lab", "plain scan"} and len(rows) == 4
    for row in rows:
        assert float(row["floors"]) == pytest.approx(float(row["best_ms"]) / float(row["floor_ms"]), rel=0.3)
    assert capsys.readouterr().out.count("over the products alone, all entries") == 2


@pytest.mark.parametrize(("cell", "wide"), [("rnn", 4), ("gru", 12), ("lstm", 16)])
def test_the_floor_has_the_products_of_the_layer_and_no_more(cell, wide, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "experiments"), *sys.path])
    import speed_peers  # pyright: ignore[reportMissingImports]

    traced = {}
    monkeypatch.setattr(
        speed_peers,
        "contender",
        lambda name, programs, *arrays: traced.update({k: trace(f, *arrays) for k, f in programs.items()}),
    )
    speed_peers.products(cell, (2, 5, 3, 4))
    flops = {direction: sum(map(operations, closed.eqns)) for direction, closed in traced.items()}
    forward = 2 * 2 * 5 * (3 + 4) * wide  # x W and h U
    assert flops == {"forward": forward, "forward+backward": 2 * forward + 2 * 2 * 5 * wide * 4}  # and dg U^T


@pytest.mark.slow
def test_the_share_of_an_update_for_which_the_core_waits_for_data(tmp_path, monkeypatch):
    sizes = ["--hidden=4", "--batch=4", "--updates=2", "--rounds=1"]
    path = tmp_path / "waiting.md"
    assert not program("waiting", monkeypatch, "--tasks", "jsb_chorales", *sizes, "--most=1", "--out", path)
    name, kind, update, data, share = path.read_text().splitlines()[2].strip("| ").split(" | ")
    assert (name, kind) == ("jsb_chorales", "in memory")
    assert 0 < float(data) < 1e3 * float(update)
    assert abs(float(share[:-1]) / 100 - float(data) / 1e3 / float(update)) < 0.02
    assert program("waiting", monkeypatch, "--tasks", "jsb_choral", *sizes) == 2
