"""Diagnostics of a fresh or trained cell, of its gradients and its memory: pure functions of arrays, one file each."""

from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, Whole, create, get, name_of, names, register
from gru_lab.diagnostics.gates import Gates, chrono_time_scales, gate_values, saturation, time_scales
from gru_lab.diagnostics.gradient_flow import (
    GradientFlow,
    decay_rate,
    gradient_flow,
    horizon,
    input_gradient_flow,
    stack_gradient_flow,
)
from gru_lab.diagnostics.jacobian import Jacobian, log_singular_values, log_spectral_norms
from gru_lab.diagnostics.lyapunov import (
    Lyapunov,
    Spectrum,
    exponents,
    growth,
    kaplan_yorke,
    lyapunov_spectrum,
    spectrum_of_map,
)
from gru_lab.diagnostics.memory_capacity import Capacity, MemoryCapacity, memory_capacity
from gru_lab.diagnostics.newton import Newton, newton
from gru_lab.diagnostics.sensitivity import (
    Sensitivity,
    loss_sensitivity,
    one_unit_sensitivity,
    state_sensitivity,
)

__all__ = [
    "Capacity",
    "Diagnostic",
    "Gates",
    "GradientFlow",
    "Jacobian",
    "Layer",
    "Lyapunov",
    "MemoryCapacity",
    "Newton",
    "Sensitivity",
    "Spectrum",
    "Whole",
    "chrono_time_scales",
    "create",
    "decay_rate",
    "exponents",
    "gate_values",
    "get",
    "gradient_flow",
    "growth",
    "horizon",
    "input_gradient_flow",
    "kaplan_yorke",
    "log_singular_values",
    "log_spectral_norms",
    "loss_sensitivity",
    "lyapunov_spectrum",
    "memory_capacity",
    "name_of",
    "names",
    "newton",
    "one_unit_sensitivity",
    "register",
    "saturation",
    "spectrum_of_map",
    "stack_gradient_flow",
    "state_sensitivity",
    "time_scales",
]
