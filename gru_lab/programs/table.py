"""Print the table of some runs and write it, with its figures, to a folder."""

import argparse
import shlex
import sys
from pathlib import Path

from gru_lab.exits import called

ABOUT = """\
Prints a table of the runs in or under the folders RUNS (rows: tasks; columns: networks), and writes it as Markdown,
CSV and LaTeX, with learning curves and gradient-flow figures as PNG and PDF."""
RULES = """\
A member or run that is broken is named and left out; the exit status is then 2.

Nothing is overwritten: if a file of the report already exists in DIR with other content, DIR stays as it is and the
report goes to DIR-2, DIR-3, ... The same report made again changes nothing."""


def main(argv: list[str] | None = None) -> int:
    """The exit status: 0, or 2 for a mistake or where something was left out."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        called("table.py"), description=ABOUT, epilog=RULES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", metavar="RUNS", nargs="+", type=Path, help="the folder of a run or of a sweep")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="where to write (default: report/ in the first of RUNS)"
    )
    parser.add_argument(
        "--reference",
        metavar="NAME",
        default="rnn",
        help="the network that parameters and times are relative to (default: rnn, if it is there; none: no network)",
    )
    parser.add_argument(
        "--mixed",
        action="store_true",
        help="also where networks differ in what they must share (training, protocol, data, seeds): said in the notes",
    )
    parser.add_argument(
        "--repetition",
        metavar="SEEDS",
        type=int,
        nargs="?",
        const=0,
        help="also show where the mean of a repetition on another machine will fall, with so many seeds (default: as "
        "many as there are)",
    )
    parser.add_argument(
        "--statistics",
        action="store_true",
        help="also print every network against the one of reference: paired tests with Holm's correction, probability "
        "of improvement, solved, cost to solve, and ranks and scores over the tasks (always written, statistics.*)",
    )
    parser.add_argument(
        "--html",
        action="store_true",
        help="also write index.html, a page that needs no other file: tables to sort, curves to point at, settings",
    )
    parser.add_argument(
        "--style",
        metavar="STYLE",
        default="paper",
        help="the size of the figures: paper (one column, the default), wide (both columns) or slides",
    )
    parser.add_argument(
        "--page",
        metavar="PAGE",
        help="write another page instead: comparison, generalisation, gradients, memory, prediction, statistics, "
        "sweep, tuning, zoo, or path/to/file.py:Class",
    )
    options = parser.parse_args(argv)
    if options.repetition is not None and options.repetition < 0:
        parser.error(f"--repetition is {options.repetition}: it must be a number of seeds, 1 or more")

    # after the options are read: --help must not wait for them
    from gru_lab import reports
    from gru_lab.errors import UserError
    from gru_lab.reports.escape import plain
    from gru_lab.reports.style import using
    from gru_lab.runs import find_records

    command = shlex.join([*called("python scripts/table.py").split(), *argv])
    try:
        with using(options.style):
            records = find_records(options.runs)
            if options.page:
                out = options.out or options.runs[0] / options.page.rpartition(":")[2]
                return reports.publish_page(options.page, records, out, html=options.html, command=command)
            reference = None if options.reference == "none" else options.reference
            out = options.out or options.runs[0] / "report"
            return reports.publish(
                records,
                out,
                reference=reference,
                mixed=options.mixed,
                repetition=options.repetition,
                statistics=options.statistics,
                html=options.html,
                command=command,
            )
    except UserError as error:
        print(plain(error), file=sys.stderr)
        return 2
