"""Linear memory capacity: how many past inputs a linear readout can recover from the outputs of a cell."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell
from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, register
from gru_lab.recurrence import unroll
from gru_lab.recurrence.checks import check_params
from gru_lab.schema import Count, Positive, Size, UserError
from gru_lab.typing import Array, Float, Key, Params

CHANCE = 15.1  # N r^2 of N independent pairs is above this once in ten thousand (chi-square, one degree)


class Capacity(NamedTuple):
    """The memory capacity and its parts.

    Attributes:
        capacity: the sum of `recalled`, ().
        recalled: the squared correlation between the input `lag` steps back and what the readout gives for it, (lags,).
    """

    capacity: Array
    recalled: Array


def memory_capacity(
    cell: Cell,
    params: Params,
    key: Key,
    inputs: int = 1,
    *,
    lags: int | None = None,
    steps: int | None = None,
    washout: int | None = None,
    amplitude: float = 1.0,
    ridge: float = 1e-6,
) -> Capacity:
    """The linear memory capacity of a cell that is driven by white noise.

        MC = sum_k r^2(u_{t-k}, w_k . h_t + b_k),    u ~ U(-amplitude, amplitude) i.i.d.,    k = 0, 1, ..., lags - 1

    Lag 0 is the input of the last step, so that a delay line of H units has capacity H. w_k and b_k are fitted by
    ridge regression on the first half of the steps; r is measured on the second. A correlation that chance alone
    exceeds once in ten thousand lags counts as zero. At most as large as the number of outputs, which a linear cell
    can reach.

    Args:
        cell: the cell; a linear readout sees `cell.read` of its state.
        params: its parameters.
        key: draws the noise.
        inputs: the number of inputs of the cell; all of them get the same u_t.
        lags: the number of lags; twice the outputs if None.
        steps: the number of steps in both halves together; 40 times the outputs, at least 4000, if None.
        washout: steps before those, in which the first state is forgotten; `lags` if None or less.
        amplitude: of the noise; a small one asks for the memory of the cell linearised about its fixed point.
        ridge: the penalty, relative to the variance of the outputs.

    Raises:
        UserError: if half of the steps are not more than lags and outputs, or parameters are not finite.

    Source: Jaeger 2001, Short term memory in echo state networks, GMD report 152, where lags begin at 1; the level
    of chance: Dambre et al. 2012, Scientific Reports 2:514, supplement.

    >>> from gru_lab import cells
    >>> cell = cells.RNN(hidden=8)
    >>> params = cell.init(jax.random.key(0), inputs=1)
    >>> memory = memory_capacity(cell, params, jax.random.key(1), lags=16, steps=400, amplitude=0.1)
    >>> memory.recalled.shape, bool(0 < memory.capacity <= 8)
    ((16,), True)
    """
    check_params(params)
    outputs = int(jax.eval_shape(lambda p: cell.read(cell.initial_state(p)), params).size)
    lags = 2 * outputs if lags is None else lags
    steps = max(4000, 40 * outputs) if steps is None else steps
    before = lags if washout is None else max(lags, washout)
    if steps // 2 <= max(lags, outputs + 1):
        least = 2 * max(lags, outputs + 1) + 2
        raise UserError(f"steps is {steps}: it must be at least {least}, for {lags} lags and {outputs} outputs")
    sizes = {"inputs": inputs, "lags": lags, "steps": steps, "washout": before}
    return _memory_capacity(params, key, jnp.asarray(amplitude), jnp.asarray(ridge), cell=cell, **sizes)


@partial(jax.jit, static_argnames=("cell", "inputs", "lags", "steps", "washout"))
def _memory_capacity(
    params: Params,
    key: Key,
    amplitude: Any,
    ridge: Any,
    *,
    cell: Cell,
    inputs: int,
    lags: int,
    steps: int,
    washout: int,
) -> Capacity:
    dtype = jnp.result_type(*(leaf.dtype for leaf in jax.tree.leaves(params)))
    noise_T = jax.random.uniform(key, (washout + steps,), dtype, -1, 1)
    xs = jnp.broadcast_to(amplitude.astype(dtype) * noise_T[None, :, None], (1, washout + steps, inputs))
    hs_NO = unroll(cell, params, xs)[1][0, washout:]
    now_N = washout + jnp.arange(steps)
    wanted_NL = noise_T[now_N[:, None] - jnp.arange(lags)]
    half = steps // 2
    mean_O, spread_O = hs_NO[:half].mean(0), hs_NO[:half].std(0)
    X = (hs_NO - mean_O) / jnp.where(spread_O > 0, spread_O, 1)
    weights_OL = _ridge(X[:half], wanted_NL[:half] - wanted_NL[:half].mean(0), ridge.astype(dtype))
    recalled_L = _recalled(X[half:] @ weights_OL, wanted_NL[half:])
    return Capacity(recalled_L.sum(), recalled_L)


def _ridge(X: Float[Array, "N O"], Y: Float[Array, "N L"], ridge: Array) -> Float[Array, "O L"]:
    """Argmin |X w - y|^2 / N + ridge |w|^2: by the singular values of X, whose squares lose half of the digits."""
    U, s, Vt = jnp.linalg.svd(X, full_matrices=False)
    smallest = s[0] * jnp.finfo(X.dtype).eps * X.shape[0]  # a direction that is rounding must not be read
    shrunk = jnp.where(s > smallest, s / (s**2 + ridge * X.shape[0]), 0)
    return Vt.T @ (shrunk[:, None] * (U.T @ Y))


def _recalled(read_NL: Array, wanted_NL: Array) -> Float[Array, " L"]:
    """The squared correlations, zero where they are within chance."""
    read_NL, wanted_NL = (a - a.mean(0) for a in (read_NL, wanted_NL))
    norms_L = jnp.linalg.norm(read_NL, axis=0) * jnp.linalg.norm(wanted_NL, axis=0)
    r_L = (read_NL * wanted_NL).sum(0) / jnp.where(norms_L > 0, norms_L, 1)
    return jnp.where(r_L**2 * read_NL.shape[0] > CHANCE, jnp.minimum(r_L**2, 1), 0)


@register("memory_capacity")
@dataclass(frozen=True, kw_only=True)
class MemoryCapacity(Diagnostic):
    """`capacity` () and `recalled` (lags,), of white noise instead of the layer's inputs.

    Attributes:
        lags: the number of lags.
        steps: the number of steps of noise, half of them to fit the readout.
        amplitude: of the noise.
        seed: of the noise.
    """

    lags: Size = 100
    steps: Size = 4000
    amplitude: Positive = 1.0
    seed: Count = 0

    def measure(self, layer: Layer) -> dict[str, Array]:
        """See `Diagnostic.measure`."""
        options = {"lags": self.lags, "steps": self.steps, "amplitude": self.amplitude}
        key = jax.random.key(self.seed)
        return memory_capacity(layer.cell, layer.params, key, layer.xs.shape[-1], **options)._asdict()
