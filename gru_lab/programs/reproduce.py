"""Train the runs of a published table, as many as are asked for, and show our numbers beside the published ones."""

import argparse
import fnmatch
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gru_lab.exits import called

if TYPE_CHECKING:
    from gru_lab.runs import Group
    from gru_lab.training import Experiment

ABOUT = """\
Trains the runs behind a published table and writes our numbers beside the published ones, page.md in DIR.
Entries that are not run are named there with their commands and about how long they take."""
RULES = """\
Finished runs are kept: a second call trains nothing, an interrupted one goes on where it stopped. What an archive
of members holds (scripts/records import) need not be trained at all."""


def main(argv: list[str] | None = None) -> int:
    """Run what is asked for and not yet there, then write and print the page; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        called("scripts/reproduce"),
        description=ABOUT,
        epilog=RULES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", help="the name of a published table, or path/to/file.py:Class")
    parser.add_argument("--list", action="store_true", help="print the entries and the time that each takes, no more")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        default=[],
        help="train only entries `row / column` like this, such as 'jsb*/GRU'; may be repeated",
    )
    parser.add_argument("--report", action="store_true", help="train nothing; show what is there")
    parser.add_argument("--runs", default="runs", help="the folder of all runs")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where to write (default: RUNS/TABLE/report)")
    parser.add_argument("overrides", metavar="GROUP.FIELD=VALUE", nargs="*", help="settings for all of its runs")
    options = parser.parse_args(argv)

    from gru_lab.commandline import guarded, one_device_a_core, train_all

    status: list[int] = []

    def reproduce() -> None:
        one_device_a_core()
        from gru_lab.composition import compose, numbered
        from gru_lab.errors import UserError, listed
        from gru_lab.reports import published
        from gru_lab.reports.escape import plain
        from gru_lab.reports.report import save
        from gru_lab.runs import Found, find_records

        table = published.create(options.table)
        entries = table.entries()
        names = [f"{entry.row}/{entry.column}" for entry in entries]
        for pattern in options.only:
            if not fnmatch.filter(names, pattern):
                raise UserError(f"--only is {pattern!r}, which is like no entry of {options.table}: {listed(names)}")
        asked = [not options.only or any(fnmatch.fnmatch(name, each) for each in options.only) for name in names]
        if options.list:
            for name, entry in zip(names, entries, strict=True):
                print(f"{name:<{max(map(len, names))}}  {entry.minutes:>4.0f} min  {shlex.join(entry.arguments)}")
            return
        sweep = options.table.rpartition(":")[2]
        where = [f"sweep={sweep}", f"paths.runs={Path(options.runs).absolute()}", *options.overrides]
        jobs = [compose("train", [*entry.arguments, *where])[0] for entry in entries]
        started = time.perf_counter()
        chosen = [job for job, wanted in zip(jobs, asked, strict=True) if wanted]
        if not options.report:
            train_all(numbered(chosen))
            print(f"\n{len(chosen)} runs in {time.perf_counter() - started:.0f} s\n")
        folders = sorted({folder for job in jobs if (folder := job.folder / job.experiment.name).is_dir()})
        there = find_records(folders) if folders else Found(())
        commands = [
            shlex.join(["python", "experiments/train.py", *entry.arguments, f"sweep={sweep}"]) for entry in entries
        ]
        placed = [
            published.Placed(
                entry, next((group for group in there.groups if _is_of(group, job.experiment)), None), command
            )
            for entry, job, command in zip(entries, jobs, commands, strict=True)
        ]
        page = table.page(placed, shlex.join([*called("scripts/reproduce").split(), *argv]))
        paths = save(page.files("page"), options.out or jobs[0].folder / "report")
        print(page.write("markdown"))
        print(f"written to {plain(paths[0].parent)}: {', '.join(path.name for path in paths)}")
        for sentence in there.broken:
            print(f"left out: {plain(sentence)}", file=sys.stderr)
        status.append(2 if there.broken else 0)

    return guarded(reproduce) or (status or [0])[0]


def _is_of(group: "Group", experiment: "Experiment") -> bool:
    """True if a group is of an experiment, with its hyper-parameters or with those that its protocol chose."""
    fixed = {
        name: value for name, value in experiment.hyper.items() if name not in group.shared.selection.get("hyper", {})
    }
    return group.shared.identity == experiment.identity and fixed.items() <= dict(group.hyper).items()
