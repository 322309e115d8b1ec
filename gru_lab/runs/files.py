"""Files that are whole or not there."""

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from gru_lab.errors import UserError

UNFINISHED = re.compile(r"\.(?!config\.yaml|claim\.lock).+\.[a-z0-9_]{8}")  # as `write_atomically` names them


FULL = (errno.ENOSPC, errno.EDQUOT)
OF_DISKS = {  # and what to do about it
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the limit on open files of the system",
    errno.EROFS: "make the file system writable",
} | dict.fromkeys(
    (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT, errno.ENOTCONN), "look at the disk"
)
GOES_ON = "nothing is lost, and the same command goes on from here"


class DiskFull(UserError):
    """There is no room left for what is to be kept; whatever was written before is whole."""


class DiskFault(UserError):
    """A file cannot be read or written, for a reason that lies in the disk or in a limit of the system's."""


def unreadable(path: Path, error: Exception) -> UserError:
    """The sentence for a file that cannot be read: a `DiskFault` where it may be whole, and another time be read."""
    if isinstance(error, OSError) and error.errno in OF_DISKS:
        return DiskFault(f"{path} cannot be read: {error.strerror}; {OF_DISKS[error.errno]}; {GOES_ON}")
    return UserError(f"{path} cannot be read: {error}")


def unwritable(path: Path, error: OSError) -> UserError:
    """The sentence for a file or folder that cannot be written: what to do about it, where the disk is the reason."""
    if error.errno in FULL:
        return DiskFull(f"the disk of {path} is full: make room; {GOES_ON}")
    if error.errno in OF_DISKS:
        return DiskFault(f"{path} cannot be written: {error.strerror}; {OF_DISKS[error.errno]}; {GOES_ON}")
    return UserError(f"{path} cannot be written: {error.strerror}")


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an error that says that a disk is full, or that it failed, into a sentence about a folder on it.

    Raises:
        DiskFull: if a disk, or a user's share of it, is full.
        DiskFault: for other faults of disks.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not (isinstance(cause, OSError) and cause.errno in (*FULL, *OF_DISKS)):
            cause = cause.__cause__
        if not isinstance(cause, OSError) or isinstance(error, (DiskFull, DiskFault)):
            raise
        if cause.errno in FULL:
            raise DiskFull(f"the disk of {path} is full: make room; {GOES_ON}") from error
        if isinstance(error, UserError):
            raise
        advice = OF_DISKS[cause.errno or 0]
        raise DiskFault(f"a file in {path} cannot be read or written: {cause.strerror}; {advice}; {GOES_ON}") from error


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
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
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
