"""The layouts of recurrent loops that were measured on this machine, in the user's cache folder.

A file per processor, kind of device and version of JAX: what was measured on another is never taken.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gru_lab.compile_cache import machine
from gru_lab.errors import UserError
from gru_lab.runs.files import write_atomically

TUNE = "python -m gru_lab.recurrence tune CELL --inputs I --batch B --time T"


def path() -> Path:
    """The file of this processor, this kind of device and this version of JAX."""
    import platformdirs

    return platformdirs.user_cache_path("gru-lab", appauthor=False) / "layouts" / f"{machine()}.json"


def read() -> tuple[Any, ...]:
    """The entries that were measured here.

    Raises:
        UserError: if nothing was measured on this processor with this version of JAX.
    """
    known = _entries(path())
    if not known:
        raise UserError(
            f"method.layout is 'tuned': nothing was measured on this processor with this version of JAX; {TUNE} does it"
        )
    return known


def keep(entry: Sequence[Any]) -> Path:
    """Add an entry, in place of an older one of the same loop."""
    file = path()
    entries = [each for each in _entries(file) if each[0] != entry[0]]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(file, json.dumps([*entries, entry]) + "\n")
    return file


def _entries(file: Path) -> tuple[Any, ...]:
    """The entries of a file; none where it is missing or cannot be read: they are measured anew."""
    try:
        return tuple((name, tuple(map(tuple, fields))) for name, fields in json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return ()
