"""The store: what was torn, lost or changed is never read as whole, and the same command mends it."""

import errno
import io
import random
import shutil

import jax
import numpy as np
import pytest
from tiny import contents, experiment, run, trained

import gru_lab
from gru_lab import UserError
from gru_lab.runs import Record, RunFolder, find_records
from gru_lab.runs.arrays import load_arrays, save_arrays
from gru_lab.runs.files import DiskFault
from gru_lab.runs.log import EMPTY, Log, read_lines
from gru_lab.training.callbacks.diagnostics import Diagnostics
from gru_lab.training.run import _layout_of

FLOW = Diagnostics(names=("gradient_flow",))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Two seeds that were trained in one go, measured at every evaluation."""
    return run(experiment(), tmp_path_factory.mktemp("straight"), [FLOW])


@pytest.fixture
def finished(straight, tmp_path):
    """The folder of the first member of a copy of them."""
    folder = RunFolder(shutil.copytree(straight.folder, tmp_path / straight.folder.name))
    return folder.member(folder.members()[0])


def mended(finished, straight, tmp_path, callbacks=(), trains=1):
    """Run the same command again, and compare what is there then with what was there at first; what it said."""
    said = []
    result = run(experiment(), tmp_path, callbacks, say=said.append)
    assert len(result.trained) == trains and len(said) == 1
    assert contents(tmp_path / straight.folder.name) == contents(straight.folder)
    assert find_records([tmp_path]).broken == ()
    return said[0]


@pytest.mark.parametrize("damage", ["lost", "torn", "changed", "longer"])
@pytest.mark.parametrize("name", ["metrics.jsonl", "record.json", "checkpoint.safetensors"])
def test_what_is_damaged_is_named_and_the_same_command_mends_it(name, damage, finished, straight, tmp_path):
    path = finished.path / name
    content = path.read_bytes()
    path.write_bytes(
        {"lost": b"", "torn": content[:-7], "changed": content.replace(b"0", b"1", 1), "longer": content + b"{"}[damage]
    )
    if damage == "lost":
        path.unlink()
    found = find_records([tmp_path])
    if name != "checkpoint.safetensors":
        assert len(found.broken) == 1 and str(finished.path) in found.broken[0]
        assert [len(group.members) for group in found.groups] == [1]
    if damage == "lost" and name != "metrics.jsonl":
        if name == "record.json":  # the checkpoint is there: nothing is trained again, and nothing to be said
            assert len(run(experiment(), tmp_path, [FLOW]).trained) == 1
            assert contents(tmp_path / straight.folder.name) == contents(straight.folder)
        else:  # tables do not need it; what does says what to do
            assert trained(run(experiment(), tmp_path)) == []
            with pytest.raises(UserError, match=r"holds no checkpoint\.safetensors: force=true trains it anew"):
                gru_lab.load(finished.path)
        return
    said = mended(finished, straight, tmp_path, [FLOW])
    assert said.startswith("trained again, because ") and str(path) in said and "old-1-" in said
    assert list((finished.path.parent).glob("old-1-*"))


@pytest.mark.parametrize("damage", ["lost", "torn", "changed"])
def test_measurements_are_made_again_without_training(damage, straight, tmp_path):
    plain = run(experiment(), tmp_path)  # measured at its beginning and at its best alone
    paths = [record.folder / "measurements" / "gradient_flow.jsonl" for record in plain.records]
    before, said = contents(plain.folder), []
    content = paths[0].read_bytes()
    paths[0].write_bytes({"lost": b"", "torn": content[:-7], "changed": content.replace(b"0", b"1", 1)}[damage])
    if damage == "lost":
        paths[0].unlink()
    again = run(experiment(), tmp_path, say=said.append)
    assert again.trained == () and len(said) == (damage != "lost")
    assert all(sentence.startswith("measured again, because ") for sentence in said)
    after = contents(plain.folder)
    for name, value in before.items():
        if "measurements" not in name:
            assert after[name] == value
    ours, theirs = (
        RunFolder(r.folder).member(r.records[0].member).measured("gradient_flow") for r in (plain, straight)
    )
    for when in ("initial", "trained"):
        np.testing.assert_allclose(ours.at(when)["norm"], theirs.at(when)["norm"], rtol=1e-5)


def test_no_single_bit_is_read_silently(finished, straight, tmp_path):
    """Any bit of any file of a member: what it changes is detected, or there is nothing that it changes."""
    draw = random.Random(0)
    reads = {
        "checkpoint.safetensors": lambda path: load_arrays(path),
        "record.json": lambda path: Record.load(path),
        "layout.json": lambda path: _layout_of(finished),
        "measurements/gradient_flow.jsonl": lambda path: finished.measured("gradient_flow"),
        "metrics.jsonl": lambda path: (finished.record_checked(), finished.read_metrics()),
    }
    assert {str(path.relative_to(finished.path)) for path in finished.path.rglob("*") if path.is_file()} == set(reads)
    detected = 0
    for name, read in reads.items():
        path = finished.path / name
        content = path.read_bytes()
        whole = plain(read(path))
        for _ in range(60):
            at, bit = draw.randrange(len(content)), draw.randrange(8)
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            try:
                assert plain(read(path)) == whole, f"bit {bit} of byte {at} of {name}"
            except UserError as error:
                detected += 1
                assert len(str(error).splitlines()) == 1 and path.name in str(error)
        path.write_bytes(content)
    assert detected > 280


def test_what_a_killed_process_had_begun_to_write_is_cleared_and_nothing_else(finished, straight, tmp_path):
    folder = finished.path.parents[1]
    begun = [folder / ".progress.json.xc4wfq1p", folder / "members" / ".lost.json.ab_d3fgh"]
    others = [folder / ".config.yaml.ab_d3fgh", folder / ".notes", folder / ".claim.lock.0123456789abcdef"]
    for path in (*begun, *others):
        path.write_text("half")
    assert trained(run(experiment(), tmp_path)) == []
    assert [path.exists() for path in (*begun, *others)] == [False, False, True, True, True]


def plain(value):
    """A value that can be compared."""
    return jax.tree.map(lambda leaf: leaf.tolist() if isinstance(leaf, np.ndarray) else repr(leaf), value)


def test_a_broken_checkpoint_or_layout_of_an_unfinished_member_begins_anew(finished, straight, tmp_path):
    (finished.path / "record.json").unlink()
    for name in ("checkpoint.safetensors", "layout.json"):
        path = finished.path / name
        path.write_bytes(path.read_bytes()[:-3])
        assert str(path) in mended(finished, straight, tmp_path, [FLOW])
        (finished.path / "record.json").unlink()


def test_lost_metrics_take_an_unfinished_member_back_to_its_beginning(finished, straight, tmp_path):
    (finished.path / "record.json").unlink()
    lines = finished.metrics.read_text().splitlines(keepends=True)
    finished.metrics.write_text(lines[0])
    result = run(experiment(), tmp_path, [FLOW])
    assert len(result.trained) == 1 and contents(result.folder) == contents(straight.folder)


def test_a_checkpoint_of_another_identity_structure_or_shape_is_one_sentence(tmp_path):
    folder = RunFolder(tmp_path).member("report-00000000-0")
    folder.path.mkdir(parents=True)
    tree = {"a": np.zeros((2, 3), np.float32), "b": np.zeros(2, np.int32)}
    assert folder.load_checkpoint(tree, "ours") is None
    folder.save_checkpoint(tree, "ours", {"metrics.jsonl": EMPTY})
    loaded, marks = folder.load_checkpoint(tree, "ours")
    assert loaded.keys() == tree.keys() and marks == {"metrics.jsonl": EMPTY}
    for wrong, sentence in (
        (tree | {"a": np.zeros((3, 2), np.float32)}, r"\['a'\] is float32\[2, 3\], and must be float32\[3, 2\]"),
        (tree | {"a": np.zeros((2, 3), np.float64)}, r"must be float64\[2, 3\]"),
        (tree | {"c": np.zeros(1)}, r"\['c'\] is not there, and must be"),
        ({"a": tree["a"]}, r"\['b'\] is int32\[2\], and must be not there"),
    ):
        with pytest.raises(UserError, match=sentence):
            folder.load_checkpoint(wrong, "ours")
    with pytest.raises(UserError, match="is a checkpoint of run ours, and this one is theirs"):
        folder.load_checkpoint(tree, "theirs")


def test_arrays_come_back_as_they_were_and_their_files_are_the_same_bytes(tmp_path):
    arrays = {"x": np.arange(6.0).reshape(2, 3), "y": np.asfortranarray(np.arange(6).reshape(2, 3)), "z": np.float32(2)}
    about = {"marks": {"a": [1, "b"]}, "n": 1.5}
    for name in "abc":
        save_arrays(tmp_path / name, arrays, about)
    loaded, said = load_arrays(tmp_path / "a")
    assert said == about and all(np.array_equal(loaded[name], arrays[name]) for name in arrays)
    assert {(tmp_path / name).read_bytes() for name in "abc"} == {(tmp_path / "a").read_bytes()}


def test_a_log_goes_back_to_its_marks_and_refuses_those_of_another(tmp_path):
    log = Log(tmp_path / "new" / "log.jsonl")
    log.append({"update": 1, "loss": float("nan")})
    first = log.mark
    log.append({"update": 2})
    second = log.mark
    other = Log(log.path)
    assert other.mark == second and other.rewind(second)
    with log.path.open("a") as file:
        file.write('{"up')
    assert Log(log.path).rewind(second) and read_lines(log.path) == [{"update": 1, "loss": None}, {"update": 2}]
    assert other.rewind(first) and not other.rewind(second) and other.mark == first
    other.append({"update": 2})
    assert other.mark == second and other.rewind(EMPTY) and log.path.read_bytes() == b""
    for text in ('{"update": 1}', '{"update": 1\n', "[1]\n", '{"loss": 1}\n', "\n"):
        log.path.write_text(text)
        with pytest.raises(UserError, match=r"log.jsonl is not whole: line 1 cannot be read"):
            read_lines(log.path)


def test_find_records_counts_every_run_and_takes_a_member_in_two_sweeps_once(finished, straight, tmp_path):
    runs = [tmp_path / name for name in ("a", "b", "c", "d")]
    shutil.copytree(straight.folder, runs[0] / straight.folder.name)  # the same members again
    shutil.copytree(straight.folder, runs[1] / straight.folder.name)
    for record in runs[1].rglob("record.json"):
        record.write_text(record.read_text().replace('"schema": 2', '"schema": 1'))
    shutil.copytree(straight.folder, runs[2] / straight.folder.name)
    shutil.rmtree(runs[2] / straight.folder.name / "members")
    shutil.copytree(straight.folder, runs[3] / straight.folder.name)
    for record in runs[3].rglob("record.json"):
        record.unlink()
    found = find_records([tmp_path, tmp_path / "a", finished.path])
    assert [len(group.members) for group in found.groups] == [2] and found.groups[0].key == straight.groups[0].key
    assert sum("not a record of schema 2 but of 1: train this run again" in sentence for sentence in found.broken) == 2
    assert sum("holds no member" in sentence for sentence in found.broken) == 1
    assert sum("holds no record.json: the member did not finish" in sentence for sentence in found.broken) == 2
    assert len(found.broken) == 5
    assert len(found.repeated) == 1 and "2 of its members stand in another folder too" in found.repeated[0]
    with pytest.raises(UserError, match="is not a folder"):
        find_records([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no run"):
        find_records([tmp_path / "empty"])


@pytest.mark.parametrize("name", ["record.json", "metrics.jsonl", "layout.json", "measurements/gradient_flow.jsonl"])
def test_what_cannot_be_read_for_a_moment_is_left_as_it_is(name, finished, straight, tmp_path, monkeypatch):
    """A fault of the disk says nothing about the file: it is not moved aside, and nothing is trained again."""
    if name == "layout.json":
        (finished.path / "record.json").unlink()
    before, path, opened = contents(tmp_path / straight.folder.name), finished.path / name, io.open
    with monkeypatch.context() as stumbling:

        def stumble(file, *arguments, **options):
            if str(file) == str(path):
                raise OSError(errno.EIO, "Input/output error")
            return opened(file, *arguments, **options)

        stumbling.setattr(io, "open", stumble)
        with pytest.raises(DiskFault, match=f"{path.name} cannot be read: Input/output error; look at the disk"):
            run(experiment(), tmp_path, [FLOW])
    after = contents(tmp_path / straight.folder.name)
    after.pop("failure.txt")
    assert after == before and not list(tmp_path.rglob("old-*"))
