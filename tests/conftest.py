"""What all tests share: programs that compile quickly, and two devices on the CPU."""

import os
import tempfile

# Compiling is what the tests wait for: less optimisation, and programs that several commands share are compiled
# once. The numbers stay the same to rounding. To be set before JAX is imported; the commands' processes inherit them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="gru-lab-tests-"))
os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)


@pytest.fixture
def float64():
    """Arrays made in the test are float64."""
    with jax.enable_x64(True):
        yield
