"""Random bytes and changed files for every reader: whatever is in a file, the answer is one sentence or its content.

`EXAMPLES=1000 scripts/test -m fuzz` searches longer. What was found is in `corpus/<reader>/`, which the default suite
reads; a new find is written there.
"""

import copy
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import READERS, Reader, survives, with_torch

CORPUS = Path(__file__).parent / "corpus"
EXAMPLES = int(os.environ.get("EXAMPLES", "100"))
TOKENS = [
    b"\xff\xfe",
    b"\x00",
    b"9" * 5000,
    b"[" * 3000,
    b"{",
    b"}",
    b"null",
    b"NaN",
    b"-1e999",
    b"1e308",
    b'"',
    b"\n",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\x1b[31m",
    b"$x^$",
    b",",
    b";",
    b"-1",
    b"0",
    b"4294967296",
    b"9223372036854775808",
    b"!!python/object/apply:os.system [true]",
    b"&a [*a]",
    b"PK\x03\x04",
    b"../../x",
    b"\r",
    b"\xe2\x80\xa8",
]
NESTED = 0
for _ in range(60):
    NESTED = [NESTED]
ODD = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 1, 10**30, -(10**30), 0.5, 1e308, "", "x", "\ud800", "\x1b[31m", "$x^$",
                     "[red]z[/red]", "<script>", "../..", [], {}, [[]], {"": None}, NESTED, "nan", "9" * 400]),
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
)  # fmt: skip


@st.composite
def changed(draw, whole):
    """A whole file after a few changes of its bytes."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        size = len(data)
        at = draw(st.integers(0, size))
        kind = draw(st.sampled_from(["flip", "cut", "drop", "twice", "token", "overwrite"]))
        more = draw(st.integers(1, 64))
        if kind == "flip" and at < size:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + more]
        elif kind == "twice":
            data[at:at] = data[at : at + more]
        elif kind == "token":
            data[at:at] = draw(st.sampled_from(TOKENS))
        elif kind == "overwrite":
            token = draw(st.sampled_from(TOKENS))
            data[at : at + len(token)] = token
    return bytes(data)


@st.composite
def changed_tree(draw, tree):
    """A value of JSON after a few changes of what is in it."""
    tree = {"": copy.deepcopy(tree)}
    for _ in range(draw(st.integers(1, 3))):
        place, key = tree, ""
        while isinstance(place[key], (dict, list)) and place[key] and draw(st.integers(0, 4)):
            place = place[key]
            key = (
                draw(st.sampled_from(sorted(place)))
                if isinstance(place, dict)
                else draw(st.integers(0, len(place) - 1))
            )
        kind = draw(st.sampled_from(["change", "change", "drop", "add"]))
        if kind == "drop" and place is not tree:
            del place[key]
        elif kind == "add" and isinstance(place[key], dict):
            place[key][draw(st.text(max_size=5))] = draw(ODD)
        else:
            place[key] = draw(ODD)
    return tree[""]


def inputs(reader: Reader):
    """The files that a reader is given."""
    whole = reader.whole()
    kinds = [changed(whole), changed(whole), st.binary(max_size=300)]
    if reader.tree:
        kinds += [changed_tree(json.loads(whole)).map(reader.written)] * 3
    return st.one_of(kinds)


def read(reader, data):
    """Read bytes in a folder of their own, in which nothing stays."""
    folder = Path(tempfile.mkdtemp(prefix="gru-lab-fuzz-"))
    try:
        survives(reader, data, folder)
    finally:
        shutil.rmtree(folder)


def skip_without_torch(name):
    if name == "pt" and not with_torch():
        pytest.skip("PyTorch is not installed: pip install 'gru-lab[parity]'")


def search(reader, examples, last):
    """Give files to a reader; the last one it was given stays in `last`."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs(reader))
    def try_all(data):
        last[:] = [data]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(reader, data)

    try_all()


@pytest.mark.fuzz
@pytest.mark.parametrize("careless", ["not JSON", "not UTF-8", "another shape"])
def test_a_planted_bug_is_found(careless):
    """A reader of lines that forgets one thing."""

    def careful(path):
        text = path.read_bytes().decode(errors="strict" if careless == "not UTF-8" else "replace")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            if careless == "not JSON":
                raise
            return None
        if careless == "another shape":
            return content["update"] + 1
        return content

    reader = Reader(lambda: b'{"update": 2, "train": {"loss": 1.5}}\n', careful, ".jsonl", tree=True)
    with pytest.raises((ValueError, TypeError, LookupError, RecursionError, ExceptionGroup)):
        search(reader, 200, [])


@pytest.mark.fuzz
@pytest.mark.parametrize("name", READERS)
def test_no_file_gives_a_traceback(name):
    skip_without_torch(name)
    last = []
    try:
        search(READERS[name], EXAMPLES, last)
    except BaseException:  # the smallest one that fails, which Hypothesis tries last
        folder = CORPUS / name.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{hashlib.sha256(last[0]).hexdigest()[:12]}.bin").write_bytes(last[0])
        raise


FOUND = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_was_found_once_is_read_or_refused(path):
    name = path.parent.name.replace("_", " ")
    skip_without_torch(name)
    read(READERS[name], path.read_bytes())
