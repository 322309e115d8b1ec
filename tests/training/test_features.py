"""Training features: each against what it is by its definition, and all of them at once through a kill."""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import Killed, contents, experiment, run, stopper

from gru_lab import Experiment, UserError, cells, models, tasks, unroll, unroll_stack
from gru_lab.cells.wrappers import LayerNorm, Zoneout, step_keys
from gru_lab.data import Batch, Sum, in_chunks
from gru_lab.models import Spec
from gru_lab.recurrence import Reference, Sequential
from gru_lab.recurrence.stack import dropped
from gru_lab.recurrence.truncated import Truncated
from gru_lab.training import optimizers
from gru_lab.training.callbacks.checkpoint import Checkpoint
from gru_lab.training.gradient import loss_and_gradient, noisy
from gru_lab.training.train import make_program


def sgd(rate):
    return optimizers.create("sgd", learning_rate=rate, clip="none")


PLAIN = {"optimizer": sgd(0.1), "evaluate_every": 1}


class Trained(NamedTuple):
    """The states of a member, the first its beginning, and what was measured, evaluation after evaluation."""

    states: list
    measured: list
    network: Callable
    evaluate: Callable


@cache
def trained(ours, count=4):
    program = make_program(ours)
    validation = program.source.holdout("validation", 8)
    chunks = in_chunks(validation, 8, ours.task.weights(validation))
    data, advance = {"train": program.source.arrays(), "validation": chunks}, jax.jit(program.advance)
    states, measured = [jax.jit(program.init)(jax.random.key(3), ours.hyper)], []
    for _ in range(count):
        state, values = advance(states[-1], data, None)
        states.append(state)
        measured.append(values)
    evaluate = jax.jit(lambda params: program.evaluate(params, chunks)["loss"].mean)
    return Trained(states, measured, program.network, evaluate)


def first_batch(ours):
    """The batch of the first update of a member that was `trained`."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 1), 0)
    return ours.task.sample(key, ours.training.batch)


def gap(ours, theirs):
    """The largest difference of two trees, relative to the largest number."""
    pairs = zip(*(map(np.asarray, jax.tree.leaves(tree)) for tree in (ours, theirs)), strict=True)
    return max(float(np.max(np.abs(a - b)) / (np.max(np.abs(b)) + 1e-30)) for a, b in pairs)


class TestAccumulation:
    def test_parts_of_a_batch_are_the_batch(self):
        """Sequences of any length, some that count nothing, in a part that counts nothing at all."""
        cell, draw = cells.create("gru", hidden=5), np.random.default_rng(0)
        weights = jnp.asarray(draw.integers(0, 3, 12), float).at[:3].set(0.0)
        xs, lengths = jnp.asarray(draw.normal(size=(12, 7, 2)), float), jnp.asarray(draw.integers(1, 8, 12))
        batch = Batch(xs, jnp.asarray(draw.normal(size=12), float), lengths, weights)

        def loss(params, batch, key):
            hs = unroll(cell, params, batch.inputs, lengths=batch.lengths)[0]
            return Sum(jnp.sum(batch.weights * (hs.sum(axis=1) - batch.targets) ** 2), jnp.sum(batch.weights))

        params = cell.init(jax.random.key(0), 2)
        whole, parts = (loss_and_gradient(loss, params, batch, jax.random.key(1), n) for n in (1, 4))
        assert gap(parts, whole) < 3e-6

    def test_training_in_parts_is_training(self):
        whole, parts = (trained(experiment(**PLAIN, accumulate=n)) for n in (1, 2))
        assert gap(parts.states[-1].params, whole.states[-1].params) < 1e-5
        assert gap(parts.measured, whole.measured) < 1e-5

    def test_parts_must_be_equal(self):
        with pytest.raises(UserError, match=r"training.accumulate is 3: it must divide training.batch, which is 4"):
            experiment(accumulate=3)


class TestWeightNoise:
    def test_noise_is_normal_and_of_every_number_its_own(self):
        zero = {"a": jnp.zeros((100, 100)), "b": jnp.zeros(10_000)}
        drawn = noisy(zero, 0.5, jax.random.key(0))
        for leaf in drawn.values():
            assert abs(float(leaf.std()) - 0.5) < 0.02 and abs(float(leaf.mean())) < 0.02
        assert abs(float(jnp.vdot(drawn["a"].ravel(), drawn["b"]))) / 10_000 / 0.25 < 0.04
        assert gap(noisy(zero, 0.5, jax.random.key(1)), drawn) > 0.5

    def test_the_gradient_is_taken_under_it_and_nothing_is_evaluated_with_it(self):
        ours = experiment(**PLAIN, weight_noise=0.3)
        run = trained(ours)
        start, batch = run.states[0].params, first_batch(ours)
        moved = noisy(start, 0.3, jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 5), 0))
        loss, gradient = jax.value_and_grad(
            lambda p: ours.task.loss(run.network(p)(batch.inputs), batch).mean
        )(moved)  # fmt: skip
        assert gap(moved, start) > 0.1, "the noise is felt"
        assert gap(run.states[1].params, jax.tree.map(lambda p, g: p - 0.1 * g, start, gradient)) < 1e-6
        np.testing.assert_allclose(run.measured[0]["train_loss"], loss, rtol=1e-6)
        for state, values in zip(run.states[1:], run.measured, strict=True):
            np.testing.assert_allclose(values["loss"], run.evaluate(state.params), rtol=1e-6)


class TestAverage:
    def test_the_average_is_that_of_optax_and_it_is_what_is_evaluated_and_kept(self):
        run, plain = trained(experiment(**PLAIN, average=0.8)), trained(experiment(**PLAIN))
        average = optax.ema(0.8, debias=True)
        remembered, losses = average.init(run.states[0].params), []
        for state, values in zip(run.states[1:], run.measured, strict=True):
            expected, remembered = average.update(state.params, remembered)
            assert gap(state.average, expected) < 1e-5
            losses.append(float(run.evaluate(expected)))
            np.testing.assert_allclose(values["loss"], losses[-1], rtol=1e-5)
        best = 1 + int(np.argmin(losses))
        assert int(run.states[-1].best_at) == best and gap(run.states[-1].best_params, run.states[best].average) == 0
        last = run.states[-1]
        assert gap(plain.states[-1].params, last.params) == 0 and gap(last.params, last.average) > 1e-3

    def test_averages_lie_where_the_cell_wants_its_parameters(self):
        cell = Bounded(hidden=3)
        last = trained(experiment(cell, **PLAIN, average=0.9), 1).states[-1]
        assert np.all(last.average["layers"][0]["params"]["W_h"][...] == 0.25)


@dataclasses.dataclass(frozen=True)
class Bounded(type(cells.create("rnn"))):
    """A cell whose input weights must be a quarter."""

    def constrain(self, params, length):
        return {"W_h": jnp.full_like(params["W_h"], 0.25)}


def test_a_member_stops_when_evaluations_no_longer_improve(tmp_path):
    """At a rate of nothing the first evaluation is the best for ever."""
    ours = experiment(updates=40, optimizer=sgd(1e-30), patience=3)
    for record in run(ours, tmp_path).records:
        assert (record.updates, record.best_at, record.stopped) == (2 + 3 * 2, 2, "patience")


def by_hand(cell, params, xs, weights, k, reverse=False):
    """TBPTT(k, k) of sum(weights * hs) for one sequence: Jacobian products step by step, cut after every k steps."""
    order = range(len(xs))[::-1] if reverse else range(len(xs))
    states, pulls = [cell.initial_state(params)], []
    for t in order:
        state, pull = jax.vjp(lambda p, s, x: cell.step(p, s, x), params, states[-1], xs[t])
        states.append(state)
        pulls.append(pull)
    total, at_inputs = jax.tree.map(jnp.zeros_like, params), [None] * len(xs)
    back = jax.tree.map(jnp.zeros_like, states[-1])
    for n, t in reversed([*enumerate(order)]):
        seen = jax.vjp(cell.read, states[n + 1])[1](weights[t])[0]
        of_params, back, at_inputs[t] = pulls[n](jax.tree.map(jnp.add, back, seen))
        total = jax.tree.map(jnp.add, total, of_params)
        if n % k == 0:
            back = jax.tree.map(jnp.zeros_like, back)
    return total, jnp.stack(at_inputs)


class TestTruncation:
    @pytest.mark.parametrize(
        ("name", "method", "reverse"),
        [("lstm", Sequential(), False), ("gru", Sequential(), True), ("rnn", Reference(), False)],
    )
    def test_gradients_are_those_of_truncated_backpropagation(self, name, method, reverse, float64):
        cell = cells.create(name, hidden=4)
        params, draw = cell.init(jax.random.key(0), 3), np.random.default_rng(0)
        xs, weights = jnp.asarray(draw.normal(size=(2, 7, 3))), jnp.asarray(draw.normal(size=(2, 7, 4)))

        def gradients(method, **options):
            def loss(params, xs):
                return jnp.sum(weights * unroll(cell, params, xs, method=method, reverse=reverse, **options)[1])

            return jax.jit(jax.grad(loss, argnums=(0, 1)))(params, xs)

        full = gradients(method)
        for k in (1, 3) if name == "lstm" else (3,):
            ours, theirs = gradients(Truncated(steps=k, method=method)), [
                by_hand(cell, params, x, w, k, reverse) for x, w in zip(xs, weights, strict=True)
            ]  # fmt: skip
            expected = jax.tree.map(jnp.add, theirs[0][0], theirs[1][0]), jnp.stack([each[1] for each in theirs])
            assert gap(ours, expected) < 1e-12 and gap(ours, full) > 1e-3
        assert gap(gradients(Truncated(steps=7, method=method)), full) == 0
        lengths = jnp.array([7, 4])
        if name == "lstm":
            ours = gradients(Truncated(steps=3, method=method), lengths=lengths)
            theirs = by_hand(cell, params, xs[0], weights[0], 3), by_hand(cell, params, xs[1, :4], weights[1], 3)
            assert gap(ours[0], jax.tree.map(jnp.add, theirs[0][0], theirs[1][0])) < 1e-12

    def test_a_masked_step_lets_no_gradient_through_either(self):
        cell = cells.create("rnn", hidden=4)
        params, xs = cell.init(jax.random.key(0), 3), jnp.ones((1, 6, 3))
        mask = jnp.ones((1, 6), bool).at[0, 2].set(False)  # the step at which a chunk begins

        def last(xs, steps):
            return unroll(cell, params, xs, mask=mask, method=Truncated(steps=steps))[1][0, -1].sum()

        felt = [(jax.grad(last)(xs, steps) != 0).any(axis=-1)[0].tolist() for steps in (6, 2, 4)]
        assert felt == [[True, True, False, True, True, True], [False] * 4 + [True] * 2, [False] * 4 + [True] * 2]

    def test_training_is_cut_and_evaluation_is_as_before(self):
        cut, full = (trained(experiment(**PLAIN, truncate=k)) for k in (2, None))
        assert gap(cut.states[1].params, full.states[1].params) > 1e-5
        np.testing.assert_allclose(cut.measured[0]["train_loss"], full.measured[0]["train_loss"], rtol=1e-6)
        np.testing.assert_allclose(cut.measured[0]["loss"], full.evaluate(cut.states[1].params), rtol=1e-6)


def test_recurrent_products_are_of_bfloat16_in_training_alone():
    ours = experiment(**PLAIN, precision="bfloat16")
    low, full = trained(ours), trained(experiment(**PLAIN))
    start, batch = low.states[0].params, first_batch(ours)
    network = low.network(start)
    weights = network.layers[0].weights

    def product(x, w):
        x, w = (np.asarray(each.astype(jnp.bfloat16), np.float64) for each in (x, w))
        return jnp.asarray(x @ w, jnp.float32)

    h = jnp.zeros((4, 3))
    for t in range(4):
        h = jnp.tanh(product(batch.inputs[:, t], weights["W_h"]) + product(h, weights["U_h"]) + weights["b_h"])
    loss = ours.task.loss(network.readout(h), batch).mean
    np.testing.assert_allclose(low.measured[0]["train_loss"], loss, rtol=1e-6)
    assert abs(full.measured[0]["train_loss"] - loss) > 1e-5 * loss
    for state, values in zip(low.states[1:], low.measured, strict=True):
        assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
        np.testing.assert_allclose(values["loss"], low.evaluate(state.params), rtol=1e-6)
    moved, other = (jax.tree.map(jnp.subtract, each.states[1].params, start) for each in (low, full))
    assert 1e-5 < gap(moved, other) < 3e-2


class TestDropout:
    XS, KEY = jnp.sin(jnp.arange(90.0)).reshape(3, 6, 5), jax.random.key(4)

    def built(self, cell="lstm", readout="every", **fields):
        model = models.create("recurrent", **fields)
        return model.build(cells.create(cell, hidden=4), Spec(5, 2, False, readout), nnx.Rngs(params=jax.random.key(0)))

    def test_a_share_is_dropped_and_the_rest_scaled(self):
        ones = jnp.ones((100, 20, 30))
        for same_mask in (False, True):
            thinned = np.asarray(dropped(self.KEY, ones, 0.25, same_mask))
            assert set(np.unique(thinned)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
            assert abs((thinned == 0).mean() - 0.25) < 0.03
            assert (thinned == thinned[:, :1]).all() == same_mask
        assert dropped(self.KEY, ones, 0.0) is ones

    @pytest.mark.parametrize("masks", ["step", "sequence"])
    def test_what_enters_leaves_and_goes_around_is_dropped_in_training_alone(self, masks):
        """Step by step, by equation 7 of Gal & Ghahramani: the state that a step sees is thinned, not the one kept."""
        rates = {"input_dropout": 0.3, "state_dropout": 0.4, "output_dropout": 0.2}
        network, plain = self.built(**rates, masks=masks), self.built()
        same, (layer,) = masks == "sequence", network.layers
        keys = step_keys(jax.random.fold_in(jax.random.fold_in(self.KEY, 2), 0), 3, 6, same=same)
        xs = dropped(jax.random.fold_in(self.KEY, 0), self.XS, 0.3, same)

        def outputs(xs, keys):
            def step(state, seen):
                (h, c), (x, key) = state, seen
                state = layer.cell.step(layer.weights, (h * jax.random.bernoulli(key, 0.6, h.shape) / 0.6, c), x)
                return state, layer.cell.read(state)

            return jax.lax.scan(step, layer.cell.initial_state(layer.weights), (xs, keys))[1]

        hs = dropped(jax.random.fold_in(self.KEY, 1), jax.vmap(outputs)(xs, keys), 0.2, same)
        np.testing.assert_allclose(network(self.XS, key=self.KEY), network.readout(hs), atol=1e-6)
        if masks == "step":
            traced = jax.jit(lambda rates: plain(self.XS, key=self.KEY, rates=rates))
            np.testing.assert_allclose(traced(rates), network.readout(hs), atol=1e-6)
            np.testing.assert_allclose(traced(dict.fromkeys(rates, 0.0)), plain(self.XS), atol=1e-6)
        assert gap(network(self.XS), plain(self.XS)) == 0 and gap(network(self.XS), network.readout(hs)) > 0.01

    def test_zoneout_is_random_in_training_and_its_mean_in_evaluation(self):
        network, plain = self.built("gru", "last", zoneout=0.5), self.built("gru", "last")
        (layer,) = network.layers
        assert jax.tree.structure(nnx.state(network)) == jax.tree.structure(nnx.state(plain))
        keys = step_keys(jax.random.fold_in(jax.random.fold_in(self.KEY, 2), 0), 3, 6)
        kept = jax.vmap(jax.vmap(lambda key: jax.random.bernoulli(jax.random.split(key, 1)[0], 0.5, (4,))))(keys)
        step = jax.jit(jax.vmap(lambda h, x: plain.cell.step(layer.weights, h, x)))
        h_train = h_mean = jnp.zeros((3, 4))
        for t in range(6):
            h_train = jnp.where(kept[:, t], h_train, step(h_train, self.XS[:, t]))
            h_mean = 0.5 * h_mean + 0.5 * step(h_mean, self.XS[:, t])
        np.testing.assert_allclose(network(self.XS, key=self.KEY), network.readout(h_train), atol=1e-6)
        np.testing.assert_allclose(network(self.XS), network.readout(h_mean), atol=1e-6)

    def test_two_kinds_of_noise_on_the_state_are_refused(self):
        with pytest.raises(UserError, match=r"model\.state_dropout is 0\.1: take null with model\.zoneout"):
            models.create("recurrent", zoneout=0.1, state_dropout=0.1)
        cell = Zoneout(cell=cells.create("gru", hidden=4))
        with pytest.raises(UserError, match=r"state_dropout is 0\.1: take 0 with Zoneout"):
            unroll_stack(cell, [[cell.init(self.KEY, 5)]], self.XS, state_dropout=0.1)


@pytest.mark.slow
def test_everything_at_once_goes_on_to_the_same_bytes_with_values_of_each_member_its_own(tmp_path):
    ours = experiment(
        seeds=1,
        placement="vmap",
        axes={"training.weight_noise": [0.01, 0.2], "training.average": [0.5], "model.state_dropout": [0.1]},
        model=models.create("recurrent", input_dropout=0.1, output_dropout=0.2, state_dropout=0.3, masks="sequence"),
        optimizer=optimizers.create("rmsprop", momentum=0.9, nesterov=True, l2=0.01),
        updates=6,
        patience=20,
        accumulate=2,
        truncate=2,
        weight_noise=0.05,
        average=0.9,
        precision="bfloat16",
    )
    whole = run(ours, tmp_path / "whole")
    assert len({*whole.values()}) == 2 and {record.stopped for record in whole.records} == {"updates"}
    with pytest.raises(Killed):
        run(ours, tmp_path / "killed", [Checkpoint(seconds=0), stopper(65, "evaluated", Killed, 2)])
    assert contents(run(ours, tmp_path / "killed").folder) == contents(whole.folder)


def test_what_would_change_nothing_is_refused():
    with pytest.raises(UserError, match=r"training.weight_noise is -1.0: it must be a number of at least 0 or null"):
        experiment(weight_noise=-1.0)
    with pytest.raises(UserError, match=r"population\.axes\.training\.average is unknown"):
        experiment(axes={"training.average": [0.5, 0.9]})


def test_every_feature_is_in_the_identity():
    features = {"patience": 3, "accumulate": 2, "truncate": 2, "weight_noise": 0.1, "average": 0.9}
    changed = [experiment(**{name: value}) for name, value in (features | {"precision": "bfloat16"}).items()]
    assert len({each.identity for each in (experiment(), *changed)}) == 7


def test_what_depends_on_the_length_of_the_task_is_settled_by_it_and_part_of_the_identity():
    copy = tasks.create("copy", length=20, items=4)  # 28 steps
    automatic = Experiment(cells.create("lstm", hidden=4, gate_init="chrono", t_max="auto"), copy)
    told = Experiment(cells.create("lstm", hidden=4, gate_init="chrono", t_max=28), copy)
    assert automatic == told and automatic.hyper["cell.t_max"] == 28 and automatic.identity == told.identity
    wrapped = LayerNorm(cell=cells.create("lmu", hidden=4, theta="auto"))
    assert Experiment(wrapped, tasks.create("adding", length=50)).cell.cell.theta == 50
    lmu = [
        Experiment(cells.create("lmu", hidden=4, theta="auto"), t) for t in (copy, tasks.create("adding", length=50))
    ]
    assert [each.config["cell"]["theta"] for each in lmu] == [28.0, 50.0]
    digits = Experiment(cells.create("janet", hidden=4, t_max="auto"), tasks.create("digits"))
    assert digits.hyper["cell.t_max"] == 64
    for cell in (automatic.cell, lmu[0].cell):
        cell.init(jax.random.key(0), 3)
    with pytest.raises(
        UserError, match=r"cell\.t_max is 'auto': it is the length of a task's sequences, and there is no"
    ):
        cells.create("janet", t_max="auto").init(jax.random.key(0), 3)
    with pytest.raises(UserError, match=r"cell\.t_max is 'outo': it must be a number of at least 3 or 'auto'"):
        cells.create("janet", t_max="outo")
