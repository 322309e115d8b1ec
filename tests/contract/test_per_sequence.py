"""Parameters of a step that differ between sequences: one loop over a batch is that of each sequence by itself."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab import cells
from gru_lab.cells.wrappers import Wrapper
from gru_lab.recurrence import Parallel, PerSequence, Reference, Sequential, unroll


def test_what_differs_between_sequences_alone_is_a_parameter_of_each(float64):
    @dataclass(frozen=True)
    class Pulled(Wrapper):
        def step(self, params, state, x):
            return self.cell.step(params["cell"], state, x) + jnp.tanh(params["pull"].value @ params["M"])

        def initial_state(self, params):
            return self.cell.initial_state(params["cell"])

    plain = cells.create("gru", hidden=3)
    cell = Pulled(cell=plain)
    rng = np.random.RandomState(0)
    shared, pulls, xs = plain.init(jax.random.key(0), 2), jnp.array(rng.randn(4, 5)), jnp.array(rng.randn(4, 6, 2))
    weight = jnp.array(rng.randn(5, 3))

    def together(method, pulls, weight):
        params = {"cell": shared, "pull": PerSequence(pulls), "M": weight}
        return jnp.sum(jnp.sin(unroll(cell, params, xs, lengths=jnp.array([6, 2, 1, 5]), method=method)[1]))

    def alone(pulls, weight):
        total = 0.0
        for pull, row, length in zip(pulls, xs, (6, 2, 1, 5), strict=True):
            state = jnp.zeros(3)
            for x in row[:length]:
                state = plain.step(shared, state, x) + jnp.tanh(pull @ weight)
                total += jnp.sum(jnp.sin(state))
        return total

    methods = [Reference(), Sequential(), Sequential(store="states"), Sequential(remat_every=4), Parallel()]
    losses = [alone, *(partial(together, method) for method in methods)]
    gradients = [jax.value_and_grad(loss, (0, 1)) for loss in losses]
    expected, *found = jax.jit(lambda *at: [each(*at) for each in gradients])(pulls, weight)
    for given in found:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), expected, given)
