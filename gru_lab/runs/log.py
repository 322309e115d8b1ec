"""A file of JSON lines that only grows, and marks to which it can go back."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from gru_lab.errors import UserError
from gru_lab.runs.files import unreadable, write_atomically
from gru_lab.runs.record import finite

Line = dict[str, Any]
Mark = list[Any]  # size in bytes, SHA-256 of so much of the file
EMPTY: Mark = [0, hashlib.sha256().hexdigest()]


class Log:
    """Appends lines and knows the mark of what it holds; what a checkpoint was taken with is named by a mark."""

    def __init__(self, path: Path) -> None:
        self.path = path
        content = path.read_bytes() if path.exists() else b""
        self._digest, self._size = hashlib.sha256(content), len(content)

    @property
    def mark(self) -> Mark:
        """The whole file as it is now."""
        return [self._size, self._digest.hexdigest()]

    def append(self, line: Line) -> None:
        """Add one line; it is on the disk for certain only after `sync`."""
        data = (json.dumps(finite(line), allow_nan=False) + "\n").encode()
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("ab") as file:
            file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def sync(self) -> None:
        """Wait until the disk has all lines."""
        if self._size:
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    def rewind(self, mark: Mark) -> bool:
        """Cut off what came after a mark; False if what came before is no longer as it was."""
        content = self.path.read_bytes()[: mark[0]] if self.path.exists() else b""
        if [len(content), hashlib.sha256(content).hexdigest()] != list(mark):
            return False
        if self._size != mark[0]:
            write_atomically(self.path, content)
        self._digest, self._size = hashlib.sha256(content), len(content)
        return True


def read_lines(path: Path) -> list[Line]:
    """The lines of a log.

    Raises:
        UserError: if the file is missing, or a line of it is not whole.
    """
    lines: list[Line] = []
    try:
        texts = path.read_text("utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from None
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if not text.endswith("\n") or not isinstance(line, dict) or "update" not in line:
            raise UserError(f"{path} is not whole: line {number} cannot be read")
        lines.append(line)
    return lines
