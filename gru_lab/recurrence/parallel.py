"""All steps at once: Newton's method over the sequence, for the step of any cell."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gru_lab.errors import UserError
from gru_lab.jaxprs import inexact
from gru_lab.recurrence import affine
from gru_lab.recurrence.method import Masks, Method, Read, Step, register
from gru_lab.recurrence.reference import Reference
from gru_lab.recurrence.vectors import VectorStep
from gru_lab.schema import Fraction, Positive, Size
from gru_lab.typing import Array, Params, State

NO_MASKS = Masks()
ROUNDING = 128  # units to which rounding errors may grow; beyond, the loop and the solution are both right and differ
Forward = Callable[[VectorStep, Params, Array, Any], Array]


class Solution(NamedTuple):
    """States over time, and the course of their solution.

    Attributes:
        states: the states after every step, leaves (time, batch, ...).
        iterations: those of Newton's method per sequence, (batch,), the sum over its chunks.
        residual: the largest |f(s) - s| per sequence, relative to the part of the state, see `relative`.
        converged: per sequence, (batch,), false where a chunk or more were finished step by step.
        finite: per sequence, (batch,), false where an input is NaN or infinite, so that nothing can converge.
    """

    states: State
    iterations: Array
    residual: Array
    converged: Array
    finite: Array


@register("parallel")
@dataclass(frozen=True, kw_only=True)
class Parallel(Method):
    """Newton's method on s_t = f(s_{t-1}, x_t) for all t at once; each iteration is one affine parallel scan.

        d_t = J_t d_{t-1} + f(s_{t-1}, x_t) - s_t,    s_t <- s_t + d_t,    J_t = df/ds at s_{t-1}

    A sequence has converged when d, its error to first order, is small, f(s) = s to the tolerance, and one more scan
    says that rounding errors do not grow 128 times as large (the step is not chaotic). The others are finished step by
    step, chunk by chunk, so that every result is that of `Reference()` to rounding (float32 and a steep step: a few
    1e-6). The gradient is that of the equation itself: one affine scan with the transposed Jacobians.
    A unit-by-unit step (its Jacobian is diagonal, or has a block per unit) is recognised and costs O(H) per step and
    iteration; any other costs O(H^3) and memory for a Jacobian per step.

    Attributes:
        jacobian: `full`; or `diagonal`, the diagonal of the full one (quasi-Newton: more and cheaper iterations,
            checked with the full one at the end). Both are the same where the step is unit by unit.
        tolerance: of d and of the residual, relative to the largest value of each part of the state until then; where
            None, 8 units of rounding in float32 and 1e-11 in float64.
        max_iterations: per chunk, after which a sequence is finished step by step.
        damping: J is multiplied by 1 - damping: smaller steps through unstable regions.
        chunk: the number of steps that are solved at once, one chunk after the other; all where None.
        guess: the states before the first iteration: the state before the first step, or zeros.

    Source: Lim et al. 2024, DEER, arXiv:2309.12252, section 3.1; Gonzalez et al. 2024, arXiv:2407.19115, sections 3 and
    4 (quasi-DEER; their ELK damps by a Kalman smoother, here by a factor, as in their scale-ELK).
    """

    jacobian: Literal["full", "diagonal"] = "full"
    tolerance: Positive | None = None
    max_iterations: Size = 64
    damping: Fraction = 0.0
    chunk: Size | None = None
    guess: Literal["initial", "zero"] = "initial"

    def run(
        self, step: Step, read: Read, params: Params, state: State, xs: Any, masks: Masks, reverse: bool
    ) -> tuple[State, Any]:
        """See `Method.run`."""
        return run("parallel", self._forward, step, read, params, state, xs, masks, reverse)

    def _forward(self, step: VectorStep, params: Params, s_BUk: Array, xs: Any) -> Array:
        return self.newton(step, params, s_BUk, xs)[0]

    def newton(self, step: VectorStep, params: Params, s_BUk: Array, xs: Any) -> tuple[Array, Array, Array, Array]:
        """The vectors after every step (time, batch, units, k), and per sequence iterations, residual, convergence."""
        time = jax.tree.leaves(xs)[0].shape[0]
        if self.chunk is None:
            return self._solve(step, params, s_BUk, xs)
        if self.chunk > time:
            self.refuse("chunk", f"it must be at most the number of steps, {time}")
        whole = time // self.chunk

        def advance(s_BUk: Array, xs: Any) -> tuple[Array, Any]:
            solved = self._solve(step, params, s_BUk, xs)
            return solved[0][-1], solved

        chunks = jax.tree.map(lambda x: x[: whole * self.chunk].reshape(whole, self.chunk, *x.shape[1:]), xs)
        last, (s, iterations, residual, converged) = lax.scan(advance, s_BUk, chunks)
        parts = [(s.reshape(-1, *s.shape[2:]), iterations.sum(0), residual.max(0), converged.all(0))]
        if time % self.chunk:
            parts.append(self._solve(step, params, last, jax.tree.map(lambda x: x[whole * self.chunk :], xs)))
        every = list(zip(*parts, strict=True))
        return (
            jnp.concatenate(every[0]),
            jnp.stack(every[1]).sum(0),
            jnp.stack(every[2]).max(0),
            jnp.stack(every[3]).all(0),
        )

    def _solve(self, step: VectorStep, params: Params, s_BUk: Array, xs: Any) -> tuple[Array, Array, Array, Array]:
        time, batch = jax.tree.leaves(xs)[0].shape[:2]
        tolerance, quasi = self._tolerance(step.dtype), self.jacobian == "diagonal" and step.coupled
        mapped = step.over(step.jacobian, params)

        def shifted(s: Array) -> Array:
            return jnp.concatenate([s_BUk[None], s[:-1]])

        def correction(s: Array) -> Array:
            f, J = mapped(params, shifted(s), xs)
            J = (1 - self.damping) * J
            if not quasi:
                return affine.solve(J, f - s)
            diagonal = jnp.diagonal(J, axis1=-2, axis2=-1)
            swap = lambda a: jnp.swapaxes(a, -1, -2)  # noqa: E731  (batch, 1, n) to n units of one number
            return swap(affine.solve(swap(diagonal)[..., None], swap(f - s)))

        def body(carry: tuple[Array, ...]) -> tuple[Array, ...]:
            n, s, iterations, done = carry
            d = correction(s)
            new = jnp.where(jnp.isfinite(s + d), s + d, s_BUk)
            small = jnp.isfinite(d).all((0, 2, 3)) & (relative(step, d, new) <= tolerance)
            return n + 1, jnp.where(_wide(done), s, new), iterations + (~done).astype(iterations.dtype), done | small

        start = s_BUk if self.guess == "initial" else jnp.zeros_like(s_BUk)
        s = jnp.broadcast_to(start, (time, *s_BUk.shape))
        begin = jnp.array(0), s, jnp.zeros(batch, int), jnp.zeros(batch, bool)
        _, s, iterations, done = lax.while_loop(
            lambda carry: (carry[0] < self.max_iterations) & ~carry[3].all(), body, begin
        )
        f, J = mapped(params, shifted(s), xs)
        residual = relative(step, f - s, s)
        signs = jax.random.rademacher(jax.random.key(0), s.shape, s.dtype)
        eps = float(jnp.finfo(step.dtype).eps)
        error = relative(step, affine.solve(J, f - s + eps * signs * s), s)  # with what rounding makes of it
        done &= (residual <= tolerance) & (error <= max(tolerance, ROUNDING * eps))

        def advance(s: Array, x: Any) -> tuple[Array, Array]:
            new = step.over(step, params)(params, s[None], jax.tree.map(lambda leaf: leaf[None], x))[0]
            return new, new

        s = lax.cond(done.all(), lambda: s, lambda: jnp.where(_wide(done), s, lax.scan(advance, s_BUk, xs)[1]))
        return s, iterations, residual, done

    def _tolerance(self, dtype: Any) -> float:
        eps = float(jnp.finfo(dtype).eps)
        if self.tolerance is None:
            return max(8 * eps, 1e-11)
        if self.tolerance < 4 * eps:
            self.refuse("tolerance", f"{dtype} reaches {4 * eps:.1e} at best")
        return self.tolerance


def solve(
    method: Parallel, step: Step, params: Params, state: State, xs: Any, masks: Masks = NO_MASKS, reverse: bool = False
) -> Solution:
    """The states over time of a step by Newton's method, with what the method met; see `Parallel` and `Method.run`.

    >>> from gru_lab import cells
    >>> cell = cells.GRU(hidden=4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> xs = jax.random.normal(jax.random.key(1), (50, 2, 3))  # time, batch, inputs
    >>> solution = solve(Parallel(), cell.step, params, jnp.zeros((2, 4)), xs)
    >>> solution.states.shape, bool(solution.converged.all()), int(solution.iterations.max()) < 15
    ((50, 2, 4), True, True)
    """
    step, params, xs = masks.folded_into(step, params, xs)
    xs = jax.tree.map(lambda x: x[::-1], xs) if reverse else xs
    vectors = _vector_step("parallel", step, params, state, xs)
    s, iterations, residual, converged = method.newton(vectors, params, vectors.pack(state), xs)
    states = vectors.states(params, state, s, xs)
    finite = jnp.ones(iterations.shape, bool)
    for leaf in jax.tree.leaves(xs):
        if inexact(leaf):
            finite &= jnp.isfinite(leaf).reshape(*leaf.shape[:2], -1).all((0, 2))
    states = jax.tree.map(lambda leaf: leaf[::-1], states) if reverse else states
    return Solution(states, iterations, residual, converged, finite)


def run(
    name: str,
    forward: Forward,
    step: Step,
    read: Read,
    params: Params,
    state: State,
    xs: Any,
    masks: Masks,
    reverse: bool,
) -> tuple[State, Any]:
    """`Method.run` by a function that solves for all vectors at once; the gradient is one affine scan.

    Implicit differentiation: the cotangents of the states are l_t = g_t + J_{t+1}^T l_{t+1}, and those of parameters
    and inputs the products of l with the derivatives of the step, for all steps at once.
    """
    if jax.tree.leaves(xs)[0].shape[0] == 0:
        return Reference().run(step, read, params, state, xs, masks, reverse)
    step, params, xs = masks.folded_into(step, params, xs)
    xs = jax.tree.map(lambda x: x[::-1], xs) if reverse else xs
    vectors = _vector_step(name, step, params, state, xs)
    s = _trajectory(forward, vectors, params, vectors.pack(state), xs)
    states = vectors.states(params, state, s, xs)
    final = jax.tree.map(lambda leaf: leaf[-1], states)
    over_time = jax.vmap(jax.vmap(read))(states)
    return final, jax.tree.map(lambda leaf: leaf[::-1], over_time) if reverse else over_time


def _trajectory(forward: Forward, step: VectorStep, params: Params, s_BUk: Array, xs: Any) -> Array:
    """The vectors after every step, with the gradient of the equations that they satisfy."""
    leaves, tree = jax.tree.flatten((params, s_BUk, xs))
    smooth = [inexact(leaf) for leaf in leaves]

    def joined(differentiable: list[Any], rest: list[Any]) -> tuple[Params, Array, Any]:
        of = {True: iter(differentiable), False: iter(rest)}
        return jax.tree.unflatten(tree, [next(of[kind]) for kind in smooth])

    @jax.custom_vjp
    def trajectory(differentiable: list[Any], rest: list[Any]) -> Array:
        return forward(step, *joined(differentiable, rest))

    def forwards(differentiable: list[Any], rest: list[Any]) -> tuple[Array, Any]:
        s = trajectory(differentiable, rest)
        return s, (differentiable, rest, s)

    def backwards(residuals: Any, g: Array) -> tuple[list[Any], None]:
        differentiable, rest, s = residuals

        def again(differentiable: list[Any], later: Array) -> Array:
            params, first, xs = joined(differentiable, rest)
            return step.over(step, params)(params, jnp.concatenate([first[None], later]), xs)

        params, first, xs = joined(differentiable, rest)
        _, J = step.over(step.jacobian, params)(params, jnp.concatenate([first[None], s[:-1]]), xs)
        J = jnp.swapaxes(jnp.concatenate([J[1:], jnp.zeros_like(J[:1])]), -1, -2)
        cotangents = _solved_backwards(J, g)
        return jax.vjp(partial(again, later=s[:-1]), differentiable)[1](cotangents)[0], None

    trajectory.defvjp(forwards, backwards)
    parts = {
        kind: [leaf for leaf, is_smooth in zip(leaves, smooth, strict=True) if is_smooth == kind]
        for kind in (True, False)
    }
    return trajectory(parts[True], parts[False])


def _solved_backwards(A: Array, b: Array) -> Array:
    """All l_t = A_t l_{t+1} + b_t; step by step where the scan's products overflow and the loop's need not."""
    scanned = affine.solve(A, b, reverse=True)
    gap = affine.apply(A, jnp.concatenate([scanned[1:], jnp.zeros_like(scanned[:1])])) + b - scanned
    fine = jnp.abs(gap).max() <= ROUNDING * float(jnp.finfo(b.dtype).eps) * jnp.abs(scanned).max()

    def advance(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        new = affine.apply(now[0], later) + now[1]
        return new, new

    return lax.cond(fine, lambda: scanned, lambda: lax.scan(advance, jnp.zeros_like(b[0]), (A, b), reverse=True)[1])


def _vector_step(name: str, step: Step, params: Params, state: State, xs: Any) -> VectorStep:
    vectors = VectorStep.of(name, step, params, state, xs)
    try:
        jax.eval_shape(vectors.over(vectors.jacobian, params), params, vectors.pack(state)[None], _first(xs))
    except (TypeError, NotImplementedError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = str(error).splitlines()[0]
        raise UserError(
            f"method is {name!r}, which differentiates the step, and this one has no derivative: {reason}"
        ) from None
    return vectors


def _first(xs: Any) -> Any:
    return jax.tree.map(lambda x: x[:1], xs)


def _wide(of_sequences: Array) -> Array:
    return of_sequences[None, :, None, None]


def relative(step: VectorStep, d: Array, s: Array) -> Array:
    """The largest |d| per sequence, (batch,), relative to the largest |s| of the same part of the state until then.

    Until then, and not of all time: where a state explodes, an error of its beginning would otherwise count nothing.
    """
    leaves, tree = jax.tree.flatten(step.example)
    numbers = [jnp.full(leaf.shape, n, leaf.dtype) for n, leaf in enumerate(leaves, 1)]
    numbers = [n + 1j * n if jnp.iscomplexobj(n) else n for n in numbers]
    part = step.pack(jax.tree.unflatten(tree, numbers))
    worst = jnp.zeros(d.shape[1], d.dtype)
    for n in range(1, len(leaves) + 1):
        size_TB, error_TB = (jnp.where(part == n, jnp.abs(a), 0).max((2, 3)) for a in (s, d))
        size_TB = lax.associative_scan(jnp.maximum, size_TB)
        worst = jnp.maximum(worst, jnp.where(error_TB == 0, 0, error_TB / size_TB).max(0))
    return worst
