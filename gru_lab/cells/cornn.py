"""The oscillator networks coRNN (Rusch and Mishra 2021) and UnICORNN (2021)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell, register
from gru_lab.cells.initializers import SchemeName, gates
from gru_lab.schema import NonNegative, Positive
from gru_lab.typing import Array, Float, Key, Params


@register("cornn")
@dataclass(frozen=True, kw_only=True)
class CoRNN(Cell):
    """Coupled oscillators: the state is the position y and the speed z of driven, damped oscillators.

        z' = z + dt (tanh(x W_y + y U_y + z V_y + b_y) - gamma y - epsilon z)
        y' = y + dt z'

    A second-order differential equation whose energy is bounded: so are the states, and the gradients neither
    explode nor vanish exponentially. `damping="implicit"` takes z' for z in the damping term. State (y, z). dt,
    gamma and epsilon are chosen for each task: the default is the authors' for sequential MNIST.
    Shapes: x (inputs,), y and z (hidden,), W_y (inputs, hidden), U_y and V_y (hidden, hidden), b_y (hidden,).
    Source: Rusch & Mishra 2021, Coupled Oscillatory Recurrent Neural Network, arXiv:2010.00951, equation 3; code:
    tk-rusch/coRNN.

    Attributes:
        dt: the time step.
        gamma: the stiffness, the square of the oscillators' frequency.
        epsilon: the damping.
        damping: whether the damping term takes the speed before (`explicit`) or after the step.
        initializer: the scheme that draws W, U, V and b; `pytorch` is the authors' joint linear layer of x, y and
            z, everything from U(-1, 1) / sqrt(inputs + 2 hidden).
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"

    dt: Positive = 0.042
    gamma: NonNegative = 2.7
    epsilon: NonNegative = 4.7
    damping: Literal["explicit", "implicit"] = "explicit"
    initializer: SchemeName = "pytorch"

    def init(self, key: Key, inputs: int) -> Params:
        """W_y, U_y, b_y and V_y."""
        (V,) = gates(self.initializer, jax.random.fold_in(key, 1), "", inputs, self.hidden, U="y").values()
        params = gates(self.initializer, key, "y", inputs, self.hidden) | {"V_y": V}
        joint = (self.hidden / (inputs + 2 * self.hidden)) ** 0.5 if self.initializer == "pytorch" else 1.0
        return {name: joint * p for name, p in params.items()}

    def initial_state(self, params: Params) -> Any:
        """Zeros for y and z."""
        zeros = super().initial_state(params)
        return zeros, zeros

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (y, z) = params, state
        force = jnp.tanh(x @ p["W_y"] + y @ p["U_y"] + z @ p["V_y"] + p["b_y"]) - self.gamma * y
        if self.damping == "explicit":
            z = z + self.dt * (force - self.epsilon * z)
        else:
            z = (z + self.dt * force) / (1 + self.dt * self.epsilon)
        return y + self.dt * z, z

    def read(self, state: Any) -> Float[Array, " H"]:
        """The positions y."""
        return state[0]


@register("unicornn")
@dataclass(frozen=True, kw_only=True)
class UnICORNN(Cell):
    """Undamped independent oscillators: a Hamiltonian system stepped so that volume in state space is kept.

        s  = dt sigmoid(c)
        z' = z - s * (tanh(x W_y + u_y * y + b_y) + alpha y)
        y' = y + s * z'

    Each unit is its own oscillator with its own learned time step s; a symplectic step is invertible, so the
    paper trains it without stored states. State (y, z). dt and alpha are chosen for each task: the default is the
    authors' for permuted sequential MNIST.
    Shapes: x (inputs,), y and z (hidden,), W_y (inputs, hidden), u_y, b_y and c (hidden,).
    Source: Rusch & Mishra 2021, UnICORNN, arXiv:2103.05487; code: tk-rusch/unicornn, which draws W_y from
    U(-1, 1) sqrt(6 / (65 inputs)), u_y from U(0, 1), c from U(-0.1, 0.1), and begins b_y at 0.

    Attributes:
        dt: the longest time step.
        alpha: the stiffness.
    """

    witness: ClassVar[str] = "a: torchrecurrent 0.2.5"

    dt: Positive = 0.19
    alpha: NonNegative = 30.65

    def init(self, key: Key, inputs: int) -> Params:
        """W_y, b_y, u_y and c."""
        kW, ku, kc = jax.random.split(key, 3)
        edge = (6 / (65 * inputs)) ** 0.5
        return {
            "W_y": jax.random.uniform(kW, (inputs, self.hidden), minval=-edge, maxval=edge),
            "b_y": jnp.zeros(self.hidden),
            "u_y": jax.random.uniform(ku, (self.hidden,)),
            "c": jax.random.uniform(kc, (self.hidden,), minval=-0.1, maxval=0.1),
        }

    def initial_state(self, params: Params) -> Any:
        """Zeros for y and z."""
        zeros = super().initial_state(params)
        return zeros, zeros

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        p, (y, z) = params, state
        s = self.dt * sigmoid(p["c"])
        z = z - s * (jnp.tanh(x @ p["W_y"] + p["u_y"] * y + p["b_y"]) + self.alpha * y)
        return y + s * z, z

    def read(self, state: Any) -> Float[Array, " H"]:
        """The positions y."""
        return state[0]
