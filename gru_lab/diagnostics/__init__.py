"""What a fresh or trained cell does to gradients and memories: pure functions of arrays, one file each."""

from gru_lab.diagnostics.gradient_flow import gradient_flow

__all__ = ["gradient_flow"]
