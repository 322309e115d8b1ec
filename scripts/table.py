"""Print the table of some runs and write it, with its figures, to a folder."""

import argparse
import sys
from pathlib import Path

ABOUT = """\
Prints a table of the runs in or under the folders RUNS (rows: tasks; columns: cells), and writes it as Markdown,
CSV and LaTeX, with learning curves and gradient-flow figures as PNG and PDF."""
RULES = """\
A run that is broken is named and left out; the exit status is then 2.

Nothing is overwritten: if a file of the report already exists in DIR with other content, DIR stays as it is and the
report goes to DIR-2, DIR-3, ... The same report made again changes nothing."""


def main(argv: list[str] | None = None) -> int:
    """The exit status: 0, or 2 for a mistake or where a run was left out."""
    parser = argparse.ArgumentParser(
        "table.py", description=ABOUT, epilog=RULES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", metavar="RUNS", nargs="+", type=Path, help="the folder of a run or of a sweep")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="where to write (default: report/ in the first of RUNS)"
    )
    options = parser.parse_args(argv)

    # after the options are read: --help must not wait for them
    from rich.console import Console

    from gru_lab import reports
    from gru_lab.reports.render import print_table
    from gru_lab.runs import find_records
    from gru_lab.schema import UserError

    try:
        report = reports.make(*find_records(options.runs))
        print_table(report.table, Console())
        for sentence in report.broken:
            print(f"left out: {sentence}", file=sys.stderr)
        paths = reports.save(report.files, options.out or options.runs[0] / "report")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\nwritten to {paths[0].parent}: {', '.join(path.name for path in paths)}")
    return 2 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
