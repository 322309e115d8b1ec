"""What all tests share: programs that compile quickly, two devices on the CPU, and data sets of a few examples."""

import gc
import itertools
import os
import sys
import tempfile
from pathlib import Path

# Compiling is what the tests wait for: less optimisation, and programs that several commands share are compiled
# once. The numbers stay the same to rounding. To be set before JAX is imported; the commands' processes inherit them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="gru-lab-tests-"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import pytest
import specimens

jax.config.update("jax_num_cpu_devices", 2)

specimens.install()

SENTENCES = os.environ.get("GRU_LAB_ERRORS")  # a folder: every error of a user's that a test provokes is kept there


@pytest.fixture(autouse=SENTENCES is not None)
def _kept_sentences(request):
    """Keep the sentences of a test, with the line of ours that raised each; see `scripts/errors.py`."""
    import json

    from gru_lab.errors import UserError

    made, ours = UserError.__init__, str(Path(__file__).parents[1] / "gru_lab")
    with (Path(SENTENCES) / f"{os.getpid()}.jsonl").open("a") as file:

        def keep(self, *arguments):
            frame = sys._getframe(1)
            while frame.f_code.co_name in ("refuse", "__init__") and frame.f_back is not None:
                frame = frame.f_back
            if frame.f_code.co_filename.startswith(ours) and arguments:
                place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                file.write(json.dumps([place, str(arguments[0]), request.node.nodeid]) + "\n")
            made(self, *arguments)

        UserError.__init__ = keep
        yield
        UserError.__init__ = made


PROGRAMS = Path("/proc/self/maps")  # on Linux: about thirty lines per compiled program that is kept
MOST = 20_000  # lines; the system allows a process 65,530, and then its next program kills it
ENDED = itertools.count()  # tests; to count the lines takes milliseconds, so every tenth does


def pytest_runtest_teardown(nextitem):
    """Forget compiled programs before there are more than a process can hold."""
    if next(ENDED) % 10 or nextitem is None or not PROGRAMS.exists():
        return
    if PROGRAMS.read_bytes().count(b"\n") > MOST:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def real_data(tmp_path, monkeypatch):
    """The folder of the real sets, which is where the test's tasks look; nothing is written into it."""
    folder = os.environ["GRU_LAB_REAL_DATA"]
    if not folder:
        pytest.skip("no real data: neither GRU_LAB_DATA nor ../shared/data is there")
    monkeypatch.setenv("GRU_LAB_DATA", folder)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return Path(folder)


@pytest.fixture
def float64():
    """Arrays made in the test are float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the user's, whose modules are forgotten after the test."""
    from gru_lab import outside

    before = {*sys.modules}
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in {*sys.modules} - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
            outside._loaded.pop(name, None)
