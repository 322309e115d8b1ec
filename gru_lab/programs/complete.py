"""Print the tab completion of bash for this command, to be evaluated; of programs, groups and their options."""

import sys
from collections.abc import Sequence

from gru_lab import programs
from gru_lab.manual import options

COMPOSED = ("train", "gradients", "memory")  # programs whose arguments are group=option
SCRIPT = r"""
_gru_lab() {
  local line=${COMP_LINE:0:COMP_POINT}
  local word=${line##* }
  local IFS=$'\n'
  COMPREPLY=($(gru-lab complete -- "$line" 2>/dev/null))
  # bash breaks words at = and :, and takes what stands behind the last one
  local cut=${word%"${word##*[=:,]}"}
  COMPREPLY=("${COMPREPLY[@]#"$cut"}")
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _gru_lab gru-lab
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script, or the words that may follow a line that has been begun."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--"]:
        print("\n".join(candidates(" ".join(words[1:]))))
    else:
        print(SCRIPT.strip())
    return 0


def candidates(line: str) -> list[str]:
    """The words that may stand at the end of a line.

    >>> candidates("gru-lab tab"), candidates("gru-lab train cell=mingr"), candidates("gru-lab train task=copy,addi")
    (['table'], ['cell=mingru'], ['task=copy,adding'])
    """
    before, word = line.split(" ")[1:-1], line.split(" ")[-1]
    if not before:
        return [name for name in programs.names() if name.startswith(word)]
    if before[0] not in COMPOSED:
        return []
    groups = options()
    group, equals, value = word.partition("=")
    if not equals:
        return [f"{name}=" for name in groups if name.startswith(word)]
    first, comma, last = value.rpartition(",")
    return [f"{group}={first}{comma}{name}" for name in groups.get(group, ()) if name.startswith(last)]
