"""The one exception that is the user's to mend, and how it names what is near."""

import difflib
from collections.abc import Iterable

LONGEST, MOST = 200, 120  # letters of a name, and names, that a sentence lists


class UserError(ValueError):
    """A mistake of the user's, told in one sentence; the command line prints it and exits with status 2."""


def in_one_line(error: BaseException) -> str:
    """An error as a person reads it in a list; what is the user's to mend goes without the name of its class.

    >>> in_one_line(KeyError("x")), in_one_line(UserError("cell is missing"))
    ("KeyError: 'x'", 'cell is missing')
    """
    said = " ".join(str(error).split())
    return said if isinstance(error, UserError) else f"{type(error).__name__}: {said}"


def nearest(name: object, allowed: Iterable[str]) -> str:
    """`Did you mean 'x'?`, or nothing if no allowed name is near.

    A dotted name counts by its last part, too, and a name of several words by their initials.

    >>> nearest("lr", ["cell", "optimizer.learning_rate"])
    " Did you mean 'optimizer.learning_rate'?"
    """
    name, allowed = str(name), list(dict.fromkeys(allowed))
    last = {each: each.rpartition(".")[2] for each in allowed}
    initials = {each: "".join(word[:1] for word in part.split("_")) for each, part in last.items() if "_" in part}
    same = [each for names in (last, initials) for each, part in names.items() if part == name]
    whole = [each for each in allowed if last[each] == each]
    parts = {part: each for each, part in reversed(last.items())}
    close = same or [
        parts.get(match, match)
        for names, cutoff in ((whole, 0.5), (parts, 0.7), (allowed, 0.7))
        for match in difflib.get_close_matches(name, names, 1, cutoff)
    ]
    return f" Did you mean '{close[0]}'?" if close else ""


def listed(names: Iterable[object], word: str = "or") -> str:
    """The names as people list them: `a, b or c`; the ends of long names, and many of them, are left out.

    >>> listed(["a", "b", "c"]), listed(["x" * 300], "and")[-5:]
    ('a, b or c', 'xx...')
    """
    said = [name if len(name) <= LONGEST else f"{name[:LONGEST]}..." for name in map(str, names)] or ["nothing"]
    *most, last = said if len(said) <= MOST else [*said[:MOST], f"{len(said) - MOST:,} more"]
    return f"{', '.join(most)} {word} {last}" if most else last
