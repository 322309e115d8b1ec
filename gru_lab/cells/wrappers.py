"""Wrappers that take any cell and are cells themselves: noise on the state, normalised products, low precision.

They are not registered: a wrapper is made around a cell.

>>> import jax
>>> from gru_lab.cells import GRU
>>> from gru_lab.cells.wrappers import LayerNorm
>>> sorted(LayerNorm(cell=GRU(hidden=4)).init(jax.random.key(0), inputs=3))[-6:]
['gain_0', 'gain_1', 'gain_2', 'gain_3', 'gain_4', 'gain_5']
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn

from gru_lab import jaxprs
from gru_lab.cells.cell import Cell, name_of
from gru_lab.schema import Probability, UserError
from gru_lab.typing import Array, Key, Params, State


@dataclass(frozen=True, kw_only=True)
class Wrapper(Cell):
    """A cell around an inner cell; `hidden` is the inner cell's."""

    cell: Cell = Cell()

    def check(self) -> None:
        """`hidden` is taken from the inner cell, whatever was given."""
        object.__setattr__(self, "hidden", self.cell.hidden)

    def init(self, key: Key, inputs: int) -> Params:
        """The inner cell's parameters."""
        return self.cell.init(key, inputs)

    def initial_state(self, params: Params) -> State:
        """The inner cell's initial state."""
        return self.cell.initial_state(params)

    def read(self, state: State) -> Array:
        """The inner cell's output."""
        return self.cell.read(state)

    def constrain(self, params: Params, length: int) -> Params:
        """The inner cell's parameters as it allows them; what a wrapper adds is left as it is."""
        return params | self.cell.constrain(params, length)

    def rates(self) -> dict[str, float]:
        """The inner cell's factors."""
        return self.cell.rates()


def step_keys(key: Key, batch: int, time: int, *, same: bool = False) -> Key:
    """Random keys per sequence and step, (batch, time), for the input `(xs, keys)` of a noisy cell.

    With `same`, all steps of a sequence share one key, and so one mask: variational dropout.
    """
    keys = jax.random.split(key, (batch, 1 if same else time))
    return jnp.broadcast_to(keys, (batch, time))


@dataclass(frozen=True, kw_only=True)
class Noisy(Wrapper):
    """A wrapper whose step is random in training, with a probability `rate`.

    In training the input is `(x, key)`, with keys from `step_keys`, or `(x, key, rate)` with a rate that may be traced.
    `unroll_stack` makes such inputs where it has a random key.
    """

    rate: Probability = 0.1

    def parts(self, x: Any) -> tuple[Any, Key | None, Any]:
        """The inner cell's input, the key, which is None outside of training, and the rate."""
        x, key, *rate = x if isinstance(x, tuple) else (x, None)
        return x, key, rate[0] if rate else self.rate


@dataclass(frozen=True, kw_only=True)
class Zoneout(Noisy):
    """Zoneout: each unit of the state keeps its old value with probability `rate`.

        h' = m * h + (1 - m) * step(h, x),    m ~ Bernoulli(rate)

    Without a key m is its mean, `rate`.
    Source: Krueger et al. 2017, arXiv:1606.01305, equations 3-5, here with one rate for all parts of the state.
    """

    witness: ClassVar[str] = "c: teganmaharaj/zoneout/zoneout/zoneout_tensorflow.py, ZoneoutWrapper, at 9f33ad2"
    revision: ClassVar[int] = 2

    def step(self, params: Params, state: State, x: Any) -> State:
        """One step of the inner cell, some units kept."""
        x, key, rate = self.parts(x)
        new = self.cell.step(params, state, x)
        leaves, tree = jax.tree.flatten(state)
        keys = [None] * len(leaves) if key is None else list(jax.random.split(key, len(leaves)))

        def keep(old: Array, new: Array, key: Key | None) -> Array:
            if key is None:
                return rate * old + (1 - rate) * new
            return jnp.where(jax.random.bernoulli(key, rate, old.shape), old, new)

        return jax.tree.map(keep, state, new, jax.tree.unflatten(tree, keys), is_leaf=lambda leaf: leaf is None)


@dataclass(frozen=True, kw_only=True)
class RecurrentDropout(Noisy):
    """Dropout on what the step sees of the state's visible part h: h m / (1 - rate), m ~ Bernoulli(1 - rate).

    Keys from `step_keys(..., same=True)` give every step of a sequence the same mask, as in the source; without a key
    nothing is dropped. Only a state that is one array, or whose first array is h, as in the LSTM, has such a part.
    Source: Gal & Ghahramani 2016, arXiv:1512.05287, equation 7, one mask for all gates.
    """

    witness: ClassVar[str] = "a: keras 3.15.1 (SimpleRNNCell)"
    revision: ClassVar[int] = 2

    def step(self, params: Params, state: State, x: Any) -> State:
        """One step of the inner cell from a thinned state."""
        x, key, rate = self.parts(x)
        leaves, tree = jax.tree.flatten(state)
        if key is not None:
            kept = jax.random.bernoulli(key, 1 - rate, leaves[0].shape)
            leaves[0] = jnp.where(kept, leaves[0] / (1 - rate), 0)
        return self.cell.step(params, jax.tree.unflatten(tree, leaves), x)


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Wrapper):
    """Layer normalisation of every product with a weight matrix, of any cell: LN(x W_g), LN(h U_g).

        LN(a) = gain * (a - mean(a)) / sqrt(var(a) + epsilon)

    One gain per product, `gain_0 (outputs,)`, ... in the order of the step; the cell's biases serve as LN's. The
    products are found in the step's equations, so the cell is written as always; those of parameters alone, and those
    that give one number, stay as they are.
    Source: Ba et al. 2016, arXiv:1607.06450, equations 15-22 (there one LN over all gates, here one per gate).
    """

    witness: ClassVar[str] = "a: flax 0.12.8 (nnx.LayerNorm on every product)"

    epsilon: float = 1e-5

    def init(self, key: Key, inputs: int) -> Params:
        """The inner cell's parameters, and gains of 1."""
        params = self.cell.init(key, inputs)
        sizes: list[int] = []

        def note(out: Array) -> Array:
            sizes.append(out.shape[-1])
            return out

        x = jnp.zeros(inputs, next(iter(params.values())).dtype)
        jax.eval_shape(lambda p, x: _with_products(self.cell, note, p, self.cell.initial_state(p), x), params, x)
        return params | {f"gain_{n}": jnp.ones(size, x.dtype) for n, size in enumerate(sizes)}

    def step(self, params: Params, state: State, x: Any) -> State:
        """One step of the inner cell, its products normalised."""
        inner = {name: value for name, value in params.items() if not name.startswith("gain_")}
        gains = iter([params[f"gain_{n}"] for n in range(len(params) - len(inner))])

        def normalise(out: Array) -> Array:
            centred = out - out.mean(-1, keepdims=True)
            return next(gains) * centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + self.epsilon)

        return _with_products(self.cell, normalise, inner, state, x)


@dataclass(frozen=True, kw_only=True)
class LowPrecision(Wrapper):
    """bfloat16 products, everything else as it was: the state, the gates and the parameters stay float32.

    Every product of the step takes its operands in bfloat16 and accumulates in the precision of its result.
    """

    def step(self, params: Params, state: State, x: Any) -> State:
        """One step of the inner cell with products of bfloat16."""
        return _with_products(self.cell, None, params, state, x)


def _with_products(cell: Cell, change: Callable[[Array], Array] | None, params: Params, state: State, x: Any) -> State:
    """`cell.step` with its products changed: through `change`, or computed in bfloat16 if that is None.

    Products of parameters alone and those that give one number stay as they are. Raises `UserError` for a product
    inside a loop or branch of the step.
    """
    arguments, leaves = (params, state, x), jax.tree.leaves((params, state, x))
    shape, closed = jax.eval_shape(cell.step, *arguments), jaxprs.trace(cell.step, *arguments)
    weights = len(jax.tree.leaves(params))
    fixed = [n < weights for n in range(len(leaves))]
    top, moving = set(map(id, closed.eqns)), {id(eqn) for eqn, _ in jaxprs.varying(closed.jaxpr, fixed)}

    def changed(eqn: JaxprEqn, operands: list[Any]) -> Sequence[Any] | None:
        if (id(eqn) in top and id(eqn) not in moving) or not jaxprs.contains(eqn, "dot_general"):
            return None
        if eqn.primitive.name == "dot_general":
            if change is not None:
                return [change(out) if out.ndim else out for out in jaxprs.bind(eqn, operands)]
            dtype = eqn.params["preferred_element_type"] or eqn.outvars[0].aval.dtype  # pyright: ignore
            return jaxprs.bind(eqn, list(map(_halved, operands)), preferred_element_type=dtype)
        called = jaxprs.callee(eqn)
        if called is None:
            raise UserError(
                f"cell is {name_of(cell)!r}, whose step has products inside a {eqn.primitive.name}: "
                "they must stand outside of loops and branches for a wrapper to change them"
            )
        return jaxprs.call(called, operands, changed)

    return jax.tree.unflatten(jax.tree.structure(shape), jaxprs.call(closed, leaves, changed))


def _halved(value: Array) -> Array:
    return value.astype(jnp.bfloat16) if jnp.issubdtype(value.dtype, jnp.floating) else value
