"""Nothing is promoted unseen: dtypes are strict, and arrays of different ranks are not broadcast silently."""

import contextlib

import jax
import jax.numpy as jnp
import pytest
from kin import each

from gru_lab import cells, tasks, unroll
from gru_lab.recurrence import Parallel, Reference, Sequential


@contextlib.contextmanager
def strict():
    """As JAX is strictest: float32 plus int32, and (3,) plus (2, 3), are errors."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.mark.parametrize("name", each(cells.names()))
def test_a_cell_and_its_gradient_are_strict(name):
    cell = cells.create(name, hidden=4)

    def loss(params, xs):
        state = cell.initial_state(params)
        for x in xs:
            state = cell.step(params, state, x)
        return jnp.sum(cell.read(state))

    with strict():
        params = jax.eval_shape(lambda key: cell.init(key, 3), jax.random.key(0))
        jax.eval_shape(jax.grad(loss, argnums=(0, 1)), params, jax.ShapeDtypeStruct((2, 3), "float32"))


@pytest.mark.parametrize(
    "method", [Reference(), Sequential(), Sequential(store="states"), Sequential(remat_every=2), Parallel()]
)
@pytest.mark.parametrize("name", ["gru", "lstm", "lru", "cwrnn"])
def test_unroll_and_its_gradient_are_strict(name, method):
    cell = cells.create(name, hidden=4)

    def loss(params, xs, lengths, resets):
        return jnp.sum(unroll(cell, params, xs, lengths=lengths, resets=resets, method=method)[1])

    shapes = [jax.ShapeDtypeStruct(*of) for of in (((2, 5, 3), "float32"), ((2,), "int32"), ((2, 5), "bool"))]
    with strict():
        params = jax.eval_shape(lambda key: cell.init(key, 3), jax.random.key(0))
        jax.eval_shape(jax.grad(loss, argnums=(0, 1)), params, *shapes)


@pytest.mark.parametrize("name", each(tasks.names()))
def test_a_task_and_its_loss_are_strict(name):
    task = tasks.create(name)
    source = task.source()

    def judged(data, key):
        batch = jax.tree.map(lambda leaf: leaf[0], data) if source.streamed else source.draw(data, key, 4)
        size, time = jax.tree.leaves(batch.inputs)[0].shape[:2]
        outputs = jnp.zeros((size, time, task.outputs) if task.readout == "every" else (size, task.outputs))
        return task.loss(outputs, batch), task.measure(outputs, batch), task.predictions(outputs, batch)

    with strict():
        jax.eval_shape(judged, source.take(0, 0, 1, 4) if source.streamed else source.arrays(), jax.random.key(0))
