"""Golden steps: a class whose numbers change must raise its revision, so that results of before are not taken for new.

After raising `revision` of a class, write its numbers anew with `python tests/training/test_revisions.py`, and commit
both together: records of runs with other classes stay valid.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gru_lab import cells, models, recurrence, tasks
from gru_lab.models import Spec
from gru_lab.recurrence import unroll
from gru_lab.schema import Schema
from gru_lab.tasks import Task
from gru_lab.training import Experiment, Training, optimizers, remedies
from gru_lab.training.train import make_program

sys.path.append(str(Path(__file__).parents[1]))  # this file is also run by itself
import kin

GOLDEN = Path(__file__).with_name("golden_steps.json")
FAMILIES = {
    "cell": cells,
    "task": tasks,
    "model": models,
    "method": recurrence,
    "optimizer": optimizers,
    "remedy": remedies,
}
CHAOTIC = ("lorenz", "mackey_glass")  # rounding grows: another processor gives other digits
CLASSES = [(group, name) for group, family in FAMILIES.items() for name in family.names()]
CLASSES.append(("training", "training"))  # the loop itself


def weighed(tree):
    """One number of a pytree that feels every entry of it."""
    leaves = [jnp.ravel(jnp.abs(leaf) / 2 + jnp.real(leaf)) for leaf in jax.tree.leaves(tree)]
    return sum((jnp.vdot(leaf, jnp.cos(jnp.arange(leaf.size) * 1.0)) for leaf in leaves), jnp.zeros(()))


def trained(cell, params, method):
    """The outputs of a layer over four steps, and the gradient of their weighed sum."""
    xs = jnp.sin(jnp.arange(24.0)).reshape(2, 4, 3)
    loss = jax.value_and_grad(lambda p: weighed(unroll(cell, p, xs, method=method)[1]))
    return jax.jit(lambda p: jax.tree.map(weighed, loss(p)))(params)


def cell_step(cell):
    """How parameters are drawn, what two steps give, and the gradient."""
    params = cell.init(jax.random.key(0), 3)

    def loss(params):
        states = [cell.initial_state(params)]
        for x in jnp.sin(jnp.arange(6.0)).reshape(2, 3):
            states.append(cell.step(params, states[-1], x))
        return weighed([cell.read(state) for state in states])

    return weighed(params), *jax.tree.leaves(
        jax.jit(lambda p: jax.tree.map(weighed, jax.value_and_grad(loss)(p)))(params)
    )


def task_step(task):
    source = task.source()
    if source.streamed:
        batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), source.take(0, 0, 1, 3))
    else:
        batch = source.draw(source.arrays(), jax.random.key(0), 3)
    shape = (*batch.targets.shape[: 2 if task.readout == "every" else 1], task.outputs)
    outputs = jnp.sin(jnp.arange(np.prod(shape) * 1.0)).reshape(shape)
    measured = {name: each.mean for name, each in task.measure(outputs, batch).items()}
    return weighed((batch.inputs, batch.targets)), task.loss(outputs, batch).mean, weighed(measured)


def model_step(model):
    spec, xs = Spec(3, 2, False, "last"), jnp.sin(jnp.arange(24.0)).reshape(2, 4, 3)
    if model.reads_pairs:
        symbols = jnp.arange(8).reshape(2, 4)
        spec, xs = Spec(3, 2, True, "every", paired=True), (symbols % 3, symbols % 2)
    cell = cells.create("rnn", hidden=4) if model.needs_cell else None

    def step(key):
        network = model.build(cell, spec, nnx.Rngs(params=key))
        return weighed(nnx.state(network)), weighed(network(xs))

    return jax.jit(step)(jax.random.key(0))


def method_step(method):
    cell = cells.create("mingru" if isinstance(method, recurrence.Associative) else "gru", hidden=8)
    return trained(cell, cell.init(jax.random.key(0), 3), method)


def optimizer_step(optimizer):
    chain, params = optimizer.chain(10), {"w": jnp.array([1.0, -2.0, 3.0])}
    state, seen = chain.init(params), []
    for _ in range(3):
        change, state = chain.update(params, state, params, value=jnp.ones(()))
        params = jax.tree.map(jnp.add, params, change)
        seen.append(weighed(change))
    return tuple(seen)


def remedy_step(remedy):
    ours = Experiment(cells.create("rnn", hidden=4), tasks.create("adding", length=6), remedy=remedy)
    network = make_program(ours).network
    params = make_program(Experiment(ours.cell, ours.task)).init(jax.random.key(0), ours.hyper).params
    batch = ours.task.sample(jax.random.key(1), 3)
    if type(remedy).penalty is remedies.Remedy.penalty:
        return (weighed(params),)
    penalty = jax.value_and_grad(lambda p: remedy.penalty(network(p), batch, lambda o: ours.task.loss(o, batch).mean))
    return jax.jit(lambda p: jax.tree.map(weighed, penalty(p)))(params)


def training_step(training):
    """Two updates and an evaluation."""
    ours = Experiment(cells.create("rnn", hidden=4), tasks.create("adding", length=6), training=training)
    program = make_program(ours, dropout=False)

    def trained(key):
        validation = program.source.holdout("validation", 4)
        chunks = jax.tree.map(lambda leaf: leaf[None], validation._replace(weights=ours.task.weights(validation)))
        data = {"train": program.source.arrays(), "validation": chunks}
        state, values = program.advance(program.init(key, ours.hyper), data, None)
        return weighed(values), weighed(state.params), weighed(state.best_params)

    return jax.jit(trained)(jax.random.key(7))


STEPS = {group: globals()[f"{group}_step"] for group, _ in CLASSES}


def entry(group, name):
    """What a class gives today, and the revisions that are its own."""
    size = {"hidden": 8} if group == "cell" else {}
    small = Training(updates=2, evaluate_every=2, batch=2, validation=4, test=4)
    part = small if group == "training" else FAMILIES[group].create(name, **size)
    numbers = [float(number) for number in jax.tree.leaves(tuple(STEPS[group](part)))]
    bases = [cls for cls in type(part).__mro__ if issubclass(cls, Schema) and cls is not Schema]
    revisions = {cls.__name__: vars(cls).get("revision", 1) for cls in bases}
    return {"revisions": revisions, "numbers": [float(f"{number:.7g}") for number in numbers]}


def golden():
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(
    ("group", "name"),
    [
        pytest.param(*each, marks=[pytest.mark.slow] * (each[1] in kin.CELLS | kin.TASKS), id="/".join(each))
        for each in CLASSES
    ],
)
def test_the_numbers_of_a_class_are_those_of_its_revision(group, name):
    ours, theirs = entry(group, name), golden().get(f"{group}/{name}")
    anew = "write its numbers anew with python tests/training/test_revisions.py"
    assert theirs is not None, f"{group} {name!r} is new: {anew}"
    assert ours["revisions"] == theirs["revisions"], f"the revision of {group} {name!r} was raised: {anew}"
    loose = 5e-3 if name in CHAOTIC else 0
    same = np.allclose(ours["numbers"], theirs["numbers"], rtol=max(2e-4, loose), atol=max(2e-5, loose))
    assert same, f"the numbers of {group} {name!r} changed: raise this class's revision, and {anew}"


def test_no_class_is_left_over():
    assert set(golden()) == {f"{group}/{name}" for group, name in CLASSES}


def test_a_change_is_felt(monkeypatch):
    """The guard of this file: another initialisation, another equation, another loss."""
    gru, adding = type(cells.create("gru")), tasks.create("adding")
    before = entry("cell", "gru")["numbers"]
    step = gru.step
    monkeypatch.setattr(gru, "step", lambda self, params, h, x: 1.001 * step(self, params, h, x))
    assert not np.allclose(before, entry("cell", "gru")["numbers"], rtol=2e-4, atol=2e-5)
    before = task_step(adding)
    losses = Task.losses
    monkeypatch.setattr(Task, "losses", lambda self, outputs, targets: 1.001 * losses(self, outputs, targets))
    assert not np.allclose(before, task_step(adding), rtol=2e-4, atol=2e-5)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import specimens

    specimens.install()
    written = {f"{group}/{name}": entry(group, name) for group, name in CLASSES}
    GOLDEN.write_text("{\n" + ",\n".join(f'"{name}": {json.dumps(each)}' for name, each in written.items()) + "\n}\n")
