"""Training as pure functions: `init`, `advance` by some updates and an evaluation, and the whole `train(key, data)`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax

from gru_lab.models import Network
from gru_lab.tasks import Batch
from gru_lab.training.experiment import Experiment, Training
from gru_lab.typing import Array, Key

NEVER = -1


class MemberState(NamedTuple):
    """Where one member stands. Counts are updates; `NEVER` is -1. Random draws follow from `key` and `update`."""

    key: Array
    update: Array
    params: Any
    optimizer: Any
    best_params: Any
    best: Array
    best_at: Array
    solved_at: Array
    diverged_at: Array


class Program(NamedTuple):
    """The pure functions of an experiment, and the arrays that they are given.

    `init(key)` makes a member; `advance(state, data)` trains it up to its next evaluation and returns it with what
    was measured; `test(params, data)` measures parameters on the validation and the test set; `train(key, data)` is
    all of it; `network(params)` gives the network itself. `data` holds the training data (nothing for a sampled
    task) and the two fixed sets; `evaluations` is how often `advance` is called at most.
    """

    init: Callable[[Key], MemberState]
    advance: Callable[[MemberState, Any], tuple[MemberState, dict[str, Array]]]
    test: Callable[[Any, Any], dict[str, Array]]
    train: Callable[[Key, Any], tuple[MemberState, dict[str, Array]]]
    network: Callable[[Any], Network]
    data: dict[str, Any]
    evaluations: int


def make_program(experiment: Experiment) -> Program:
    """The pure functions of an experiment."""
    task, training, remedy = experiment.task, experiment.training, experiment.remedy
    optimizer = experiment.optimizer.optax()
    graph = nnx.graphdef(nnx.eval_shape(lambda: new_network(experiment, jax.random.key(0))))
    train_set = task.load()
    data = {
        "train": train_set,
        "validation": task.holdout("validation", training.validation, train_set),
        "test": task.holdout("test", training.test, train_set),
    }
    sign = 1.0 if task.better == "lower" else -1.0

    def network(params: Any) -> Network:
        return nnx.merge(graph, params)

    def answers(params: Any, batch: Batch, key: Key | None = None) -> Array:
        return network(params)(batch.inputs, batch.lengths, key=key)

    def of_penalty(params: Any, batch: Batch) -> Any:
        """The gradient of the remedy's penalty."""
        return jax.grad(lambda p: remedy.penalty(network(p), batch, lambda outputs: task.loss(outputs, batch)))(params)

    def descend(params: Any, updates: int, key: Key, train_set: Any) -> Any:
        """Some updates on the remedy's penalty alone, by an optimiser that begins anew."""

        def body(n: Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            params, state = carry
            gradient = of_penalty(params, task.sample(jax.random.fold_in(key, n), training.batch, train_set))
            change, state = optimizer.update(gradient, state, params)
            return optax.apply_updates(params, change), state

        return lax.fori_loop(0, updates, body, (params, optimizer.init(params)))[0]

    @jax.jit
    def prepared(params: Any, key: Key, train_set: Any) -> Any:
        return remedy.before_training(params, lambda p, updates: descend(p, updates, key, train_set))

    def init(key: Key) -> MemberState:
        params = nnx.state(new_network(experiment, jax.random.fold_in(key, 0)))
        params = prepared(params, jax.random.fold_in(key, 2), train_set)
        never = jnp.asarray(NEVER, jnp.int32)
        return MemberState(
            key=jax.random.key_data(key),
            update=jnp.asarray(0, jnp.int32),
            params=params,
            optimizer=optimizer.init(params),
            best_params=params,
            best=jnp.asarray(sign * jnp.inf),
            best_at=never,
            solved_at=never,
            diverged_at=never,
        )

    def one_update(state: MemberState, data: Any) -> tuple[MemberState, Array]:
        own = jax.random.wrap_key_data(state.key)
        key, key_alone, key_dropout = (jax.random.fold_in(jax.random.fold_in(own, n), state.update) for n in (1, 3, 4))
        params = remedy.before_update(
            state.params, state.update, lambda p, updates: descend(p, updates, key_alone, data["train"])
        )
        batch = task.sample(key, training.batch, data["train"])
        loss, gradient = jax.value_and_grad(lambda p: task.loss(answers(p, batch, key_dropout), batch))(params)
        gradient = remedy.beside_loss(gradient, state.update, lambda: of_penalty(params, batch))
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, params)
        params = optax.apply_updates(params, updates)
        healthy = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(gradient)) & (state.diverged_at == NEVER)
        # A member that diverges keeps its last healthy parameters and stands still.
        params, optimizer_state = jax.tree.map(
            lambda new, old: jnp.where(healthy, new, old), (params, optimizer_state), (state.params, state.optimizer)
        )
        first = ~healthy & (state.diverged_at == NEVER)
        state = state._replace(
            update=state.update + 1,
            params=params,
            optimizer=optimizer_state,
            diverged_at=jnp.where(first, state.update + 1, state.diverged_at),
        )
        return state, loss

    def advance(state: MemberState, data: Any) -> tuple[MemberState, dict[str, Array]]:
        count = jnp.minimum(training.evaluate_every, training.updates - state.update)

        def body(_: Array, carry: tuple[MemberState, Array]) -> tuple[MemberState, Array]:
            state, total = carry
            state, loss = one_update(state, data)
            return state, total + loss

        state, total = lax.fori_loop(0, count, body, (state, jnp.asarray(0.0)))
        measured = task.metrics(answers(state.params, data["validation"]), data["validation"])
        value = measured[task.metric]
        better = sign * value < sign * state.best
        solved = task.solved(value) & (state.solved_at == NEVER) & (state.diverged_at == NEVER)
        state = state._replace(
            best_params=jax.tree.map(lambda new, old: jnp.where(better, new, old), state.params, state.best_params),
            best=jnp.where(better, value, state.best),
            best_at=jnp.where(better, state.update, state.best_at),
            solved_at=jnp.where(solved, state.update, state.solved_at),
        )
        return state, {"train_loss": total / count} | measured

    def advance_unless_stopped(state: MemberState, data: Any) -> tuple[MemberState, dict[str, Array]]:
        """A member that has stopped measures NaN and stays as it is."""
        shapes = jax.eval_shape(advance, state, data)[1]
        nothing = jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes)
        return lax.cond(stopped(training, state), lambda: (state, nothing), lambda: advance(state, data))

    def test(params: Any, data: Any) -> dict[str, Array]:
        return {
            f"{split}_{name}": value
            for split in ("validation", "test")
            for name, value in task.metrics(answers(params, data[split]), data[split]).items()
        }

    evaluations = -(-training.updates // training.evaluate_every)

    def train(key: Key, data: Any) -> tuple[MemberState, dict[str, Array]]:
        return lax.scan(lambda state, _: advance_unless_stopped(state, data), init(key), length=evaluations)

    return Program(init, advance_unless_stopped, test, train, network, data, evaluations)


def stopped(training: Training, state: MemberState) -> Any:
    """Whether a member trains no further: it has had its updates, has diverged, or has solved the task."""
    over = (state.update >= training.updates) | (state.diverged_at != NEVER)
    return over | (state.solved_at != NEVER) if training.stop_when_solved else over


def new_network(experiment: Experiment, key: Key) -> Network:
    """The untrained network of an experiment."""
    return Network(experiment.cell, experiment.model, experiment.shape, rngs=nnx.Rngs(params=key))
