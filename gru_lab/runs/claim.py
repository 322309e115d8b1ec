"""Claims: who works on a run. An atomic lock file with a heartbeat, so that a killed process holds nothing for ever."""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gru_lab.errors import UserError

BEAT = 5.0  # seconds between two signs of life
SILENCE = 60.0  # seconds without one after which a claim is taken over


@contextmanager
def claim(
    path: Path, waiting: Callable[[str], None] = lambda owner: None, patience: float | None = None
) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    Another holder that lives is waited for, and named once to `waiting`; after `patience` seconds that is an error.
    A holder that has died is followed: at once where its process is known to be gone, else after a minute without a
    sign of life.

    Raises:
        UserError: if the holder has not finished in time, or the lock cannot be written.
    """
    token = uuid.uuid4().hex
    content = {"host": socket.gethostname(), "process": os.getpid(), "token": token}
    started, named = time.monotonic(), False
    while not _create(path, json.dumps(content)):
        owner = _owner(path)
        if owner is None:  # it was let go just now
            continue
        if _dead(path, owner):
            _remove(path, owner)
            continue
        who = f"process {owner.get('process')} on {owner.get('host')}"
        if not named:
            named = True
            waiting(who)
        if patience is not None and time.monotonic() - started > patience:
            raise UserError(f"{path.parent} is being worked on by {who}: wait for it, or stop it")
        time.sleep(0.2)
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, stop), daemon=True)
    beating.start()
    try:
        yield
    finally:
        stop.set()
        beating.join()
        if (_owner(path) or {}).get("token") == token:
            path.unlink(missing_ok=True)


def _create(path: Path, content: str) -> bool:
    """Make the file with its content at once, by linking a finished one to its name; False if there is one."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        draft.write_text(content)
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    return True


def _owner(path: Path) -> dict | None:
    try:
        owner = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _dead(path: Path, owner: dict) -> bool:
    process = owner.get("process")
    if owner.get("host") == socket.gethostname() and isinstance(process, int) and process != os.getpid():
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
    try:
        # The file system's own clock on both sides: other machines' clocks may differ.
        probe = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        return now - path.stat().st_mtime > SILENCE
    except FileNotFoundError:
        return False


def _remove(path: Path, owner: dict) -> None:
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


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(BEAT):
        try:
            os.utime(path)
        except OSError:
            return
