"""The family of models: the recurrent network, and models from outside that have no recurrent layer."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from kin import each

from gru_lab import UserError, cells, models, unroll
from gru_lab.models import Spec

SPEC = Spec(inputs=5, outputs=3, symbols=True, readout="every")
OUTSIDE = '''
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.models import Model, Network


@dataclass(frozen=True)
class Bag(Model):
    """The mean of the vectors of the steps so far, whatever their order."""

    needs_cell: ClassVar[bool] = False
    width: int = 4

    def build(self, cell, spec, rngs):
        self.check_cell(cell)
        return BagNetwork(self.width, spec, rngs)


class BagNetwork(Network):
    def __init__(self, width, spec, rngs):
        self.embed = nnx.Embed(spec.inputs, width, rngs=rngs)
        self.readout = nnx.Linear(width, spec.outputs, rngs=rngs)

    def __call__(self, inputs, lengths=None, *, key=None, rates=None, method=None):
        steps = jnp.arange(1, inputs.shape[1] + 1)[:, None]
        return self.readout(jnp.cumsum(self.embed(inputs), axis=1) / steps)
'''


@pytest.fixture
def bag(tmp_path, monkeypatch):
    (tmp_path / "outside_models.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    yield models.create("outside_models:Bag", width=6)
    sys.modules.pop("outside_models", None)


def network(model, cell, spec=SPEC, seed=0):
    return model.build(cell, spec, nnx.Rngs(params=jax.random.key(seed)))


def test_a_model_from_outside_needs_no_recurrent_layer(bag):
    built = network(bag, None)
    assert built.recurrent == () and built(jnp.array([[0, 1, 4]])).shape == (1, 3, 3)
    assert models.count_parameters(bag, None, SPEC) == {"network": 5 * 6 + 6 * 3 + 3}
    assert models.name_of(bag) == "outside_models:Bag"


def test_a_cell_too_many_or_too_few_is_told_in_a_sentence(bag):
    recurrent, cell = models.create("recurrent"), cells.create("gru")
    for make in (network, lambda model, cell: models.count_parameters(model, cell, SPEC)):
        with pytest.raises(UserError, match="cell is missing: model=recurrent is built of one"):
            make(recurrent, None)
        with pytest.raises(UserError, match="cell is GRU: model=outside_models:Bag has no cell"):
            make(bag, cell)


def test_a_model_without_a_network_is_refused():
    with pytest.raises(UserError, match="model Model lacks `build`"):
        models.Model()


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_recurrent_network_is_a_stack_of_its_cell_between_embedding_and_readout(bidirectional):
    cell = cells.create("gru", hidden=4)
    model = models.create("recurrent", layers=2, embedding=2, bidirectional=bidirectional)
    built = network(model, cell)
    assert built.recurrent == tuple(built.layers) and len(built.recurrent) == 2
    sides = [("forward", "params"), ("backward", "params")] if bidirectional else [("params",)]
    # The names under which parameters are kept: checkpoints and exchanged weights rely on them.
    kept = {path[:-1] for path in nnx.to_flat_state(nnx.state(built)).paths}
    assert kept == {("embedding",), ("readout",)} | {("layers", n, *side) for n in (0, 1) for side in sides}
    parts = models.count_parameters(model, cell, SPEC)
    assert list(parts) == ["embedding", "recurrent", "readout"]
    assert parts["embedding"] == 5 * 2 and parts["readout"] == 4 * (1 + bidirectional) * 3 + 3

    inputs, lengths = jnp.array([[0, 1, 4, 2], [3, 3, 0, 0]]), jnp.array([4, 2])
    xs = built.embedding(inputs)
    for layer in built.recurrent:
        ahead = [unroll(cell, w, xs, lengths=lengths, reverse=bool(n))[1] for n, w in enumerate(layer.directions)]
        xs = jnp.concatenate(ahead, axis=-1)
    np.testing.assert_allclose(built(inputs, lengths), built.readout(xs), atol=1e-6)


def test_a_share_to_drop_may_be_traced():
    built = network(models.create("recurrent", layers=3, dropout=0.3), cells.create("lstm", hidden=8))
    inputs, key = jnp.arange(10).reshape(2, 5) % 5, jax.random.key(1)
    still, static = built(inputs), built(inputs, key=key)
    traced = jax.jit(lambda rate, key: built(inputs, key=key, rates={"dropout": rate}))
    np.testing.assert_allclose(traced(0.3, key), static, atol=1e-6)
    np.testing.assert_allclose(traced(0.0, key), still, atol=1e-6)
    assert not np.allclose(static, still) and not np.allclose(traced(0.6, key), static)
    np.testing.assert_allclose(traced(0.6, key), built(inputs, key=key, rates={"dropout": 0.6}), atol=1e-6)


@pytest.mark.parametrize("name", each(cells.names()))
def test_the_hidden_size_of_a_budget_is_found_in_few_counts(name, monkeypatch):
    model, spec = models.create("recurrent"), Spec(2, 1, False, "last")
    real, counted = models.count_parameters, []
    monkeypatch.setattr("gru_lab.models.budget.count_parameters", lambda *a: counted.append(a) or real(*a))

    def make(hidden):
        return cells.create(name, hidden=hidden)

    budget = sum(real(model, make(37), spec).values())
    assert [models.hidden_for(model, make, spec, budget + off) for off in (-1, 0, 1)] == [37] * 3
    steps = name == "s6"  # its rank grows by steps with its size, so that no quadratic goes through its counts
    assert len(counted) <= 3 * (10 if steps else 6)  # every one is a trace of the network


def test_a_budget_that_no_size_meets_names_the_nearest():
    def make(hidden):
        return cells.create("lstm", hidden=hidden)

    with pytest.raises(UserError, match="hidden=27 has 4,356 and hidden=28 has 4,629"):
        models.hidden_for(models.create("recurrent"), make, Spec(10, 9, True, "every"), 4500)
