"""`python -m gru_lab check CELL`: see `gru_lab.check`.

python -m gru_lab check my_cells.py:Mine     check a new cell
python -m gru_lab.cells                      list the cells, or show one
python -m gru_lab.tasks                      list the tasks, or show one
python -m gru_lab.recurrence gru             show how a step is split, or tune its loop
"""

import sys

from gru_lab.exits import leave


def main() -> int:
    """The exit status of the program that is named first."""
    words = sys.argv[1:]
    if words[:1] == ["check"]:
        from gru_lab.check import main as check

        return check(words[1:])
    asked = not words or words[0] in ("-h", "--help")
    print(__doc__ if asked else f"{words[0]!r} is unknown: it must be check", file=None if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    leave(main)
