import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from gru_lab import reports
from gru_lab.schema import UserError

SCRIPT = Path(__file__).parents[2] / "scripts" / "table.py"
main = runpy.run_path(str(SCRIPT))["main"]


@pytest.fixture
def no_figures(monkeypatch):
    """Tests of what is written where do not wait for figures."""
    from gru_lab.reports import report

    monkeypatch.setattr(report, "learning_curves", lambda *_: {})
    monkeypatch.setattr(report, "gradient_flow_figure", lambda *_: {})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_broken_runs_are_named_and_left_out(run, tmp_path):
    run("rnn")
    run("gru")
    torn, missing, cut = run("lstm"), run("mgu"), run("ugrnn")
    metrics = torn.folder / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-10])
    (missing.folder / "record.json").unlink()
    record = cut.folder / "record.json"
    record.write_text(record.read_text()[:100])

    command = [sys.executable, str(SCRIPT), str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)

    assert done.returncode == 2
    named = done.stderr.splitlines()
    assert len(named) == 3 and "Traceback" not in done.stderr
    assert "metrics.jsonl is truncated: line 2" in done.stderr
    assert "holds no record.json" in done.stderr
    assert f"{record} cannot be read" in done.stderr
    heading = next(line for line in done.stdout.splitlines() if "task" in line)
    assert heading.split() == ["task", "metric", "rnn", "gru"]
    for text in (done.stdout, (tmp_path / "out/table.md").read_text(), (tmp_path / "out/table.tex").read_text()):
        assert text.count("Left out: ") == 3
    assert (tmp_path / "out/learning_curves_adding.png").exists()


def test_with_no_whole_run_there_is_no_table(run, tmp_path, capsys):
    (run("gru").folder / "record.json").unlink()
    assert main([str(tmp_path / "runs")]) == 2
    streams = capsys.readouterr()
    assert "no whole run is left" in streams.err and "holds no record.json" in streams.err
    assert streams.out == "" and not (tmp_path / "runs/report").exists()


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_without_runs_is_a_mistake(folder, tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    assert main([str(tmp_path / folder)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_same_report_again_changes_nothing_and_another_goes_beside_it(run, tmp_path, no_figures, capsys):
    first = run("rnn")
    sweep = tmp_path / "runs"
    assert main([str(sweep)]) == 0
    assert f"written to {sweep / 'report'}:" in capsys.readouterr().out
    before = contents(sweep / "report")
    times = [path.stat().st_mtime_ns for path in (sweep / "report").iterdir()]
    assert main([str(sweep)]) == 0
    assert times == [path.stat().st_mtime_ns for path in (sweep / "report").iterdir()]

    run("gru")
    assert main([str(sweep)]) == 0
    assert f"written to {sweep / 'report-2'}:" in capsys.readouterr().out
    assert contents(sweep / "report") == before
    assert main([str(sweep)]) == 0
    assert main([str(first.folder), "--out", str(sweep / "report")]) == 0
    assert sorted(path.name for path in sweep.glob("report*")) == ["report", "report-2"]


def test_files_of_others_are_left_alone(run, tmp_path, no_figures):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "table.md").write_text("mine")
    paths = reports.write([run("gru")], [], out)
    assert contents(out) == {"notes.txt": b"mine", "table.md": b"mine"}
    assert {path.parent for path in paths} == {tmp_path / "out-2"} and all(path.exists() for path in paths)


def test_a_half_written_report_is_completed(run, tmp_path, no_figures):
    record = run("gru")
    [first, *_] = reports.write([record], [], tmp_path / "out")
    first.unlink()
    assert reports.write([record], [], tmp_path / "out")[0] == first and first.exists()


def test_a_place_that_cannot_be_written_is_told_in_one_sentence(run, tmp_path, no_figures):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="the report cannot be written to"):
        reports.write([run("gru")], [], tmp_path / "file" / "out")


def test_help_does_not_wait_for_the_libraries():
    code = (
        f"import runpy, sys; main = runpy.run_path({str(SCRIPT)!r})['main']\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'jax', 'rich', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Nothing is overwritten" in done.stdout
