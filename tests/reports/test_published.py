"""Published tables: every entry composes, and ours stand beside the numbers of the paper, or are said to be missing."""

import dataclasses
import re

import pytest
from tiny import ROOT, SIZES

from gru_lab.composition import compose
from gru_lab.models.model import Spec, count_parameters
from gru_lab.programs import records, reproduce
from gru_lab.reports import published
from gru_lab.reports.published import Entry, Placed
from gru_lab.runs import find_records


@pytest.mark.parametrize("name", published.names())
def test_every_entry_names_a_run_of_its_own(name):
    table = published.create(name)
    entries = table.entries()
    places = [(entry.row, entry.column) for entry in entries]
    assert len({*places}) == len(places) and len({entry.arguments for entry in entries}) == len(entries)
    assert all(entry.minutes > 0 and (entry.value is None or entry.value > 0) for entry in entries)
    assert re.search(r"(19|20)\d\d", table.paper) and table.traps
    page = table.page([Placed(entry, None, " ".join(entry.arguments)) for entry in entries]).write("markdown")
    for entry in entries:
        assert " ".join(entry.arguments) in page.replace("\\", "")


STUDIED = [name for name in published.names() if (ROOT / "experiments" / name / "records").is_dir()]


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIED)
def test_the_page_of_a_study_is_what_its_records_say(name, tmp_path, real_data, capsys):
    study = ROOT / "experiments" / name
    assert records.main(["import", str(study / "records"), str(tmp_path / "runs" / name)]) == 0
    arguments = [name, "--report", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert reproduce.main(arguments) == 0
    made, kept = ((folder / "page.md").read_text() for folder in (tmp_path / "out", study))
    assert made.partition("## Side by side")[2] == kept.partition("## Side by side")[2]
    table = [line for line in kept.splitlines() if line.startswith("|")]
    assert len(table) > 4 and "\n".join(table) in (study / "README.md").read_text()


TABLE = '''
from dataclasses import dataclass
from gru_lab.reports.published import Entry, Published

@dataclass(frozen=True, kw_only=True)
class Ours(Published):
    """A table of three entries."""
    paper = "Nobody 2026, A Table, Table 1"
    unit = "squared error"
    better = "lower"

    def entries(self):
        sizes = {sizes}
        return [
            Entry("adding", "RNN", 0.2, (*sizes, "task=adding"), 1),
            Entry("adding", "RNN, faster", 1e9, (*sizes, "task=adding", "optimizer.learning_rate=0.01"), 1),
            Entry("copy", "RNN", None, (*sizes, "task=copy"), 100),
        ]
'''


def test_ours_stand_beside_the_published_numbers(folder, tmp_path, capsys):
    file = folder / "our_table.py"
    sizes = [*(size for size in SIZES if "seeds" not in size), "population.seeds=3"]
    file.write_text(TABLE.replace("{sizes}", repr(sizes)))
    arguments = [f"{file}:Ours", "--runs", str(tmp_path / "runs")]
    assert reproduce.main([*arguments, "--only", "adding/*"]) == 0
    printed = capsys.readouterr().out
    lines = [line.split(" | ") for line in printed.splitlines() if line.startswith("|") and "RNN" in line]
    (group, other) = find_records([tmp_path / "runs" / "Ours"]).groups
    values = sorted(map(lambda each: f"{sum(each.values()) / 3:.4g}", (group, other)))
    assert sorted(line[3].split()[0] for line in lines[:2]) == values
    assert [line[2] for line in lines] == ["0.2", "1e+09", "-"]
    low, high = map(float, lines[0][4].split(" to "))
    assert lines[0][5] == ("yes" if low <= 0.2 <= high else "no") and lines[1][5] == "no"
    assert lines[2][3] == "not run here" and "task=copy sweep=Ours  # about 1.7 h" in printed

    assert reproduce.main([*arguments, "--report"]) == 0  # nothing is trained, and the page is the same but its command
    again = capsys.readouterr().out
    assert [line for line in again.splitlines() if "RNN" in line] == [
        line for line in printed.splitlines() if "RNN" in line
    ]
    assert reproduce.main([*arguments, "--only", "addin"]) == 2
    assert "which is like no entry of" in capsys.readouterr().err
    assert reproduce.main(["chung2015", "--list"]) == 2
    assert "chung2014" in capsys.readouterr().err


def test_a_single_run_is_compared_and_not_the_mean():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Table(published.Published):
        """A table."""

        paper, unit, better, limits = "Nobody 2026, A Table", "loss", "lower", (0.0, float("inf"))

        def entries(self):
            return []

        def ours(self, group):
            return group

    class Members(list):
        members = (0,) * 12
        solved = 0

        @property
        def shared(self):
            return dataclasses.make_dataclass("Shared", ["threshold", "parameters"])(None, 100)

    values = Members([1.0 + 0.1 * n for n in range(12)])  # mean 1.55, its interval about 1.32 to 1.78
    cells = [Table()._cells(Placed(Entry("", "", value, (), 1), values, "")) for value in (1.55, 2.0, 3.0)]
    assert [cell[3] for cell in cells] == ["yes", "yes", "no"]
    assert all(float(cell[1].split("[")[1].split(",")[0]) > 1.2 for cell in cells)
    some = Members(values[:5])  # seven never came there, and would have had the worst numbers
    assert Table()._cells(Placed(Entry("", "", 1.2, (), 1), some, ""))[1:4] == ["1.2 (of 5 alone)", "", ""]


@pytest.mark.parametrize("name", published.names())
@pytest.mark.slow
def test_every_entry_composes(name, real_data):
    for entry in published.create(name).entries():
        assert compose("train", list(entry.arguments))[0].experiment.population.seeds >= 3, entry.arguments


@pytest.mark.parametrize("name", ["hochreiter1997", "collins2017"])
def test_small_networks_have_a_size(name):
    """No size need come within 2% of a budget of a few hundred weights, as once in these tables."""
    for entry in published.create(name).entries():
        assert compose("train", list(entry.arguments))[0].experiment.cell.hidden >= 3, entry.arguments


def test_labels_are_counted_per_parameter():
    for entry in published.create("collins2017").entries()[:3]:
        one = compose("train", list(entry.arguments))[0].experiment
        spec = Spec(one.task.inputs, one.task.outputs, one.task.symbols, one.task.readout)
        assert one.task.sequences == sum(count_parameters(one.model, one.cell, spec).values()), entry.column
