"""The end-to-end Jacobian dh_T/dh_t: the effect of a state far back on the last state, whatever the loss."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.cells import Cell, name_of
from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, register
from gru_lab.diagnostics.dynamics import Step, counted, held, jacobians, products, real_map, size
from gru_lab.diagnostics.gradient_flow import horizon, slope
from gru_lab.recurrence.checks import check_lengths, check_params
from gru_lab.schema import Size, UserError, checked
from gru_lab.typing import Array, Float, Int, Params

LARGEST = 512  # real numbers of a state whose Jacobians are multiplied out
ITERATIONS = 1000
Scan = Literal["sequential", "associative"]


def log_singular_values(
    cell: Cell,
    params: Params,
    xs: Float[Array, "B T I"],
    lengths: Int[Array, " B"] | None = None,
    k: int | None = None,
    *,
    scan: Scan = "sequential",
) -> Float[Array, "B T K"]:
    """The logarithms of the singular values of dh_T/dh_{T-lag}, the largest first; entry [b, lag].

    h is the whole recurrent state as real numbers and T each sequence's last step; lags longer than the sequence are
    NaN. The product of the steps' Jacobians is carried backwards with its scale kept apart, so that no lag underflows
    and all lags together cost T steps: one vector-Jacobian product and one decomposition per step. A value below
    the first by more than the precision of the numbers is rounding. With k only the k largest are returned.
    With `scan="associative"` all products are made at once, in O(log T) matrix products one after the other: more work,
    and memory for a matrix per step.

    Raises:
        UserError: if the state has more than 512 numbers (use `log_spectral_norms`), k or a length does not fit, or
            parameters are not finite.

    >>> from gru_lab import cells
    >>> cell = cells.LeakyRNN(hidden=4)
    >>> logs = log_singular_values(cell, cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 10, 3)), k=2)
    >>> logs.shape, bool(jnp.allclose(logs[:, 0], 0, atol=1e-6))  # at lag 0 the Jacobian is the identity
    ((2, 10, 2), True)
    """
    checked("scan", scan, Scan)
    check_params(params)
    check_lengths(lengths, *xs.shape[:2])
    numbers = size(cell, params)
    if numbers > LARGEST:
        raise UserError(
            f"the state of cell {name_of(cell)!r} has {numbers} numbers, too many for all singular values "
            f"(at most {LARGEST}): ask for log_spectral_norms at chosen lags, which is the k = 1 largest"
        )
    if k is not None and not 1 <= k <= numbers:
        raise UserError(f"k is {k}: it must be 1 to {numbers}, the numbers in the state of cell {name_of(cell)!r}")
    return _log_singular_values(params, xs, lengths, cell=cell, k=numbers if k is None else k, scan=scan)


@partial(jax.jit, static_argnames=("cell", "k", "scan"))
def _log_singular_values(params: Params, xs: Array, lengths: Array | None, *, cell: Cell, k: int, scan: Scan) -> Array:
    step, first_D = real_map(cell, params)
    step = held(step)
    xs, counts_BT = counted(xs, lengths)

    def sequence(xs_TI: Array, counts_T: Array) -> Array:
        inputs = (xs_TI, counts_T)

        def back(carry: Any, at: Any) -> tuple[Any, Array]:
            product_DD, scale = carry
            state_D, x = at
            values_K = jnp.log(jnp.linalg.svd(product_DD, compute_uv=False)[:k]) + scale
            _, pull = jax.vjp(lambda s: step(s, x), state_D)
            product_DD = jax.vmap(lambda row: pull(row)[0])(product_DD)
            largest = jnp.max(jnp.abs(product_DD))
            unit = jnp.where(largest > 0, largest, 1)
            return (product_DD / unit, scale + jnp.log(unit)), values_K

        start = jnp.eye(first_D.size, dtype=first_D.dtype), jnp.zeros((), first_D.dtype)
        return lax.scan(back, start, (_befores(step, first_D, inputs), inputs), reverse=True)[1]

    def at_once(xs_TI: Array, counts_T: Array) -> Array:
        J_TDD = jacobians(step, first_D, (xs_TI, counts_T))
        behind_TDD = jnp.concatenate([J_TDD[1:], jnp.eye(first_D.size, dtype=first_D.dtype)[None]])
        units_TDD, scales_T = products(behind_TDD, reverse=True)
        return jnp.log(jnp.linalg.svd(units_TDD, compute_uv=False)[:, :k]) + scales_T[:, None]

    # entry t of the scan belongs to the state after step t, as the steps from T back to t + 1 lie behind it
    values_BTK = jax.vmap(sequence if scan == "sequential" else at_once)(xs, counts_BT)
    last_B = counts_BT.sum(axis=1) - 1
    steps_BT = last_B[:, None] - jnp.arange(xs.shape[1])
    taken = jnp.take_along_axis(values_BTK, jnp.maximum(steps_BT, 0)[..., None], axis=1)
    return jnp.where((steps_BT >= 0)[..., None], taken, jnp.nan)


def log_spectral_norms(
    cell: Cell,
    params: Params,
    xs: Float[Array, "B T I"],
    lags: tuple[int, ...],
    lengths: Int[Array, " B"] | None = None,
    tolerance: float | None = None,
) -> Float[Array, "B L"]:
    """The logarithms of the spectral norms of dh_T/dh_{T-lag} at chosen lags, for a state of any size.

        v <- J^T J v / |J^T J v|    until log |J v| rises by less than `tolerance` (at most 1000 times)

    Power iteration with Jacobian-vector and vector-Jacobian products: no Jacobian is formed, and an iteration costs as
    many steps as the lag, so lags that double cost O(T) together. Never above the norm; as close as the tolerance
    (1000 eps by default); between the two largest singular values, where they are almost equal.
    Lags that are longer than a sequence are NaN.

    Raises:
        UserError: if a lag is not within the inputs, a length does not fit, or parameters are not finite.

    >>> from gru_lab import cells
    >>> cell = cells.GRU(hidden=4)
    >>> log_spectral_norms(cell, cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 10, 3)), lags=(1, 2, 4)).shape
    (2, 3)
    """
    check_params(params)
    check_lengths(lengths, *xs.shape[:2])
    wrong = [lag for lag in lags if not 0 <= lag < xs.shape[1]]
    if wrong:
        raise UserError(f"lags has {wrong[0]}: each must be 0 to {xs.shape[1] - 1}, below the number of steps in xs")
    return _log_spectral_norms(params, xs, lengths, cell=cell, lags=tuple(lags), tolerance=tolerance)


@partial(jax.jit, static_argnames=("cell", "lags", "tolerance"))
def _log_spectral_norms(
    params: Params, xs: Array, lengths: Array | None, *, cell: Cell, lags: tuple[int, ...], tolerance: float | None
) -> Array:
    step, first_D = real_map(cell, params)
    step = held(step)
    xs, counts_BT = counted(xs, lengths)
    accuracy = 1000 * float(jnp.finfo(first_D.dtype).eps) if tolerance is None else tolerance

    def sequence(xs_TI: Array, counts_T: Array) -> Array:
        inputs = (xs_TI, counts_T)
        befores_TD, length = _befores(step, first_D, inputs), counts_T.sum()

        def norm(lag: int) -> Array:
            window = jax.tree.map(
                lambda leaf: lax.dynamic_slice_in_dim(leaf, jnp.maximum(length - lag, 0), lag), (befores_TD, inputs)
            )
            return jnp.where(lag < length, _largest(step, window, accuracy), jnp.nan)

        zero = jnp.where(length > 0, jnp.zeros((), first_D.dtype), jnp.nan)  # at lag 0 the Jacobian is the identity
        return jnp.stack([norm(lag) if lag else zero for lag in lags])

    return jax.vmap(sequence)(xs, counts_BT)


def _largest(step: Step, window: tuple[Array, Any], accuracy: float) -> Array:
    """The logarithm of the largest singular value of the product of the Jacobians at the states of a window."""

    def unit(v_D: Array) -> tuple[Array, Array]:
        norm = jnp.linalg.norm(v_D)
        safe = jnp.where(norm > 0, norm, 1)
        return v_D / safe, jnp.log(norm)

    def through(move: Callable[[Array, Any, Array], Array], v_D: Array, reverse: bool) -> tuple[Array, Array]:
        def body(carry: Any, at: Any) -> tuple[Any, None]:
            (v_D, log), (state_D, x) = carry, at
            v_D, grown = unit(move(state_D, x, v_D))
            return (v_D, log + grown), None

        return lax.scan(body, (v_D, jnp.zeros((), v_D.dtype)), window, reverse=reverse)[0]

    def push(state_D: Array, x: Any, v_D: Array) -> Array:
        return jax.jvp(lambda s: step(s, x), (state_D,), (v_D,))[1]

    def pull(state_D: Array, x: Any, v_D: Array) -> Array:
        return jax.vjp(lambda s: step(s, x), state_D)[1](v_D)[0]

    def improve(carry: Any) -> Any:
        v_D, log, _, n = carry
        u_D, stretch = through(push, v_D, reverse=False)
        v_D, _ = through(pull, u_D, reverse=True)
        return v_D, stretch, jnp.abs(stretch - log), n + 1

    states_TD = window[0]
    start = jax.random.normal(jax.random.key(0), states_TD.shape[1:], states_TD.dtype)
    carry = unit(start)[0], jnp.asarray(-jnp.inf, start.dtype), jnp.asarray(jnp.inf, start.dtype), 0
    _, log, _, _ = lax.while_loop(lambda c: (c[2] > accuracy) & (c[3] < ITERATIONS), improve, carry)
    return log


def _befores(step: Step, first_D: Array, inputs: Any) -> Float[Array, "T D"]:
    """The state before every step."""
    return lax.scan(lambda state_D, x: (step(state_D, x), state_D), first_D, inputs)[1]


@register("jacobian")
@dataclass(frozen=True, kw_only=True)
class Jacobian(Diagnostic):
    """`log_singular_values` (lags, k) of dh_T/dh_{T-lag}, the mean over the sequences that reach so far back.

    With the `decay_rate` and the `horizon` of the largest, the spectral norm, as `gradient_flow` defines them.

    Attributes:
        lags: the number of lags, from 0 on; all that the inputs have if None.
        k: the number of singular values, the largest.
        sequences: the number of the layer's sequences, the first ones, as each of them costs one decomposition per lag.
    """

    lags: Size | None = None
    k: Size = 1
    sequences: Size = 4

    def measure(self, layer: Layer) -> dict[str, Array]:
        """See `Diagnostic.measure`; a state of fewer than k numbers gives all of its singular values."""
        cell, params, xs, lengths, _ = layer.first(self.sequences)
        time, k = xs.shape[1], min(self.k, size(cell, params))
        if self.lags is not None and self.lags > time:
            self.refuse("lags", f"it must be at most {time}, the number of steps in the inputs")
        logs_BTK = log_singular_values(cell, params, xs, lengths, k)[:, : self.lags]
        logs_TK = jnp.nanmean(logs_BTK, axis=0)
        norms_T = jnp.exp(logs_TK[:, 0])
        return {"log_singular_values": logs_TK, "decay_rate": slope(logs_TK[:, 0]), "horizon": horizon(norms_T)}
