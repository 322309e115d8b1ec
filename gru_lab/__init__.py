"""GRU Lab: recurrent cells compared honestly, in JAX and Flax."""

from gru_lab import cells
from gru_lab.recurrence import unroll
from gru_lab.schema import UserError

__all__ = ["UserError", "cells", "unroll"]
__version__ = "0.1.0"
