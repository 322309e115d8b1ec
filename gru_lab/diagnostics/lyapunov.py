"""Lyapunov exponents: the rates at which small differences of the state grow or die along real inputs."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.cells import Cell, name_of
from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, register
from gru_lab.diagnostics.dynamics import Step, counted, held, jacobians, products, real_map, size
from gru_lab.recurrence.checks import check_lengths, check_params
from gru_lab.schema import Count, Size, UserError, checked
from gru_lab.typing import Array, Float, Int, Params

LARGEST = 512  # exponents at once
Scan = Literal["sequential", "associative"]
GROUPS = 8  # stretches of a sequence whose exponents are compared with each other


class Spectrum(NamedTuple):
    """Lyapunov exponents, the largest first.

    Attributes:
        exponents: nats per step, (k,).
        errors: their standard errors, from how much 8 equal stretches of every sequence differ, (k,).
        dimension: the Kaplan-Yorke dimension; a lower bound if it is k and k is not the whole state.
    """

    exponents: Array
    errors: Array
    dimension: Array


def growth(
    step: Step, state: Float[Array, " D"], xs: Any, k: int, *, warmup: int = 0, orthogonalise_every: int = 2
) -> tuple[Float[Array, "N K"], tuple[int, ...]]:
    """The growth of k directions along one trajectory of any map `step(state, x)`: log |R_ii| of every QR.

        Q_0 random orthonormal (D, k);    Q_n R_n = J_n Q_{n-1},    J_n = d step / d state

    `xs` has leaves (time, ...). Also returns how many steps lie between one QR and the next: `orthogonalise_every`,
    and the rest at the end. The first `warmup` steps turn the directions and are not counted. Differentiable, and
    linear in time: k Jacobian-vector products per step, and the QRs.
    Source: Benettin et al. 1980, Meccanica 15; Engelken, Wolf, Abbott 2023, arXiv:2006.02427.

    >>> logs, steps = growth(lambda state, x: 0.5 * state, jnp.ones(2), jnp.zeros(5), k=1)
    >>> steps, (jnp.exp(logs[:, 0])).round(4).tolist()
    ((2, 2, 1), [0.25, 0.25, 0.5])
    """
    start = jax.random.orthogonal(jax.random.key(0), state.size, dtype=state.dtype)[:k]
    carry, _ = _turned(step, (state, start), jax.tree.map(lambda x: x[:warmup], xs), orthogonalise_every)
    _, (logs_NK, steps) = _turned(step, carry, jax.tree.map(lambda x: x[warmup:], xs), orthogonalise_every)
    return logs_NK, steps


def _turned(step: Step, carry: Any, xs: Any, every: int) -> tuple[Any, tuple[Array, tuple[int, ...]]]:
    """The state and the directions (k, D) after the steps, log |R_ii| of every QR, and how many steps each took."""

    def push(carry: Any, x: Any) -> tuple[Any, None]:
        state_D, rows_KD = carry
        after_D, tangent = jax.linearize(lambda s: step(s, x), state_D)
        return (after_D, jax.vmap(tangent)(rows_KD)), None

    def block(carry: Any, xs: Any) -> tuple[Any, Array]:
        state_D, rows_KD = lax.scan(push, carry, xs)[0]
        Q_DK, R_KK = jnp.linalg.qr(rows_KD.T)
        return (state_D, Q_DK.T), jnp.log(jnp.abs(jnp.diagonal(R_KK)))

    time = jax.tree.leaves(xs)[0].shape[0]
    blocks, rest = divmod(time, every)
    whole = jax.tree.map(lambda x: x[: time - rest].reshape(blocks, every, *x.shape[1:]), xs)
    carry, logs_NK = lax.scan(block, carry, whole)
    if rest:
        carry, last_K = block(carry, jax.tree.map(lambda x: x[time - rest :], xs))
        logs_NK = jnp.concatenate([logs_NK, last_K[None]])
    return carry, (logs_NK, (every,) * blocks + (rest,) * bool(rest))


def _leading_growth(
    step: Step, state: Float[Array, " D"], xs: Any, warmup: int, every: int
) -> tuple[Float[Array, "N 1"], tuple[int, ...]]:
    """`growth` of one direction by an associative scan of the Jacobians' products; memory O(T D^2)."""
    start_D = jax.random.orthogonal(jax.random.key(0), state.size, dtype=state.dtype)[0]
    units_TDD, scales_T = products(jacobians(step, state, xs))
    logs_T = jnp.log(jnp.linalg.norm(units_TDD @ start_D, axis=-1)) + scales_T
    blocks, rest = divmod(scales_T.size - warmup, every)
    steps = (every,) * blocks + (rest,) * bool(rest)
    logs_N = jnp.concatenate([jnp.zeros(1, logs_T.dtype), logs_T])[jnp.cumsum(jnp.array((warmup, *steps)))]
    return jnp.diff(logs_N)[:, None], steps


def kaplan_yorke(exponents: Float[Array, " K"]) -> Float[Array, ""]:
    """The Kaplan-Yorke dimension j + (l_1 + ... + l_j) / |l_{j+1}|, j the last whose sum is not negative.

    0 if l_1 < 0; K if no sum is negative. The exponents stand the largest first.
    Source: Kaplan & Yorke 1979, Lecture Notes in Mathematics 730.

    >>> float(kaplan_yorke(jnp.array([0.5, -1.0, -4.0])))
    1.5
    """
    K = exponents.size
    sums = jnp.concatenate([jnp.zeros(1, exponents.dtype), jnp.cumsum(exponents)])
    j = jnp.sum(jnp.cumprod(sums[1:] >= 0))
    following = jnp.abs(exponents[jnp.minimum(j, K - 1)])
    return jnp.where(j == K, K, j + sums[j] / following)


def spectrum_of_map(
    step: Step, state: Float[Array, " D"], xs: Any, k: int, *, warmup: int = 0, orthogonalise_every: int = 2
) -> Spectrum:
    """The k largest Lyapunov exponents of any map along one trajectory; see `growth`.

    >>> spectrum = spectrum_of_map(lambda state, x: 0.5 * state, jnp.ones(2), jnp.zeros(100), k=1)
    >>> round(float(spectrum.exponents[0]), 4)  # log 0.5
    -0.6931
    """
    logs_NK, steps = growth(step, state, xs, k, warmup=warmup, orthogonalise_every=orthogonalise_every)
    return _summary(logs_NK[None], jnp.array(steps, logs_NK.dtype)[None])


def lyapunov_spectrum(
    cell: Cell,
    params: Params,
    xs: Float[Array, "B T I"],
    k: int | None = None,
    lengths: Int[Array, " B"] | None = None,
    *,
    warmup: int = 0,
    orthogonalise_every: int = 2,
    scan: Scan = "sequential",
) -> Spectrum:
    """The k largest Lyapunov exponents of a cell along its inputs (all if None), over all steps of all sequences.

    The state is the whole recurrent state as real numbers (h and c of an LSTM; real and imaginary parts). A part of
    the state that nothing of the step before enters has -inf, or as low as rounding goes: exponents lower than the
    first by more than log(1 / eps) / orthogonalise_every (8 nats per step in float32 at 2) cannot be resolved.

    With `scan="associative"` the leading exponent alone (k=1) comes from products of all steps' Jacobians at once, in
    O(log T) products one after the other: more work, and memory for a Jacobian per step. The states are still run step
    by step.

    Raises:
        UserError: if the state is too large for all exponents, a number does not fit, or parameters are not finite.

    >>> from gru_lab import cells
    >>> cell = cells.GRU(hidden=4)
    >>> spectrum = lyapunov_spectrum(cell, cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 20, 3)), k=3)
    >>> spectrum.exponents.shape, bool(spectrum.exponents[0] < 0)  # a fresh GRU is stable
    ((3,), True)
    """
    k = _check(cell, params, xs, k, lengths, warmup, orthogonalise_every)
    checked("scan", scan, Scan)
    if scan == "associative" and k != 1:
        raise UserError(f"k is {k}: scan='associative' gives the leading exponent alone, so k must be 1")
    return _spectrum(params, xs, lengths, cell=cell, k=k, warmup=warmup, every=orthogonalise_every, scan=scan)


def exponents(
    cell: Cell,
    params: Params,
    xs: Float[Array, "B T I"],
    k: int | None = None,
    lengths: Int[Array, " B"] | None = None,
    *,
    warmup: int = 0,
    orthogonalise_every: int = 2,
) -> Float[Array, "B K"]:
    """The finite-time exponents of every sequence, in the order of the QR: differentiable, for short windows.

    The gradient exists where the k directions stay apart, and its memory is O(T D k). NaN for a sequence that ends
    within the warm-up. See `lyapunov_spectrum`.

    >>> from gru_lab import cells
    >>> cell = cells.RNN(hidden=4)
    >>> exponents(cell, cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 20, 3)), k=1).shape
    (2, 1)
    """
    k = _check(cell, params, xs, k, lengths, warmup, orthogonalise_every)
    logs_BNK, steps_BN = _growths(params, xs, lengths, cell, k, warmup, orthogonalise_every)
    return logs_BNK.sum(1) / steps_BN.sum(1)[:, None]


@partial(jax.jit, static_argnames=("cell", "k", "warmup", "every", "scan"))
def _growths(
    params: Params,
    xs: Array,
    lengths: Array | None,
    cell: Cell,
    k: int,
    warmup: int,
    every: int,
    scan: Scan = "sequential",
) -> tuple[Array, Array]:
    """Log |R_ii| (batch, QRs, k), and how many steps that count each has (batch, QRs)."""
    step, first_D = real_map(cell, params)
    xs, counts_BT = counted(xs, lengths)
    steps: tuple[int, ...] = ()

    def sequence(xs_TI: Array, counts_T: Array) -> Array:
        nonlocal steps
        moves, inputs = (step, xs_TI) if lengths is None else (held(step), (xs_TI, counts_T))
        if scan == "associative":
            logs_NK, steps = _leading_growth(moves, first_D, inputs, warmup, every)
        else:
            logs_NK, steps = growth(moves, first_D, inputs, k, warmup=warmup, orthogonalise_every=every)
        return logs_NK

    logs_BNK = jax.vmap(sequence)(xs, counts_BT)
    bounds = jnp.cumsum(jnp.array((warmup, *steps)))
    before_BT = jnp.pad(jnp.cumsum(counts_BT, axis=1), ((0, 0), (1, 0)))
    return logs_BNK, jnp.diff(before_BT[:, bounds], axis=1).astype(logs_BNK.dtype)


@partial(jax.jit, static_argnames=("cell", "k", "warmup", "every", "scan"))
def _spectrum(
    params: Params, xs: Array, lengths: Array | None, *, cell: Cell, k: int, warmup: int, every: int, scan: Scan
) -> Spectrum:
    return _summary(*_growths(params, xs, lengths, cell, k, warmup, every, scan))


def _summary(logs_BNK: Array, steps_BN: Array) -> Spectrum:
    """The exponents over all steps, sorted, and their errors from the differences between stretches."""
    means_K = logs_BNK.sum((0, 1)) / steps_BN.sum()
    done_BN = jnp.cumsum(steps_BN, axis=1) - steps_BN / 2
    group_BN = (GROUPS * done_BN / steps_BN.sum(1, keepdims=True)).astype(int)
    member_BGN = (group_BN[:, None] == jnp.arange(GROUPS)[:, None]) & (steps_BN > 0)[:, None]
    took_BG = (member_BGN * steps_BN[:, None]).sum(2)
    logs_BGK = jnp.where(member_BGN[..., None], logs_BNK[:, None], 0).sum(2)
    rates = jnp.where(took_BG[..., None] > 0, logs_BGK / took_BG[..., None], jnp.nan).reshape(-1, logs_BNK.shape[-1])
    groups = (took_BG > 0).sum()
    mean_K = jnp.nanmean(rates, axis=0)
    spread_K = jnp.sqrt(jnp.nansum((rates - mean_K) ** 2, axis=0) / (groups - 1))
    errors_K = jnp.where(jnp.isfinite(mean_K), spread_K / jnp.sqrt(groups), jnp.nan)
    order = jnp.argsort(-means_K)
    return Spectrum(means_K[order], errors_K[order], kaplan_yorke(means_K[order]))


def _check(cell: Cell, params: Params, xs: Array, k: int | None, lengths: Array | None, warmup: int, every: int) -> int:
    """The number of exponents to compute, after the checks of the arguments."""
    check_params(params)
    check_lengths(lengths, *xs.shape[:2])
    numbers, name = size(cell, params), name_of(cell)
    if k is None and numbers > LARGEST:
        raise UserError(
            f"the state of cell {name!r} has {numbers} numbers, too many for all Lyapunov exponents: "
            f"ask for the leading ones, with k of at most {LARGEST}"
        )
    if k is not None and not 1 <= k <= min(numbers, LARGEST):
        raise UserError(f"k is {k}: cell {name!r} has {numbers} exponents, so k must be 1 to {min(numbers, LARGEST)}")
    if not 0 <= warmup < xs.shape[1]:
        raise UserError(f"warmup is {warmup}: it must be 0 to {xs.shape[1] - 1}, below the number of steps in xs")
    if every < 1:
        raise UserError(f"orthogonalise_every is {every}: it must be at least 1")
    return numbers if k is None else k


@register("lyapunov")
@dataclass(frozen=True, kw_only=True)
class Lyapunov(Diagnostic):
    """`exponents` (k,), their `errors` (k,) and the Kaplan-Yorke `dimension`, along the layer's inputs.

    Attributes:
        k: the number of exponents, the largest; all if None.
        warmup: the number of steps that turn the directions before any counts.
        orthogonalise_every: steps from one QR to the next.
        sequences: the number of the layer's sequences, the first ones; their QRs take most of the time.
    """

    k: Size | None = 8
    warmup: Count = 0
    orthogonalise_every: Size = 2
    sequences: Size = 4

    def measure(self, layer: Layer) -> dict[str, Array]:
        """See `Diagnostic.measure`; a state of fewer than k numbers gives all of its exponents."""
        cell, params, xs, lengths, _ = layer.first(self.sequences)
        k = None if self.k is None else min(self.k, size(cell, params))
        every = self.orthogonalise_every
        return lyapunov_spectrum(cell, params, xs, k, lengths, warmup=self.warmup, orthogonalise_every=every)._asdict()
