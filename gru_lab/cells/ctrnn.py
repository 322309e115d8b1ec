"""The continuous-time recurrent network, solved with fixed steps."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import Positive, Size
from gru_lab.typing import Array, Float, Key, Params


@register("ctrnn")
@dataclass(frozen=True, kw_only=True)
class CTRNN(Cell):
    """Continuous-time RNN: a differential equation, solved by a few steps of a fixed size while an input is held.

        dh/dt = -h / tau + tanh(x W_h + h U_h + b_h)
        h'    = h + dt dh/dt,    unfolds times per input

    With `solver` rk4 the classical Runge-Kutta step stands in the second line. Without `leak` the equation is
    dh/dt = tanh(...), the neural ODE that is beside it in the same code.
    Shapes: x (inputs,), h (hidden,), W_h (inputs, hidden), U_h (hidden, hidden), b_h (hidden,).
    Source: Funahashi & Nakamura 1993, Approximation of Dynamical Systems by Continuous Time Recurrent Neural Networks;
    as run by Hasani et al. 2021, Liquid Time-constant Networks, arXiv:2006.04439, section 6; code:
    raminmh/liquid_time_constant_networks, where CTRNN takes `euler` with the leak and NODE `rk4` without it. CTRNN
    there sees its own state with global_feedback=True alone, as here.

    Attributes:
        dt: the size of a step of the solver.
        unfolds: the number of steps per input.
        tau: the time constant.
        leak: whether the state decays by itself.
        solver: the method of integration.
        initializer: the scheme that draws W, U and b.
    """

    witness: ClassVar[str] = (
        "c: raminmh/liquid_time_constant_networks/experiments_with_ltcs/ctrnn_model.py, CTRNN and NODE, at cfc6a1f"
    )
    drift: ClassVar[str] = "without a leak the state is an integral: it moves by up to dt unfolds per input"

    dt: Positive = 0.1
    unfolds: Size = 6
    tau: Positive = 1.0
    leak: bool = True
    solver: Literal["euler", "rk4"] = "euler"
    initializer: SchemeName = "glorot"

    def init(self, key: Key, inputs: int) -> Params:
        """W_h, U_h, b_h."""
        return gates(self.initializer, key, "h", inputs, self.hidden)

    def step(self, params: Params, state: Float[Array, " H"], x: Float[Array, " I"]) -> Float[Array, " H"]:
        """One input: `unfolds` steps of the solver."""
        p, h, dt = params, state, self.dt
        held = x @ p["W_h"] + p["b_h"]

        def slope(h: Array) -> Array:
            driven = jnp.tanh(held + h @ p["U_h"])
            return driven - h / self.tau if self.leak else driven

        for _ in range(self.unfolds):
            k1 = slope(h)
            if self.solver == "euler":
                h = h + dt * k1
                continue
            k2 = slope(h + dt / 2 * k1)
            k3 = slope(h + dt / 2 * k2)
            h = h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + slope(h + dt * k3))
        return h
