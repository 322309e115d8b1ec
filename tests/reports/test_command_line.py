import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import flow

from gru_lab import reports
from gru_lab.errors import UserError
from gru_lab.programs.table import main
from gru_lab.reports import publishing
from gru_lab.runs import Found, Record
from gru_lab.runs.store import measurement_line

SCRIPT = Path(__file__).parents[2] / "scripts" / "table.py"


@pytest.fixture
def drawn(monkeypatch):
    """How often a figure was drawn; tests of what is written where do not wait for figures."""
    from gru_lab.reports.pages import comparison

    calls = []
    kinds = {kind: (words, lambda *_: calls.append(1) or "a figure") for kind, (words, _) in comparison.KINDS.items()}
    monkeypatch.setattr(comparison, "KINDS", kinds)
    monkeypatch.setattr(comparison, "files", lambda figure: {"png": b"a"})
    return calls


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_broken_members_are_named_and_left_out(run, tmp_path, drawn, capsys):
    run("rnn", measured=flow(0.5, 0.5))
    torn, missing, cut, changed = run("lstm"), run("gru"), run("mgu", losses=[0.1]), run("ugrnn", measured=flow(1, 1))
    metrics = torn.members[1].folder / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-10])
    (missing.members[0].folder / "record.json").unlink()
    record = cut.members[0].folder / "record.json"
    record.write_text(record.read_text()[:100])
    gradients = changed.members[2].folder / "measurements/gradient_flow.jsonl"
    gradients.write_text(gradients.read_text().replace("0.6", "0.7"))

    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 2
    streams = capsys.readouterr()
    named = streams.err.splitlines()
    assert len(named) == 4, named
    assert any(str(metrics) in line for line in named) and any(str(gradients) in line for line in named)
    assert any("holds no record.json" in line for line in named) and any(f"{record} cannot be read" in n for n in named)
    heading = next(line for line in streams.out.splitlines() if "task" in line)
    assert heading.split() == ["task", "metric", "rnn", "lstm", "gru", "ugrnn"]
    assert "Seeds per entry: 3 (adding: rnn); 2 (adding: lstm, gru, ugrnn)." in streams.out
    for text in (streams.out, (tmp_path / "out/table.md").read_text(), (tmp_path / "out/table.tex").read_text()):
        assert text.count("Left out: ") == 3 and "further notes are in README.md" in text
    assert (tmp_path / "out/README.md").read_text().count("Left out: ") == 4


def test_files_that_do_not_fit_their_record_leave_the_member_out(run, found):
    run("rnn", measured=flow(0.5, 0.5))
    group = run("gru", measured=flow(0.5, 0.5))
    folder = group.members[0].folder
    line = measurement_line(0, "initial", {"norm": [1.0, 0.5]})  # of other lags, but as it was written
    (folder / "measurements/gradient_flow.jsonl").write_text(json.dumps(line) + "\n")
    record = Record.load(folder / "record.json")
    record.layout["files"].pop("measurements/gradient_flow.jsonl")
    record.save(folder / "record.json")
    report = reports.make(found())
    assert len(report.broken) == 1 and "different shapes" in report.broken[0]
    assert report.table.columns == ("rnn",)


def test_with_no_whole_member_there_is_no_table(run, tmp_path, capsys):
    (run("gru", losses=[0.1]).members[0].folder / "record.json").unlink()
    assert main([str(tmp_path / "runs")]) == 2
    streams = capsys.readouterr()
    assert "no whole member is left" in streams.err and "holds no record.json" in streams.err
    assert streams.out == "" and not (tmp_path / "runs/report").exists()


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_without_runs_is_a_mistake(folder, tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    assert main([str(tmp_path / folder)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_member_in_two_sweeps_counts_once_and_is_named(run, tmp_path, drawn, capsys):
    run("gru")
    shutil.copytree(tmp_path / "runs", tmp_path / "again")
    assert main([str(tmp_path / "runs"), str(tmp_path / "again"), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "Seeds per entry: 3." in out and out.count("Counted once: ") == 1


def test_the_same_report_again_draws_nothing_and_another_goes_beside_it(run, tmp_path, drawn, capsys):
    first = run("rnn", measured=flow(0.5, 0.5))
    sweep = tmp_path / "runs"
    assert main([str(sweep), "--html"]) == 0
    printed = capsys.readouterr().out
    assert f"written to {sweep / 'report'}:" in printed and "index.html" in printed and len(drawn) == 2
    before, times = contents(sweep / "report"), {p: p.stat().st_mtime_ns for p in (sweep / "report").iterdir()}
    assert main([str(sweep), "--html"]) == 0
    assert capsys.readouterr().out == printed.replace("written to", "unchanged in") and len(drawn) == 2
    assert times == {p: p.stat().st_mtime_ns for p in (sweep / "report").iterdir()}

    run("gru")
    assert main([str(sweep)]) == 0
    assert f"written to {sweep / 'report-2'}:" in capsys.readouterr().out
    assert contents(sweep / "report") == before
    assert main([str(sweep)]) == 0 and len(drawn) == 4, "the report beside it is found again"
    assert main([str(first.members[0].folder.parents[1]), "--out", str(sweep / "report")]) == 0
    assert sorted(path.name for path in sweep.glob("report*")) == ["report", "report-2"]


@pytest.mark.parametrize("what", ["a value", "a measurement", "a file of the report", "the sources", "the reference"])
def test_a_report_is_made_anew_when_what_it_was_made_from_changed(what, run, found, tmp_path, drawn, monkeypatch):
    group = run("gru", measured=flow(0.5, 0.5))
    reports.publish(found(), tmp_path / "out")
    reference = "rnn"
    folder = group.members[0].folder
    if what == "a value":
        record = Record.load(folder / "record.json")
        record.metrics["test"]["loss"] = 0.7
        record.save(folder / "record.json")
    elif what == "a measurement":
        record = Record.load(folder / "record.json")
        record.layout.clear()
        record.save(folder / "record.json")
        file = folder / "measurements/gradient_flow.jsonl"
        file.write_text(file.read_text().splitlines()[0] + "\n")
    elif what == "a file of the report":
        (tmp_path / "out/table.md").unlink()
    elif what == "the sources":
        path = tmp_path / "reports"
        path.mkdir()
        (path / "publishing.py").touch()
        monkeypatch.setattr(publishing, "__file__", str(path / "publishing.py"))
    else:
        reference = "gru"
    before = len(drawn)
    reports.publish(found(), tmp_path / "out", reference=reference)
    assert len(drawn) > before
    assert (tmp_path / "out/table.md").exists()


def test_files_of_others_are_left_alone_and_a_half_written_report_is_completed(run, found, tmp_path, drawn):
    run("gru")
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "table.md").write_text("mine")
    paths = reports.save(reports.make(found()).files, out)
    assert contents(out) == {"notes.txt": b"mine", "table.md": b"mine"}
    assert {path.parent for path in paths} == {tmp_path / "out-2"} and all(path.exists() for path in paths)
    paths[0].unlink()
    assert reports.save(reports.make(found()).files, out)[0] == paths[0] and paths[0].exists()


def test_a_place_that_cannot_be_written_is_said_in_one_sentence(run, found, tmp_path, drawn):
    (tmp_path / "file").touch()
    run("gru")
    with pytest.raises(UserError, match="the report cannot be written to"):
        reports.publish(found(), tmp_path / "file" / "out")


def test_names_reach_the_terminal_as_they_are(run, found, tmp_path, drawn, capsys):
    run("my.py:[red]x[/red]\x1b[31m\nline", task="a task [link=x]", device="\x1b[2J")
    broken = ("a path\x1b]0;title\x07 with [bold]marks[/bold]",)
    assert reports.publish(Found(found().groups, broken), tmp_path / "out") == 2
    streams = capsys.readouterr()
    for text in (streams.out, streams.err):
        assert "\x1b" not in text and "\x07" not in text
    assert "[red]x[/red]\\x1b[31m line" in streams.out and "[link=x]" in streams.out
    assert "[bold]marks[/bold]" in streams.err and len(streams.err.splitlines()) == 1


def test_any_page_can_be_asked_for(run, tmp_path, capsys):
    run("gru", measured=flow(0.5, 0.9))
    run("rnn", measured=flow(0.5, 0.9))
    (tmp_path / "my_own_page.py").write_text(
        "from dataclasses import dataclass\n"
        "from gru_lab.reports.document import Document, Text\n"
        "from gru_lab.reports.pages import Page\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Mine(Page):\n"
        "    def make(self, material):\n"
        "        return Document('Mine', [Text(f'{len(material.found.groups)} groups')])\n"
    )
    for name in ("gradients", f"{tmp_path}/my_own_page.py:Mine"):
        assert main([str(tmp_path / "runs"), "--page", name, "--html"]) == 0
        folder = Path(re.search(r"written to (.*):", capsys.readouterr().out)[1])
        assert (folder / "README.md").exists() and (folder / "index.html").exists()
    assert "2 groups" in (tmp_path / "runs/Mine/README.md").read_text()
    assert main([str(tmp_path / "runs"), "--page", "gradient"]) == 2
    assert "Did you mean 'gradients'?" in capsys.readouterr().err


def test_a_second_call_loads_no_library_that_draws(run, found, tmp_path, drawn):
    run("gru")
    reports.publish(found(), tmp_path / "out")
    code = (
        "import sys; from gru_lab.programs.table import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'jax', 'rich', 'numpy'} & set(sys.modules), 'help waits'\n"
        f"assert main([{str(tmp_path / 'runs')!r}, '--out', {str(tmp_path / 'out')!r}]) == 0\n"
        "assert not {'matplotlib', 'pandas', 'scipy.stats', 'sklearn'} & set(sys.modules), 'libraries that draw'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Nothing is overwritten" in done.stdout and "unchanged in" in done.stdout
