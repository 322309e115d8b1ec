"""`gru-lab NAME ...`, or `python -m gru_lab NAME ...`: the programs of GRU Lab by their names."""

import sys

from gru_lab import programs
from gru_lab.exits import COMMAND, leave


def main() -> None:
    """Run the program that is named first, or list them all; exits with its status."""
    leave(_named)


def _named() -> int:
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print("usage: gru-lab NAME ...\n")
        for name in programs.names():
            print(f"  {name:<12} {programs.about(name)}")
        print('\ngru-lab NAME --help tells more of each. Tab completion: eval "$(gru-lab complete)"')
        return 0
    name = words[0]
    if name not in programs.names():
        from gru_lab.errors import listed, nearest

        names = programs.names()
        print(f"{name!r} is unknown: it must be {listed(names)}.{nearest(name, names)}", file=sys.stderr)
        return 2
    sys.argv = [f"{COMMAND} {name}", *words[1:]]
    return programs.run(name)


if __name__ == "__main__":
    main()
