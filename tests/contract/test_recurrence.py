"""Every registered cell, run by `Sequential`, gives the numbers and gradients of a plain `lax.scan`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kin import each

from gru_lab import cells, unroll
from gru_lab.recurrence import Reference, Sequential
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.sequential import LaidOut

BATCH, TIME, INPUTS, HIDDEN = 3, 7, 2, 4
VARIANTS = [  # the LSTM with peepholes has most to split; the others take minutes and tell the same
    pytest.param("gru", (("reset", "before"),), marks=pytest.mark.slow),
    pytest.param("lstm", (("peephole", True),)),
    pytest.param("rnn", (("nonlinearity", "relu"),), marks=pytest.mark.slow),
]
METHODS = [
    Sequential(store="gates"),
    LaidOut(layout=Layout(transpose=False, store="states", block=3)),
    Sequential(remat_every=3),
    LaidOut(layout=Layout(fuse=False, transpose=False, common=False, defer=False, hoist=True, unroll=2)),
]
BLOCKS = LaidOut(layout=Layout(hoist=True, block=3, remat=True))


def problem(cell, seed=0):
    """Parameters away from their initial values, a start state and inputs, all float64."""
    draw = np.random.default_rng(seed)
    params = jax.tree.map(lambda a: jnp.asarray(a + 0.1 * draw.standard_normal(a.shape)), drawn(cell))
    state = jax.tree.map(lambda a: near(a, draw, (BATCH, *a.shape)), cell.initial_state(params))
    return params, state, jnp.asarray(draw.standard_normal((BATCH, TIME, INPUTS)))


def drawn(cell):
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), cell.init(jax.random.key(1), INPUTS))


def near(start, draw, shape):
    """States near the initial one: a start state must be one that the cell can be in."""
    noise = (
        0.3 * draw.standard_normal(shape) if jnp.issubdtype(start.dtype, jnp.inexact) else jnp.zeros(shape, start.dtype)
    )
    return jnp.broadcast_to(start, shape) + noise


def everything(cell, method, params, state, xs, **options):
    """Outputs, final state, and the gradients of a loss that sees both, with respect to all that is continuous.

    The loss weighs the outputs so that turning time around turns the weights around with `reverse`.
    """

    def loss(params, smooth, xs):
        leaves, tree = jax.tree.flatten(state)
        start = jax.tree.unflatten(
            tree, [s if i in smooth_at else leaf for i, (leaf, s) in enumerate(zip(leaves, fill(smooth), strict=True))]
        )
        final, hs = unroll(cell, params, xs, start, method=method, **options)
        floats = [leaf for leaf in jax.tree.leaves(final) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
        weights = jnp.arange(1.0, hs.size + 1).reshape(hs.shape) / hs.size
        weights = weights[:, ::-1] if options.get("reverse") else weights
        return jnp.vdot(weights, jnp.sin(jnp.real(hs))) + sum(jnp.cos(2 * jnp.real(a)).sum() for a in floats), (
            final,
            hs,
        )

    leaves = jax.tree.leaves(state)
    smooth_at = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def fill(smooth):
        rest = iter(smooth)
        return [next(rest) if i in smooth_at else None for i in range(len(leaves))]

    smooth = [leaves[i] for i in smooth_at]
    quickly = {"xla_backend_optimization_level": 0}  # compiling is what takes the time
    return jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True), compiler_options=quickly)(params, smooth, xs)


def assert_same(found, expected, tolerance=1e-10):
    for (path, a), b in zip(jax.tree.leaves_with_path(found), jax.tree.leaves(expected), strict=True):
        scale = max(1.0, float(jnp.abs(b).max())) if b.size else 1.0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("name", each(cells.names()))
def test_every_cell_is_exact(float64, name):
    """With gaps, padding and resets at once: forwards as a plain scan, and backwards with time turned around.

    What is done here in blocks, `test_cells.py` asks in one piece, against finite differences.
    """
    cell = cells.create(name, hidden=HIDDEN)
    params, state, xs = problem(cell)
    gaps = jnp.ones((BATCH, TIME), bool).at[0, 2:4].set(False).at[2, 0].set(False)
    counts = gaps & (jnp.arange(TIME) < jnp.array([TIME, 0, 5])[:, None])
    resets = jnp.zeros((BATCH, TIME), bool).at[0, 3].set(True).at[2, 2].set(True)
    masks = {"mask": gaps, "lengths": jnp.array([TIME, 0, 5]), "resets": resets}
    expected = everything(cell, Reference(), params, state, xs, **masks)

    # Seen from behind, a segment begins where the one after it, in the order of the rows, has its first step.
    behind = jnp.concatenate([jnp.zeros((BATCH, 1), bool), resets[:, :0:-1]], axis=1)
    masks = {"mask": counts[:, ::-1], "resets": behind, "reverse": True}
    (value, (final, hs)), (d_params, d_state, d_xs) = everything(cell, BLOCKS, params, state, xs[:, ::-1], **masks)
    turned = (value, (final, hs[:, ::-1])), (d_params, d_state, d_xs[:, ::-1])
    assert_same(turned, expected)


@functools.cache
def expected_of(name, fields, masked, reverse):
    cell = cells.create(name, hidden=HIDDEN, **dict(fields))
    given = problem(cell), {"reverse": reverse} | ({"lengths": jnp.array([2, TIME, 5])} if masked else {})
    return cell, *given, everything(cell, Reference(), *given[0], **given[1])


@pytest.mark.parametrize(("name", "fields"), VARIANTS)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_every_option_is_exact(float64, name, fields, method):
    for masked in (False, True):
        for reverse in (False, True):
            cell, given, options, expected = expected_of(name, fields, masked, reverse)
            assert_same(everything(cell, method, *given, **options), expected)
