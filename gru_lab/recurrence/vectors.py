"""A step of any state as a function of real vectors, for the methods that solve all steps at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gru_lab.errors import UserError
from gru_lab.recurrence.method import Step, in_axes
from gru_lab.recurrence.structure import Structure, structure
from gru_lab.typing import Array, Params, State


@dataclass(frozen=True, eq=False)
class VectorStep:
    """The step as f(params, s, x) of an array s (units, k) of reals.

    A unit-by-unit step has a unit for each element of a leaf, with one number per leaf (two if complex); any other step
    is one unit of all numbers. Leaves that the step never reads are left out: `states` makes them from the others.

    Attributes:
        step: the step of one example.
        structure: what it is as a function of its state.
        example: the state of one example, in shapes.
        coupled: whether all numbers are one unit.
        dtype: of the real vectors.
    """

    step: Step
    structure: Structure
    example: State
    coupled: bool
    dtype: Any

    @classmethod
    def of(cls, method: str, step: Step, params: Params, state: State, xs: Any) -> "VectorStep":
        """The vector step of a problem of `Method.run`, leaves (batch, ...) of `state` and (time, batch, ...) of `xs`.

        Raises:
            UserError: where the state holds other things than real or complex numbers.
        """
        example = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), state)
        for leaf in jax.tree.leaves(example):
            if not jnp.issubdtype(leaf.dtype, jnp.inexact):
                raise UserError(
                    f"method is {method!r}, which needs a state of real or complex numbers, and this one holds "
                    f"{leaf.dtype}: take method='sequential'"
                )
        known = structure(step, params, example, jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), xs))
        read = [leaf for leaf, no in zip(jax.tree.leaves(example), known.passive, strict=True) if not no]
        reals = [jnp.finfo(leaf.dtype).dtype for leaf in read] or [jnp.dtype("float32")]
        dtype = jnp.promote_types(jnp.float32, max(reals, key=lambda dtype: dtype.itemsize))
        return cls(step, known, example, not known.unit_by_unit, dtype)

    def pack(self, state: State) -> Array:
        """The numbers of a state, leaves (..., *shape), as (..., units, k)."""
        numbers = []
        for leaf, shape in self._read(state):
            lead = leaf.shape[: leaf.ndim - len(shape)]
            parts = [leaf.real, leaf.imag] if jnp.iscomplexobj(leaf) else [leaf]
            numbers += [part.astype(self.dtype).reshape(*lead, -1) for part in parts]
        if self.coupled:
            return jnp.concatenate(numbers, axis=-1)[..., None, :]
        return jnp.stack(numbers, axis=-1)

    def unpack(self, s: Array) -> State:
        """The state of vectors (..., units, k), zero in the leaves that are never read."""
        lead, at, leaves = s.shape[:-2], 0, []
        for aval, passive in zip(jax.tree.leaves(self.example), self.structure.passive, strict=True):
            if passive:
                leaves.append(jnp.zeros((*lead, *aval.shape), aval.dtype))
                continue
            parts = []
            for _ in range(2 if jnp.issubdtype(aval.dtype, jnp.complexfloating) else 1):
                if self.coupled:
                    parts.append(s[..., 0, at : at + aval.size])
                    at += aval.size
                else:
                    parts.append(s[..., at])
                    at += 1
            real = jnp.finfo(aval.dtype).dtype
            parts = [part.astype(real).reshape(*lead, *aval.shape) for part in parts]
            leaves.append(jax.lax.complex(*parts) if len(parts) == 2 else parts[0])
        return jax.tree.unflatten(jax.tree.structure(self.example), leaves)

    def __call__(self, params: Params, s_Uk: Array, x: Any) -> Array:
        """One step of one example."""
        return self.pack(self.step(params, self.unpack(s_Uk), x))

    def over(self, function: Callable, params: Params) -> Callable:
        """A function of (params, s, x) of one example and one step, mapped over batch and time."""
        return jax.vmap(jax.vmap(function, (in_axes(params), 0, 0)), (None, 0, 0))

    def jacobian(self, params: Params, s_Uk: Array, x: Any) -> tuple[Array, Array]:
        """f(s) and its Jacobian, (units, k) and (units, k, k), by k forward products: units do not know each other."""
        basis = jnp.eye(s_Uk.shape[-1], dtype=s_Uk.dtype)
        step = lambda s: self(params, s, x)  # noqa: E731
        value = step(s_Uk)
        columns = jax.vmap(lambda e: jax.jvp(step, (s_Uk,), (jnp.broadcast_to(e, s_Uk.shape),))[1])(basis)
        return value, jnp.moveaxis(columns, 0, -1)

    def states(self, params: Params, before: State, s: Array, xs: Any) -> State:
        """The states after every step, leaves (time, batch, ...), from the vectors of the leaves that are read.

        Args:
            params: the step's parameters.
            before: the state before the first step, leaves (batch, ...).
            s: the vectors after every step, (time, batch, units, k).
            xs: the inputs.
        """
        states = self.unpack(s)
        if not any(self.structure.passive):
            return states
        previous = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest[:-1]]), before, states)
        made = self.over(self.step, params)(params, previous, xs)
        leaves = zip(self.structure.passive, jax.tree.leaves(made), jax.tree.leaves(states), strict=True)
        return jax.tree.unflatten(jax.tree.structure(states), [new if no else old for no, new, old in leaves])

    def _read(self, state: State) -> list[tuple[Array, tuple[int, ...]]]:
        leaves = zip(jax.tree.leaves(state), jax.tree.leaves(self.example), self.structure.passive, strict=True)
        return [(leaf, aval.shape) for leaf, aval, passive in leaves if not passive]
