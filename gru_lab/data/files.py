"""Files that the user brings: the place where they are looked for, and the check of their content.

`GRU_LAB_DATA` names the folder (`paths.manual_dir` on a command line does the same). A data set has a folder of its own
in it, as in `mnist/train-images-idx3-ubyte.gz`; its files may also lie in the folder itself. The content of a file is
held against the size and SHA-256 of the published one. A `SHA256SUMS` beside the files, as `sha256sum` writes it, takes
the place of the published digests for the files that it lists: so says whoever brings a variant of a set.
"""

import hashlib
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gru_lab.archives import MOST, gunzip
from gru_lab.errors import UserError, listed, nearest

FOLDER = "GRU_LAB_DATA"
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class File:
    """A file of a data set: its name, the bytes and the SHA-256 of its content, and where it can be downloaded.

    The content of a `.gz` that is not a `.tar.gz` is what it unpacks to: compressing again changes nothing of it.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    url: str | None = None

    @property
    def packed(self) -> bool:
        """True if the content is compressed."""
        return self.name.endswith(".gz") and not self.name.endswith(".tar.gz")


def manual_dir() -> Path | None:
    """The folder of the files that the user brought; None if there is none."""
    name = os.environ.get(FOLDER)
    return Path(name).expanduser() if name else None


def bring(folder: str | Path) -> None:
    """Look for files in a folder from now on, in this process and those that it starts.

    Raises:
        UserError: if there is no such folder.
    """
    path = Path(folder).expanduser().absolute()
    if not path.is_dir():
        raise UserError(f"paths.manual_dir is {str(folder)!r}: there is no such folder")
    os.environ[FOLDER] = str(path)


def brought(folder: str, files: Iterable[File]) -> dict[str, Path] | None:
    """The files of a data set by name, from the user's folder; None if none of them is there.

    Raises:
        UserError: if some are there and others are missing.
    """
    base = manual_dir()
    if base is None:
        return None
    files = tuple(files)
    for place in (base / folder, base):
        there = {file.name: place / file.name for file in files if (place / file.name).is_file()}
        missing = [file.name for file in files if file.name not in there]
        if there and missing:
            raise UserError(f"{place} holds {listed(there)} and lacks {listed(missing)}: put all of them there")
        if there:
            return there
    return None


def user_file(path: Path, what: str) -> Path:
    """A file of the user's: an absolute path, or one from the working folder or the folder of brought files.

    Raises:
        UserError: if there is no such file.
    """
    base = manual_dir()
    places = [path.expanduser(), *([base / path] if base else [])]
    for place in places:
        if place.is_file():
            return place
    beside = [each.name for place in places if place.parent.is_dir() for each in place.parent.iterdir()]
    where = listed(str(place) for place in places)
    raise UserError(
        f"{what} is {str(path)!r}: there is no file {where}; give its path, or put it into the folder that {FOLDER} "
        f"names.{nearest(path.name, beside)}"
    )


def content(path: Path, file: File) -> bytes:
    """The content of a file, unpacked and checked.

    Raises:
        UserError: if it cannot be read, is damaged, or is another file than the published one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if not data:
        raise UserError(f"{path} is empty: bring the file again")
    sums, packed = _sums(path.parent / SUMS), data
    if file.packed:
        try:
            most = MOST if file.size is None or path.name in sums else 2 * file.size
            data = gunzip(data, str(path), most)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path} ({len(data):,} bytes) is damaged or cut short: {error}; bring it again") from None
    if path.name in sums:
        if (digest := hashlib.sha256(packed).hexdigest()) != sums[path.name]:
            raise UserError(f"{path} has the SHA-256 {_short(digest)} where {SUMS} has {_short(sums[path.name])}")
        return data
    again = f"bring it again, or list a variant of your own in a {SUMS} beside it"
    if file.size is not None and len(data) != file.size:
        raise UserError(f"{path} holds {len(data):,} bytes where the published file holds {file.size:,}: {again}")
    if file.sha256 is not None and (digest := hashlib.sha256(data).hexdigest()) != file.sha256:
        raise UserError(
            f"{path} has the SHA-256 {_short(digest)} where the published content has {_short(file.sha256)}: {again}"
        )
    return data


def _short(digest: str) -> str:
    return f"{digest[:16]}..."


def _sums(path: Path) -> dict[str, str]:
    """The digests that a `SHA256SUMS` lists, by name; empty without one."""
    if not path.is_file():
        return {}
    pairs = [line.split(maxsplit=1) for line in path.read_text("utf-8").splitlines() if line.strip()]
    if any(len(pair) != 2 or len(pair[0]) != 64 for pair in pairs):
        raise UserError(f"{path} is not a list of SHA-256 digests and names, as sha256sum writes it")
    return {name.lstrip("*"): digest.lower() for digest, name in pairs}


def text_of(data: bytes, path: Path) -> str:
    """Bytes as text in UTF-8, with one kind of line end.

    Raises:
        UserError: if they are in another encoding.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8; convert the file"
        ) from None
    return text.replace("\r\n", "\n")
