"""What a fresh or trained cell does to gradients and memories: pure functions of arrays, one file each."""

from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, create, get, name_of, names, register
from gru_lab.diagnostics.gates import Gates, chrono_time_scales, gate_values, saturation, time_scales
from gru_lab.diagnostics.gradient_flow import GradientFlow, gradient_flow
from gru_lab.diagnostics.lyapunov import (
    Lyapunov,
    Spectrum,
    exponents,
    growth,
    kaplan_yorke,
    lyapunov_spectrum,
    spectrum_of_map,
)

__all__ = [
    "Diagnostic",
    "Gates",
    "GradientFlow",
    "Layer",
    "Lyapunov",
    "Spectrum",
    "chrono_time_scales",
    "create",
    "exponents",
    "gate_values",
    "get",
    "gradient_flow",
    "growth",
    "kaplan_yorke",
    "lyapunov_spectrum",
    "name_of",
    "names",
    "register",
    "saturation",
    "spectrum_of_map",
    "time_scales",
]
