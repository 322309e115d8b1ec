"""The Transformer, the TCN, and recurrent layers in blocks: causality, padding, gradients, budgets, memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import adam, experiment, run

from gru_lab import UserError, cells, models, tasks
from gru_lab.data import Batch
from gru_lab.data.memory import bytes_per_sequence
from gru_lab.models import Spec
from gru_lab.training.measure import Asked, fits, measurement
from gru_lab.training.train import make_program

BLOCKS = {"norm": "rms", "residual": True, "glu": True, "mlp": "gated", "layers": 2}
SMALL = {
    "transformer": (models.create("transformer", width=6, heads=2, dropout=0.1), None),
    "tcn": (models.create("tcn", width=4, levels=2, kernel=3, dropout=0.1, masks="sequence"), None),
    "blocks": (models.create("recurrent", dropout=0.1, **BLOCKS), cells.create("lru", hidden=3)),
}
STATELESS = [name for name in models.names() if not models.get(name).needs_cell]
TIME, LENGTH = 9, 6


def built(name, spec):
    model, cell = SMALL[name]
    return model.build(cell, spec, nnx.Rngs(params=jax.random.key(0)))


def test_every_model_without_a_cell_is_tried_here():
    assert set(STATELESS) <= set(SMALL)


@pytest.mark.parametrize(
    ("name", "symbols"), [("transformer", True), ("transformer", False), ("tcn", False), ("blocks", True)]
)
def test_an_output_sees_all_earlier_inputs_and_no_later_one(name, symbols):
    network = built(name, Spec(3, 2, symbols, "every"))
    inputs = jnp.arange(TIME)[None] % 3 if symbols else jax.random.normal(jax.random.key(1), (1, TIME, 3))
    run = jax.jit(lambda inputs, key: network(inputs, key=key))
    changed = inputs.at[0, LENGTH].add(1 - 2 * (inputs[0, LENGTH] > 1))
    for key in (None, jax.random.key(2)):  # with the same dropout on both sides
        moved = np.abs(run(changed, key) - run(inputs, key)).max(axis=-1)[0]
        assert (moved[:LENGTH] == 0).all() and moved[LENGTH] > 0
    assert moved[LENGTH + 1 :].max() > 0


@pytest.mark.parametrize("name", SMALL)
def test_padding_changes_no_answer_and_no_gradient(name):
    network = built(name, Spec(3, 2, False, "last"))
    graph, params = nnx.split(network)
    xs = jax.random.normal(jax.random.key(1), (2, TIME, 3))
    lengths = jnp.array([LENGTH, TIME])

    @jax.jit
    def answers(params, xs, lengths):
        def loss(params, xs):
            out = nnx.merge(graph, params)(xs, lengths)
            return jnp.sum(out**2), out

        return jax.grad(loss, (0, 1), has_aux=True)(params, xs)

    (by_params, by_xs), out = answers(params, xs, lengths)
    (by_params_2, _), other = answers(params, xs.at[0, LENGTH:].set(1e3), lengths)
    np.testing.assert_array_equal(out, other)
    jax.tree.map(np.testing.assert_array_equal, by_params, by_params_2)
    assert (by_xs[0, LENGTH:] == 0).all() and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(by_params))
    alone = jax.jit(lambda: network(xs[:1, :LENGTH]))()
    np.testing.assert_allclose(out[:1], alone, atol=1e-5)


@pytest.mark.parametrize("name", STATELESS)
def test_a_budget_is_met_whatever_the_task_asks(name):
    for spec, parameters in ((Spec(2, 1, False, "last"), 4500), (Spec(10, 9, True, "every"), 30_000)):
        model = models.sized(models.create(name, parameters=parameters), spec)
        count = sum(models.count_parameters(model, None, spec).values())
        assert abs(count / parameters - 1) <= 0.02 and models.sized(model, spec) == model
    with pytest.raises(UserError, match=rf"model\.parameters is 20: for model={name} no .* within 2%: .* has"):
        models.sized(models.create(name, parameters=20), spec)


def test_fields_that_follow_the_budget_are_numbers_in_an_experiment():
    ours = experiment(None, model=models.create("transformer", parameters=5000))
    assert isinstance(ours.model.width, int) and ours.network == "transformer"
    with pytest.raises(UserError, match=r"write model\.width=auto model\.units=auto to choose the size by the budget"):
        experiment(None, model=models.create("transformer", parameters=5000, width=64, units=64))


def test_the_receptive_field_of_a_tcn_is_what_it_says():
    model = models.create("tcn", width=4, levels=2, kernel=3)
    assert model.receptive_field == 13
    network = model.build(None, Spec(1, 1, False, "every"), nnx.Rngs(params=jax.random.key(3)))
    xs = jax.random.normal(jax.random.key(1), (1, 40, 1))
    reached = jax.jit(jax.grad(lambda xs: network(xs)[0, -1, 0]))(xs)[0, :, 0]
    assert (reached[:-13] == 0).all()


def test_attention_is_counted_in_the_memory_of_an_evaluation():
    network = built("transformer", Spec(3, 2, False, "last"))

    def bytes_each(time):
        return bytes_per_sequence(lambda b: network(b.inputs), Batch(jnp.ones((4, time, 3)), jnp.ones(4)))

    heads, numbers = 2, 4
    assert bytes_each(2000) > heads * 2000**2 * numbers
    assert 3.5 < bytes_each(2000) / bytes_each(1000) < 4.1


COPY = {"name": "copy", "length": 2, "items": 1}


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("transformer", {"name": "adding", "length": 6}),
        pytest.param("tcn", COPY, marks=pytest.mark.slow),
        pytest.param("blocks", COPY, marks=pytest.mark.slow),
    ],
)
def test_gradient_flow_is_measured_beside_that_of_cells(name, task):
    model, cell = SMALL[name]
    ours = experiment(cell, tasks.create(**task), model=model)
    program = make_program(ours)
    params = jax.jit(lambda key: program.init(key, ours.hyper).params)(jax.random.key(0))
    batch = jax.jit(lambda: program.source.holdout("validation", 4))()
    norm = jax.jit(measurement(ours, program, Asked.of("gradient_flow")))(params, batch)["norm"]
    assert np.isfinite(norm).all() and norm[0] > 0
    assert fits(ours, Asked.of("gates").diagnostic) is False
    if cell is not None:

        @jax.jit
        def both(params):
            network = program.network(params)
            xs, after = network.around_last(batch.inputs, batch.lengths)
            return network(batch.inputs, batch.lengths), after(network.recurrent[-1](xs)[0])

        out, again = both(params)
        np.testing.assert_allclose(again, out if ours.task.readout == "last" else out[:, -1], atol=1e-5)


def test_remedies_refuse_layers_in_blocks():
    with pytest.raises(UserError, match="remedy is 'omega': it works on layers that stand on each other"):
        from gru_lab.training import remedies

        experiment("gru", model=SMALL["blocks"][0], remedy=remedies.create("omega"))
    with pytest.raises(UserError, match="width is 8: it is that of blocks"):
        models.create("recurrent", width=8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformer", "tcn", "recurrent"])
def test_temporal_order_is_learned(name, tmp_path):
    fields = {"tcn": {"width": 16, "levels": 4, "kernel": 3}, "recurrent": BLOCKS}.get(name, {"width": 32})
    cell = cells.create("lru", hidden=24) if name == "recurrent" else None
    ours = experiment(
        cell, tasks.create("temporal_order", length=20), seeds=1, updates=2000, evaluate_every=250, batch=32,
        validation=500, test=1000, chunk=250, optimizer=adam(learning_rate=0.003), model=models.create(name, **fields),
    )  # fmt: skip
    (value,) = run(ours, tmp_path).values()
    assert value > 0.95
