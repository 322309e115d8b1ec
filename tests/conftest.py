"""What all tests share: two devices on the CPU, and small networks."""

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)


@pytest.fixture
def float64():
    """Arrays made in the test are float64."""
    with jax.enable_x64(True):
        yield
