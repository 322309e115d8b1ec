"""Archives of others: read in memory and never unpacked to the disk, and no more of them than a size that is named.

So no path in an archive leads anywhere, and one that is made to unpack to a thousand times its size is refused.
"""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from gru_lab.errors import UserError

MOST = 2**34  # bytes to which an archive may unpack: the largest set that we know has a quarter of it
BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, ValueError)


def gunzip(data: bytes, name: str, most: int = MOST) -> bytes:
    """The content of a gzip file, of at most so many bytes.

    >>> gunzip(gzip.compress(b"words"), "words.gz")
    b'words'

    Raises:
        UserError: if it unpacks to more.
        OSError, EOFError, zlib.error: if it is damaged.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UserError(f"{name} ({len(data):,} bytes) unpacks to more than {most:,} bytes, and is not read further")
    return content


def tar_files(data: bytes, name: str, wanted: Callable[[str], object], most: int = MOST) -> Iterator[tuple[str, bytes]]:
    """Path and content of the wanted files of a tar archive; links and all that is not a file are passed over.

    Raises:
        UserError: if it is damaged, or its files have more than so many bytes together.
    """
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                total += max(member.size, 0)
                if total > most:
                    raise UserError(f"{name} ({len(data):,} bytes) unpacks to more than {most:,} bytes: it is not read")
                path = member.name.removeprefix("./")
                file = archive.extractfile(member) if member.isfile() and wanted(path) else None
                if file is not None:
                    yield path, file.read()
    except UserError:
        raise
    except BROKEN as error:
        said = " ".join(str(error).split())
        raise UserError(f"{name} ({len(data):,} bytes) is damaged or cut short: {said}") from None


def check_zip(path: Path, most: int = MOST) -> None:
    """Raise `UserError` for a zip archive whose files have more than so many bytes; any other file passes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            total = sum(each.file_size for each in archive.infolist())
        if total > most:
            raise UserError(f"{path} unpacks to {total:,} bytes, and at most {most:,} are read")


__all__ = ["MOST", "check_zip", "gunzip", "tar_files"]
