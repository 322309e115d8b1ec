"""What a fresh or trained cell does to gradients and memories: pure functions of arrays, one file each."""

from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, create, get, name_of, names, register
from gru_lab.diagnostics.gates import Gates, chrono_time_scales, gate_values, saturation, time_scales
from gru_lab.diagnostics.gradient_flow import GradientFlow, gradient_flow

__all__ = [
    "Diagnostic",
    "Gates",
    "GradientFlow",
    "Layer",
    "chrono_time_scales",
    "create",
    "gate_values",
    "get",
    "gradient_flow",
    "name_of",
    "names",
    "register",
    "saturation",
    "time_scales",
]
