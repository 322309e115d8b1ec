"""What every registered diagnostic promises, of cells of every kind; a new one is found by its registration."""

import jax
import jax.numpy as jnp
import kin
import numpy as np
import pytest

from gru_lab import cells, diagnostics
from gru_lab.schema import UserError

TIME, INPUTS, LENGTHS = 9, 2, (9, 5)
FEW = ("rnn", "gru", "lstm", "urnn")


def loss(outputs_BO):
    return jnp.sum(outputs_BO**2)


def layer(cell, key=0, xs=None):
    params = cell.init(jax.random.key(key), INPUTS)
    xs = jax.random.normal(jax.random.key(1), (2, TIME, INPUTS)) if xs is None else xs
    return diagnostics.Layer(cell, params, xs, jnp.array(LENGTHS), loss)


def answerable(diagnostic, cell):
    try:
        diagnostic.check_cell(cell)
    except UserError as why:
        assert cells.name_of(cell) in str(why)
        return False
    return True


@pytest.mark.parametrize("cell_name", FEW)
@pytest.mark.parametrize("name", diagnostics.names())
def test_a_diagnostic_gives_small_results_that_padding_does_not_change(name, cell_name):
    """Under jit and vmap over members, as a run uses it, and finite where the sequences reach."""
    diagnostic, cell = diagnostics.create(name), cells.create(cell_name, hidden=4)
    if not answerable(diagnostic, cell):
        with pytest.raises(UserError, match=cell_name):
            diagnostic.measure(layer(cell))
        return
    plain = layer(cell)
    members = jax.vmap(lambda key: cell.init(key, INPUTS))(jax.random.split(jax.random.key(0), 2))

    @jax.jit
    def measure(params, xs):
        return jax.vmap(lambda p: diagnostic.measure(plain._replace(params=p, xs=xs)))(params)

    found = measure(members, plain.xs)
    padded = measure(members, plain.xs.at[1, LENGTHS[1] :].set(jnp.nan))
    for key, value in found.items():
        np.testing.assert_allclose(padded[key], value, rtol=1e-5, err_msg=f"{key} sees the padding")
        assert value[0].size <= 100 and np.isfinite(value[0]).any(), key


@pytest.mark.parametrize("name", diagnostics.names())
def test_every_cell_can_be_asked_or_is_refused_in_a_sentence(name):
    diagnostic, asked = diagnostics.create(name), 0
    for cell in (cells.create(one, hidden=4) for one in {*cells.names()} - kin.CELLS):
        if answerable(diagnostic, cell):
            asked += 1
            shapes = jax.eval_shape(
                lambda p, cell=cell: diagnostic.measure(layer(cell)._replace(params=p)), layer(cell)[1]
            )
            assert all(shape.ndim <= 2 for shape in shapes.values())
    assert asked > 4


@pytest.mark.parametrize("name", diagnostics.names())
def test_a_diverged_checkpoint_is_refused(name):
    sick = layer(cells.create("gru", hidden=4))
    sick.params["U_n"] = sick.params["U_n"].at[0, 0].set(jnp.nan)
    with pytest.raises(UserError, match=r"params.U_n has values that are not finite"):
        diagnostics.create(name).measure(sick)


@pytest.mark.parametrize("name", ["gradient_flow", "jacobian"])
def test_more_lags_than_steps_are_refused(name):
    with pytest.raises(UserError, match=r"diagnostic.lags is 10: it must be at most 9"):
        diagnostics.create(name, lags=10).measure(layer(cells.create("rnn", hidden=4)))
    assert diagnostics.create(name, lags=4).measure(layer(cells.create("rnn", hidden=4)))["horizon"] <= 4
