"""Archives: what is imported is what was exported, sweeps go on from it, and nothing that was changed gets in."""

import gzip

import pytest
from tiny import contents, experiment, run, trained

from gru_lab import UserError, reports
from gru_lab.programs import records
from gru_lab.runs import find_records
from gru_lab.runs.archive import LOGS, MEMBERS, RUNS, export_members, import_members
from gru_lab.training import protocols

pytestmark = pytest.mark.xdist_group("archive")  # one worker: what the tests share is made once

RATES = {"optimizer": {"learning_rate": [0.001, 0.01]}}


def ours(**options):
    """Two runs: one that chooses its learning rate, one of two fixed rates."""
    tuned = protocols.create("tuned", axes=RATES, seeds=1, halving=())
    return [experiment(protocol=tuned, **options), experiment(axes=RATES, **options)]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """The sweep of both."""
    folder = tmp_path_factory.mktemp("sweeps") / "ours"
    for each in ours():
        run(each, folder)
    return folder


@pytest.fixture(scope="module")
def exported(sweep, tmp_path_factory):
    """Its archive."""
    archive = tmp_path_factory.mktemp("archives") / "ours"
    runs, members, broken = export_members([sweep], archive)
    assert (runs, members, broken) == (2, 2 + 2 + 4, ())
    return archive


def logs_and_records(folder):
    """All but checkpoints, layouts and claims."""
    return {name: value for name, value in contents(folder).items() if name.endswith(("jsonl", "json", "yaml"))
            and not name.endswith("layout.json")}  # fmt: skip


def test_an_imported_sweep_is_the_one_that_was_exported(sweep, exported, tmp_path):
    again = tmp_path / "ours"
    assert import_members(exported, again) == (8, 0)
    assert logs_and_records(again) == logs_and_records(sweep)
    for path in sweep.rglob("record.json"):
        assert (again / path.relative_to(sweep)).read_bytes() == path.read_bytes()
    made, known = (reports.make(find_records([folder])).files for folder in (again, sweep))
    assert made == known
    assert import_members(exported, again) == (0, 8)
    assert export_members([again], tmp_path / "archive")[1] == 8
    for name in (RUNS, MEMBERS, LOGS):
        assert (tmp_path / "archive" / name).read_bytes() == (exported / name).read_bytes()


def test_a_sweep_goes_on_from_what_was_imported(exported, sweep, tmp_path):
    import_members(exported, tmp_path)
    for each in ours():
        assert trained(run(each, tmp_path)) == []
    names = [name for each in ours(seeds=3) for name in trained(run(each, tmp_path))]
    assert len(names) == 3 and all(name.endswith("-2") for name in names)


def test_what_had_been_begun_is_moved_aside_and_another_result_is_kept(exported, sweep, tmp_path):
    import_members(exported, tmp_path)
    records = sorted(tmp_path.rglob("record.json"))
    records[0].unlink()
    (records[0].parent / "checkpoint.safetensors").write_text("of a member that was being trained")
    assert import_members(exported, tmp_path) == (1, 7)
    assert not (records[0].parent / "checkpoint.safetensors").exists()
    assert list(records[0].parent.parent.glob("old-1-*"))

    text = (exported / MEMBERS).read_text()
    changed = _copy(exported, tmp_path / "changed", MEMBERS, text.replace("finished", "diverged", 1))
    with pytest.raises(UserError, match=r"was changed: .* is not as it was exported, its checksum differs"):
        import_members(changed, tmp_path / "new")
    assert not list((tmp_path / "new").rglob("record.json"))


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (LOGS, lambda text: text.replace("update", "updates", 1), "its checksum differs"),
        (LOGS, lambda text: text.replace("metrics.jsonl", "../metrics.jsonl", 1), "is not the name of a log"),
        (RUNS, lambda text: text.replace("rnn-adding-", "../rnn-adding-"), "is not the name of a folder"),
        (RUNS, lambda text: text.partition("\n")[0] + "\n", "a line of it is not a member"),
        (MEMBERS, lambda text: text.rpartition(",")[0] + "\n", "has more or fewer cells than the first"),
        (MEMBERS, lambda text: text.replace("member/seed", "member/sed", 1), "a line of it is not a member"),
    ],
)
def test_what_was_changed_does_not_get_in(name, change, sentence, exported, tmp_path):
    content = (exported / name).read_bytes()
    text = (gzip.decompress(content) if name == LOGS else content).decode()
    archive = _copy(exported, tmp_path / "archive", name, change(text))
    with pytest.raises(UserError, match=sentence):
        import_members(archive, tmp_path / "sweep")
    assert not list((tmp_path / "sweep").rglob("record.json"))


def test_the_command(exported, sweep, tmp_path, capsys):
    assert records.main(["import", str(exported), str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.startswith("8 members are now in ")
    next((tmp_path / "new").rglob("metrics.jsonl")).unlink()
    assert records.main(["export", str(tmp_path / "new"), str(tmp_path / "archive")]) == 2
    said = capsys.readouterr()
    assert said.out.startswith("7 members of 2 runs are now in ") and said.err.startswith("left out: ")
    (tmp_path / "archive" / LOGS).write_bytes((exported / LOGS).read_bytes()[:-30])
    assert records.main(["import", str(tmp_path / "archive"), str(tmp_path / "other")]) == 2
    assert "logs.csv.gz cannot be read" in capsys.readouterr().err
    assert records.main(["import", str(tmp_path), str(tmp_path / "other")]) == 2
    assert "is not an archive of members: it lacks runs.csv" in capsys.readouterr().err


def _copy(archive, folder, name, text):
    folder.mkdir()
    for each in (RUNS, MEMBERS, LOGS):
        (folder / each).write_bytes((archive / each).read_bytes())
    (folder / name).write_bytes(gzip.compress(text.encode()) if name == LOGS else text.encode())
    return folder
