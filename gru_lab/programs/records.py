"""Export the finished members of sweeps to a few CSV files, or put them back into a sweep."""

import argparse
import sys
from pathlib import Path

from gru_lab.exits import called

ABOUT = """\
export SWEEP ... ARCHIVE writes the finished members of sweeps to the folder ARCHIVE, as CSV: runs.csv, members.csv and
logs.csv.gz. import ARCHIVE SWEEP puts them into a sweep, from which tables are made and which the command that began it
goes on with, training only what is missing."""
RULES = """\
What is imported is checked to be what was exported. Parameters are not part of an archive.
The exit status is 0, or 2 for a mistake or where a member was left out."""


def main(argv: list[str] | None = None) -> int:
    """The exit status: 0, or 2 for a mistake or where something was left out."""
    parser = argparse.ArgumentParser(
        called("scripts/records"), description=ABOUT, epilog=RULES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="export|import")
    export = commands.add_parser("export", help="from sweeps to an archive")
    export.add_argument("sweeps", metavar="SWEEP", nargs="+", type=Path, help="the folder of a run or of a sweep")
    export.add_argument("archive", metavar="ARCHIVE", type=Path, help="the folder for the CSV files")
    importing = commands.add_parser("import", help="from an archive into a sweep")
    importing.add_argument("archive", metavar="ARCHIVE", type=Path, help="the folder of the CSV files")
    importing.add_argument("sweep", metavar="SWEEP", type=Path, help="the folder of a sweep, which need not exist")
    options = parser.parse_args(argv)

    # after the options are read: --help must not wait for them
    from gru_lab.errors import UserError
    from gru_lab.reports.escape import plain
    from gru_lab.runs.archive import export_members, import_members

    try:
        if options.what == "import":
            written, known = import_members(options.archive, options.sweep)
            print(plain(f"{written} members are now in {options.sweep}; {known} were there already"))
            return 0
        runs, members, broken = export_members(options.sweeps, options.archive)
    except UserError as error:
        print(plain(error), file=sys.stderr)
        return 2
    for sentence in broken:
        print(f"left out: {plain(sentence)}", file=sys.stderr)
    print(plain(f"{members} members of {runs} runs are now in {options.archive}"))
    return 2 if broken else 0
