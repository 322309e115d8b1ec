"""Files that are whole or not there."""

import errno
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gru_lab.errors import UserError

UNFINISHED = re.compile(r"\.(?!config\.yaml|claim\.lock).+\.[a-z0-9_]{8}")  # as `write_atomically` names them


class DiskFull(UserError):
    """There is no room left for what is to be kept; whatever was written before is whole."""


def disk_full(error: BaseException, path: Path) -> DiskFull | None:
    """The sentence for an error that says that a disk, or a user's share of it, is full; None for any other error."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)):
        cause = cause.__cause__
    if cause is None:
        return None
    return DiskFull(f"the disk of {path} is full: make room; nothing is lost, and the same command goes on from here")


def clear(folder: Path) -> None:
    """Remove the files that a killed process had begun to write in a run's folder.

    Only the holder of the folder's claim may do so; the files that others write before they ask for it stay.
    """
    for path in folder.rglob(".*"):
        if path.is_file() and UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def read_all(folder: Path) -> dict[str, bytes]:
    """The files of a run's folder by their names in it, without locks and what was moved aside."""
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    kept = [name for name in names if name.suffix != ".lock" and not any(part[:4] == "old-" for part in name.parts)]
    return {str(name): (folder / name).read_bytes() for name in kept}


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files as `read_all` gave them."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file by writing another beside it and renaming it: a killed program leaves no half of it."""
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
