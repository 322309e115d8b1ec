"""Errors of disks are sentences, and what else goes wrong is not taken for one."""

import errno
import os

import pytest

from gru_lab import UserError
from gru_lab.runs.files import DiskFault, DiskFull, disk_errors, unwritable, write_atomically


def failed(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "kind", "sentence"),
    [
        (errno.ENOSPC, DiskFull, "the disk of runs/x is full: make room; nothing is lost, and the same command goes"),
        (errno.EDQUOT, DiskFull, "is full: make room"),
        (errno.EIO, DiskFault, "a file in runs/x cannot be read or written: Input/output error; look at the disk; no"),
        (errno.EFBIG, DiskFault, "File too large; raise the limit on the size of files .ulimit -f.; nothing is lost"),
        (errno.EROFS, DiskFault, "Read-only file system; make the file system writable"),
        (errno.EMFILE, DiskFault, "Too many open files; raise the limit on open files"),
    ],
)
def test_a_fault_of_the_disk_is_one_sentence(number, kind, sentence):
    with pytest.raises(kind, match=sentence), disk_errors("runs/x"):
        raise failed(number)
    with pytest.raises(kind, match=sentence.replace("a file in runs/x", "runs/x").replace("read or ", "")):
        raise unwritable("runs/x", failed(number))
    with pytest.raises(kind if kind is DiskFull else UserError), disk_errors("runs/x"):
        raise UserError("the report cannot be written") from failed(number)


def test_other_errors_stay_what_they_are():
    for error in (failed(errno.ENOENT), KeyError("x"), UserError("a mistake")):
        with pytest.raises(type(error)) as raised, disk_errors("runs/x"):
            raise error
        assert raised.value is error


def test_a_letter_that_no_encoding_has_is_written_as_an_escape(tmp_path):
    write_atomically(tmp_path / "failure.txt", "no file \udcff.txt")
    assert (tmp_path / "failure.txt").read_text("utf-8") == r"no file \udcff.txt"
