"""What all tests share: programs that compile quickly, and two devices on the CPU."""

import os
import sys
import tempfile

# Compiling is what the tests wait for: less optimisation, and programs that several commands share are compiled
# once. The numbers stay the same to rounding. To be set before JAX is imported; the commands' processes inherit them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="gru-lab-tests-"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)


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
