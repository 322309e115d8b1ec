"""Archives of others: no path of theirs is followed, and none fills the memory."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest

from gru_lab import UserError, convert
from gru_lab.archives import check_zip, gunzip, tar_files
from gru_lab.convert import files as weights
from gru_lab.data import files, speech


def archive_of(*members):
    """A tar archive: of names with bytes, or of names with what they link to."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def test_paths_that_lead_out_are_names_and_links_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    links = [("link.wav", "/etc/passwd"), ("loop.wav", "loop.wav"), ("lost.wav", "nowhere")]
    evil = archive_of(("../../out.wav", b"a"), ("/etc/out.wav", b"b"), *links)
    assert dict(tar_files(evil, "evil.tar.gz", lambda path: True)) == {"../../out.wav": b"a", "/etc/out.wav": b"b"}
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="holds no recording"):
        list(speech._read_digits({"evil.tar.gz": archive_of(("0_ann_0.wav", "/etc/passwd"))})["train"])


def test_a_bomb_is_refused_by_its_size():
    zeros = bytes(2_000_000)
    packed = gzip.compress(zeros)
    assert len(packed) < 3000 and gunzip(packed, "zeros.gz", most=2_000_000) == zeros
    with pytest.raises(UserError, match=r"zeros.gz \([\d,]+ bytes\) unpacks to more than 1,999,999 bytes"):
        gunzip(packed, "zeros.gz", most=1_999_999)
    tar = archive_of(("a.bin", zeros), ("b.bin", zeros))
    assert len(list(tar_files(tar, "b.tar.gz", lambda path: True, most=4_000_000))) == 2
    with pytest.raises(UserError, match=r"b.tar.gz .* unpacks to more than 3,999,999 bytes: it is not read"):
        list(tar_files(tar, "b.tar.gz", lambda path: False, most=3_999_999))


def test_a_published_file_is_unpacked_to_twice_its_size_at_most(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(bytes(1000)))
    with pytest.raises(UserError, match="unpacks to more than 800 bytes"):
        files.content(path, files.File("images.gz", size=400))


@pytest.mark.parametrize("ending", [".npz", ".h5", ".keras", ".zip"])
def test_weights_are_unpacked_to_a_named_size_at_most(ending, tmp_path, monkeypatch):
    path = tmp_path / f"w{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", bytes(1_000_000))
        with pytest.raises(UserError, match="unpacks to 1,000,000 bytes, and at most 10 are read"):
            check_zip(path, 10)
        return
    h5py = pytest.importorskip("h5py") if ending in (".h5", ".keras") else None
    monkeypatch.setattr(weights, "MOST", 100_000)
    if ending == ".npz":
        np.savez_compressed(path, w=np.zeros(250_000, np.float32))
    else:
        inner = path.with_suffix(".h5")
        with h5py.File(inner, "w") as file:
            file.create_dataset("w", data=np.zeros(250_000, np.float32), compression="gzip")
        if ending == ".keras":
            with zipfile.ZipFile(path, "w") as archive:
                archive.write(inner, "model.weights.h5")
    assert path.stat().st_size < 20_000
    with pytest.raises(UserError, match=r"unpacks to 1,000,\d+ bytes, and at most 100,000 are read"):
        convert.read(path)
