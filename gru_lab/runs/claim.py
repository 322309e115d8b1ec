"""Claims: who works on a run. An atomic lock file with a heartbeat, so that a killed process holds nothing for ever.

No clock is compared with another one: a claim is abandoned when whoever waits has seen no sign of life for a minute of
waiting, whatever the clocks of the machines and of their file system say, or do in the meantime.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from gru_lab.errors import UserError
from gru_lab.runs.files import unwritable

BEAT = 5.0  # seconds between two signs of life
SILENCE = 60.0  # seconds without a new one after which a claim is taken over
TRIES = 3  # to read a claim that is given back


class Busy(UserError):
    """Another living process works on a run; `owner` is it, in words."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.folder, self.owner = folder, owner
        super().__init__(f"{folder} is being worked on by {owner}: wait for it, or stop it")


class Lost(Busy):
    """This process was silent for so long that another one has taken its claim over."""


@dataclass
class Claim:
    """A claim that this process holds."""

    path: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def check(self) -> None:
        """Raise `Lost` if the claim is another's by now: a process that was suspended for a minute has lost it."""
        owner = _owner(self.path)
        if owner is None or owner.get("token", self.token) != self.token:
            raise Lost(self.path.parent, said(owner or {}))


@contextmanager
def claim(
    path: Path, waiting: Callable[[str], None] = lambda owner: None, patience: float | None = None
) -> Iterator[Claim]:
    """Hold the lock file `path` while the block runs.

    Another holder that lives is waited for, and named once to `waiting`; after `patience` seconds that is an error.
    A holder that has died is followed: at once where its process is known to be gone, else after a minute without a
    sign of life, which is counted over all calls in this process.

    Raises:
        Busy: if the holder has not finished in time.
        UserError: if the lock cannot be written.
    """
    held = Claim(path)
    content = {"host": socket.gethostname(), "machine": _machine(), "process": os.getpid(), "token": held.token}
    started, named = time.monotonic(), False
    while not _create(path, json.dumps(content)):
        owner = _owner(path)
        if owner is None:  # it was let go just now
            continue
        if _gone(owner) or _silence(path, owner) > SILENCE:
            _remove(path, owner)
            continue
        if not named:
            named = True
            waiting(said(owner))
        if patience is not None and time.monotonic() - started >= patience:
            raise Busy(path.parent, said(owner))
        time.sleep(0.2)
    _clear(path)
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(held, stop), daemon=True)
    beating.start()
    try:
        yield held
    finally:
        stop.set()
        beating.join()
        owner: dict[str, Any] | None = {}
        for _ in range(TRIES):  # a file system that stumbles is asked again: what is left here holds others up
            owner = _owner(path)
            if owner is None or owner:
                break
            time.sleep(0.1)
        if (owner or {}).get("token") == held.token:
            path.unlink(missing_ok=True)


def said(owner: dict[str, Any]) -> str:
    """The holder of a claim, in words."""
    return f"process {owner.get('process')} on {owner.get('host')}"


def alive(paths: list[Path]) -> dict[Path, str]:
    """The holders, in words, of those claims that are held by a process that lives.

    Where a holder cannot be asked, because it is on another machine, its next signs of life are waited for.
    """
    owners = {path: owner for path in paths if (owner := _owner(path)) is not None and not _gone(owner)}
    here = {path for path, owner in owners.items() if _local(owner)}
    signs, living = {path: _sign(path, owner) for path, owner in owners.items()}, {*here}
    deadline = time.monotonic() + 2.5 * BEAT
    while living != {*owners} and time.monotonic() < deadline:
        time.sleep(BEAT / 10)
        living |= {path for path, owner in owners.items() if _sign(path, owner) not in (None, signs[path])}
    return {path: said(owner) for path, owner in owners.items() if path in living}


def _create(path: Path, content: str) -> bool:
    """Make the file with its content at once, by linking a finished one to its name; False if there is one."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        draft.write_text(content)
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        draft.unlink(missing_ok=True)
    return True


def _clear(path: Path) -> None:
    """Remove the claims that processes of this machine were about to make when they were killed."""
    for draft in path.parent.glob(f".{path.name}.*"):
        owner = _owner(draft)
        if owner and _gone(owner):
            draft.unlink(missing_ok=True)


def _owner(path: Path) -> dict[str, Any] | None:
    """The holder; None if there is no claim, nothing in it if it cannot be read."""
    try:
        owner = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


@cache
def _machine() -> str:
    """The host, its present start and, in a container, the container: where the number of a process means the same."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def _local(owner: dict[str, Any]) -> bool:
    return owner.get("machine") == _machine() and isinstance(owner.get("process"), int)


def _gone(owner: dict[str, Any]) -> bool:
    """True if a holder is known to have ended, be it that nobody has asked for its exit status yet."""
    if not _local(owner):
        return False
    try:
        os.kill(owner["process"], 0)
        return Path(f"/proc/{owner['process']}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except (OSError, IndexError):
        return False


# The last sign of life of each claim, and when it was first seen, by our watch.
_seen: dict[Path, tuple[Any, float]] = {}


def _silence(path: Path, owner: dict[str, Any]) -> float:
    """The seconds for which this process has known the last sign of life of a claim."""
    sign, now = _sign(path, owner), time.monotonic()
    if path not in _seen or _seen[path][0] != sign:
        _seen[path] = sign, now
    return now - _seen[path][1]


def _sign(path: Path, owner: dict[str, Any]) -> Any:
    """The part of a claim that every beat changes; None if it is gone. An opened file is looked at anew on any NFS."""
    try:
        with path.open("rb") as file:
            return owner.get("token"), os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None


def _remove(path: Path, owner: dict[str, Any]) -> None:
    """Take a dead holder's file away, unless somebody else has claimed in between."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    if (_owner(aside) or {}).get("token") != owner.get("token"):
        with contextlib.suppress(FileExistsError):  # a living holder's: back to its place
            os.link(aside, path)
    aside.unlink(missing_ok=True)


def _beat(held: Claim, stop: threading.Event) -> None:
    """Change the file's time while the claim is ours; a file system that stumbles is tried again."""
    while not stop.wait(BEAT):
        owner = _owner(held.path)
        if owner is None or owner.get("token", held.token) != held.token:
            return
        with contextlib.suppress(OSError):
            os.utime(held.path)


__all__ = ["Busy", "Claim", "Lost", "alive", "claim", "said"]
