"""Remedies: each penalty held to its definition, and what each does to a run."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.flatten_util import ravel_pytree
from tiny import SIZES, Killed, command, contents, run, stopper

from gru_lab import Experiment, UserError, cells, tasks
from gru_lab.composition import compose
from gru_lab.data import Batch, in_chunks
from gru_lab.models import Network
from gru_lab.models import create as model
from gru_lab.runs import find_records
from gru_lab.training import Population, Training, optimizers, remedies
from gru_lab.training.callbacks.checkpoint import Checkpoint
from gru_lab.training.remedies.remedy import of_layers, scheduled, when
from gru_lab.training.train import make_program, new_network


def experiment(cell="rnn", remedy="omega", task="adding", layers=1, seeds=2, updates=12, **fields):
    return Experiment(
        cells.create(cell, hidden=4),
        tasks.create(task, length=6) if task != "copy" else tasks.create(task, length=2, items=1, alphabet=2),
        model=model("recurrent", layers=layers),
        training=Training(updates=updates, evaluate_every=6, batch=3, validation=8, test=8, chunk=8),
        population=Population(seeds=seeds),
        remedy=remedies.create(remedy, **fields),
    )


def validation(ours, program):
    """What `advance` is given."""
    batch = program.source.holdout("validation", 8)
    return {"train": (), "validation": in_chunks(batch, 8, ours.task.weights(batch))}


def float64_network(ours, lengths):
    """A network in float64 whose layers are drawn at random, and a batch for it."""
    network = new_network(ours, jax.random.key(0))
    graph, state = nnx.split(network)
    state = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), state)
    batch = ours.task.sample(jax.random.key(1), len(lengths))
    as64 = [leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf for leaf in batch[:2]]
    return graph, state, Batch(*as64, jnp.array(lengths) if batch.lengths is None else batch.lengths)


def by_hand(ours, network, batch):
    """Omega by dense Jacobians: its parts (weights -> Omega), one a layer, at constant states and gradients."""
    cell, parts = ours.cell, []
    for depth in range(len(network.layers)):
        sums = []
        for b, length in enumerate(batch.lengths.tolist()):
            one = Batch(batch.inputs[b : b + 1], batch.targets[b : b + 1])
            xs = network.encode(one.inputs)[0, :length]
            for below in network.layers[:depth]:
                xs = roll(cell, below.weights, xs)[1]
            weights = network.layers[depth].weights
            states, _ = roll(cell, weights, xs)

            def loss_after(k, state, xs=xs, states=states, weights=weights, one=one, depth=depth, length=length):
                later = [state]
                for x in xs[k + 1 :]:
                    later.append(cell.step(weights, later[-1], x))
                hs = jnp.stack([cell.read(s) for s in [*states[1 : k + 1], *later]])
                for above in network.layers[depth + 1 :]:
                    hs = roll(cell, above.weights, hs)[1]
                if network.spec.readout == "last":
                    return ours.task.losses(network.readout(hs[-1:]), one.targets).mean()
                return ours.task.losses(network.readout(hs), one.targets[0, :length]).mean()

            for k in range(length):
                adjoint = jax.jit(jax.grad(lambda s, k=k, f=loss_after: f(k, s)))(states[k + 1])
                sums.append((states[k], xs[k], adjoint))

        each = jax.tree.map(lambda *leaves: jnp.stack(leaves), *sums)
        parts.append(jax.jit(lambda w, each=each: jnp.mean(jax.vmap(partial(of_step, cell, w))(*each))))
    return parts


def of_step(cell, weights, state, x, adjoint):
    flat, tree = ravel_pytree(state)
    J = jax.jacfwd(lambda v: ravel_pytree(cell.step(weights, tree(v), x))[0])(flat)
    u = ravel_pytree(adjoint)[0]
    return (jnp.linalg.norm(u @ J) / jnp.linalg.norm(u) - 1) ** 2


def roll(cell, weights, xs):
    states = [cell.initial_state(weights)]
    for x in xs:
        states.append(cell.step(weights, states[-1], x))
    return states, jnp.stack([cell.read(state) for state in states[1:]])


@pytest.mark.parametrize(
    ("cell", "task", "layers", "lengths"),
    [("rnn", "adding", 1, (6, 4)), pytest.param("lstm", "copy", 2, (4,), marks=pytest.mark.slow)],
)
def test_omega_is_that_of_dense_jacobians_and_its_gradient_that_of_differences(cell, task, layers, lengths, float64):
    ours = experiment(cell, task=task, layers=layers)
    graph, state, batch = float64_network(ours, lengths)

    def loss(outputs):
        return ours.task.loss(outputs, batch).mean

    def penalty(state):
        return ours.remedy.penalty(nnx.merge(graph, state), batch, loss)

    network = nnx.merge(graph, state)
    parts, weights = by_hand(ours, network, batch), [layer.weights for layer in network.layers]
    np.testing.assert_allclose(penalty(state), sum(f(w) for f, w in zip(parts, weights, strict=True)), rtol=1e-9)

    gradient = jax.jit(jax.grad(penalty))(state)
    assert all(jnp.all(leaf == 0) for leaf in jax.tree.leaves(gradient["readout"]))
    for n, (omega, w) in enumerate(zip(parts, weights, strict=True)):
        ours_of_layer = nnx.merge(graph, gradient).layers[n].weights
        for name in w:
            direction = jax.random.normal(jax.random.key(2), w[name].shape, jnp.float64)
            ahead, behind = (omega(w | {name: w[name] + sign * 1e-5 * direction}) for sign in (1, -1))
            expected = (ahead - behind) / 2e-5
            np.testing.assert_allclose(
                jnp.sum(ours_of_layer[name] * direction), expected, rtol=1e-6, atol=1e-9, err_msg=name
            )


def test_omega_leaves_out_steps_that_no_gradient_reaches():
    ours = experiment("rnn", layers=1)
    ours = dataclasses.replace(ours, cell=cells.create("rnn", hidden=4, nonlinearity="relu"))
    network = new_network(ours, jax.random.key(0))
    network.layers[0].params["b_h"][...] = jnp.full(4, -10.0)  # all units are off: dL/dh reaches the last state alone
    batch = ours.task.sample(jax.random.key(1), 3)

    def penalty(n):
        return ours.remedy.penalty(n, batch, lambda outputs: ours.task.loss(outputs, batch).mean)

    value, gradient = nnx.value_and_grad(penalty)(network)
    assert value == 1 and all(jnp.all(leaf == 0) for leaf in jax.tree.leaves(gradient))


def test_when_costs_nothing_where_it_is_not_due_even_under_vmap():
    """The branch is still a branch in the compiled population: `lax.cond`, and no select of two computed values."""

    def f(update, x):
        return when(scheduled(update, 3, 5), jnp.sin, x)

    updates, xs = jnp.array([0, 1, 3, 6]), jnp.ones(4)
    members = jax.vmap(f)
    np.testing.assert_array_equal(members(updates, xs), jnp.where(jnp.array([1, 0, 1, 0]), jnp.sin(xs), xs))
    outer = [eqn.primitive.name for eqn in jax.make_jaxpr(members)(updates, xs).eqns]
    assert "cond" in outer and "sin" not in outer


def test_a_penalty_is_added_to_the_gradient_when_it_is_due():
    plain, ours = experiment(remedy="none"), experiment(every=4, until=5)
    after = {}
    for name, each in (("plain", plain), ("ours", ours)):
        program = make_program(each)
        advance, data = jax.jit(program.advance), validation(each, program)
        state = program.init(jax.random.key(0), each.hyper)
        for update in (0, 6):
            after[name, update] = advance(state._replace(update=jnp.asarray(update, jnp.int32)), data, None)[0]
    assert after["ours", 6].update == 12
    jax.tree.map(np.testing.assert_array_equal, after["plain", 6].params, after["ours", 6].params)
    pairs = zip(*(jax.tree.leaves(after[name, 0].params) for name in ("plain", "ours")), strict=True)
    assert not all(np.allclose(a, b) for a, b in pairs)


@pytest.mark.slow
def test_members_differ_in_the_strength_of_a_remedy(tmp_path):
    result = run(
        dataclasses.replace(experiment(), population=Population(seeds=1, axes={"remedy.strength": [0, 1]})), tmp_path
    )
    plain = run(experiment(remedy="none", seeds=1), tmp_path)
    assert [record.member.hyper["remedy.strength"] for record in result.records] == [0, 1]
    without, with_it = result.values()
    np.testing.assert_allclose(without, plain.values()[0], rtol=1e-5)
    assert abs(with_it - without) > 1e-4


def leading_exponents(weights, xs, k):
    """Of a vanilla network by QRs of its dense Jacobians diag(1 - h'^2) U, in NumPy."""
    W, U, b = (np.asarray(weights[name], np.float64) for name in ("W_h", "U_h", "b_h"))
    h, Q, total = np.zeros(len(b)), np.eye(len(b))[:, :k], 0.0
    for x in np.asarray(xs, np.float64):
        h = np.tanh(x @ W + h @ U + b)
        Q, R = np.linalg.qr((1 - h**2)[:, None] * (U.T @ Q))
        total = total + np.log(np.abs(np.diag(R)))
    return total / len(xs)


def test_flossing_moves_the_leading_exponents_towards_zero_and_nothing_but_the_recurrence():
    ours = dataclasses.replace(
        experiment("rnn", "flossing", k=3, before=40),
        cell=cells.create("rnn", hidden=8),
        task=tasks.create("adding", length=40),
        optimizer=optimizers.create("adam", learning_rate=0.01),
    )
    plain = dataclasses.replace(ours, remedy=remedies.create("none"))
    found = {}
    for name, each in (("before", plain), ("after", ours)):
        program = make_program(each)
        network = program.network(program.init(jax.random.key(0), each.hyper).params)
        batch = program.source.holdout("validation", 8)
        found[name] = np.mean([leading_exponents(network.layers[0].weights, xs, 3) for xs in batch.inputs], axis=0)
        found[f"{name} readout"] = network.readout.kernel[...]
    assert np.sum(found["after"] ** 2) < 0.05 * np.sum(found["before"] ** 2), found
    np.testing.assert_array_equal(found["before readout"], found["after readout"])


FIELDS = {"omega": ["remedy.every=3"], "flossing": ["remedy.before=3", "remedy.every=3", "remedy.updates=2"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in remedies.names() if name != "none"])
def test_a_run_of_the_command_line_with_a_remedy_and_a_killed_one_end_in_the_same_bytes(name, tmp_path):
    line = [f"remedy={name}", *FIELDS.get(name, []), "training.updates=8", "population.placement=vmap"]
    assert command(*line, f"paths.runs={tmp_path}") == 0
    (group,) = find_records([tmp_path]).groups
    straight = group.shared.folder.parents[1]
    assert group.shared.config["remedy"]["name"] == name and group.shared.status == "finished"
    ours = compose("train", [*SIZES, *line])[0].experiment
    with pytest.raises(Killed):
        run(ours, tmp_path / "killed", [Checkpoint(seconds=0), stopper(65, "evaluated", Killed, 2)])
    assert contents(run(ours, tmp_path / "killed").folder) == contents(straight)


def test_a_remedy_asks_for_layers():
    for fields, sentence in (({"bidirectional": True}, "it works on layers of one direction"),):
        with pytest.raises(UserError, match=sentence):
            dataclasses.replace(experiment(), model=model("recurrent", **fields))
    with pytest.raises(UserError, match="remedy works on the layers of model=recurrent, and the network is a Network"):
        of_layers(Network())
