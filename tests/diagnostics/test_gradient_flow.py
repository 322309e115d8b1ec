"""The gradient against the lag, held to the definition: the loss as a function of one state, stepped on by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells
from gru_lab.diagnostics import gradient_flow

TIME, LENGTHS = 7, (7, 4)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_norms_are_those_of_the_gradient_with_respect_to_each_state(name, float64):
    cell = cells.create(name, hidden=5)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), cell.init(jax.random.key(0), 3))
    xs_BTI = jax.random.normal(jax.random.key(1), (len(LENGTHS), TIME, 3), jnp.float64)
    norms_BT = gradient_flow(cell, params, xs_BTI, lambda outputs: jnp.sum(jnp.sin(outputs)), jnp.array(LENGTHS))
    for b, length in enumerate(LENGTHS):
        states = [cell.initial_state(params)]
        for x in xs_BTI[b, :length]:
            states.append(cell.step(params, states[-1], x))
        for lag in range(length):

            def loss(state, b=b, first=length - lag, length=length):
                for x in xs_BTI[b, first:length]:
                    state = cell.step(params, state, x)
                return jnp.sum(jnp.sin(cell.read(state)))

            gradient = jax.grad(loss)(states[length - lag])
            expected = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
            np.testing.assert_allclose(norms_BT[b, lag], expected, rtol=1e-10)
        assert jnp.isnan(norms_BT[b, length:]).all(), "there is no state further back than the sequence"
