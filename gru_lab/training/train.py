"""Training as pure functions: `init` a member, `advance` it to its next evaluation, `evaluate` parameters."""

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax

from gru_lab.cells import Cell
from gru_lab.cells.wrappers import LowPrecision
from gru_lab.data import Batch, Source, Sum, Sums, over_chunks, without_padding
from gru_lab.errors import UserError
from gru_lab.models import Network
from gru_lab.recurrence import Method
from gru_lab.recurrence.truncated import Truncated
from gru_lab.runs.record import Stopped
from gru_lab.schema import bound
from gru_lab.training import remedies
from gru_lab.training.experiment import Experiment, Training
from gru_lab.training.gradient import loss_and_gradient, noisy, spread_loss_and_gradient
from gru_lab.training.parts import cut, over_parts
from gru_lab.typing import Array, Key

NEVER = -1

Hyper = Mapping[str, Any]  # path of a continuous hyper-parameter -> its value, an array under a trace


class MemberState(NamedTuple):
    """The state of one member. Counts are updates; `NEVER` is -1. Random draws follow from `key` and `update`.

    `until` is the update at which the member stops, before its last one where a protocol stops it to compare.
    `average` is None where no moving average of the parameters is asked for, and `skipped`, the number of updates that
    were passed over, where `training.divergence` is not `skip`.
    """

    key: Array
    hyper: dict[str, Array]
    update: Array
    until: Array
    params: Any
    optimizer: Any
    best_params: Any
    best: Array
    best_at: Array
    solved_at: Array
    diverged_at: Array
    average: Any = None
    skipped: Any = None

    @property
    def evaluated(self) -> Any:
        """The parameters that are evaluated: the moving average, where there is one."""
        return self.params if self.average is None else self.average


class Program(NamedTuple):
    """The pure functions of an experiment.

    Attributes:
        init: `init(key, hyper)` makes a member.
        advance: `advance(state, data, batches)` trains a member up to its next evaluation and returns it with what was
            measured; a member that has stopped measures NaN and stays as it is. `data` holds the arrays of the
            training set and the chunks of the validation set, `batches` those of a streamed task, else None; with
            `data["most"]` it evaluates after so many updates, if not before.
        evaluate: `evaluate(params, chunks)` gives sums and counts over a set of any size.
        outputs: `outputs(params, chunks)` gives what a scored task keeps of the network's outputs.
        loss: `loss(params, hyper, batch, key)` gives the sums of the training loss.
        network: `network(params)` gives the network itself.
        source: where the task's batches come from.
        update: `update(state, arrays, batch)` trains a member with one batch, by one update, and returns it with the
            loss; `arrays` are those of the training set.
    """

    init: Callable[[Key, Hyper], MemberState]
    advance: Callable[[MemberState, Any, Batch | None], tuple[MemberState, dict[str, Array]]]
    evaluate: Callable[[Any, Batch | list[Batch]], Sums]
    outputs: Callable[[Any, Batch], Any]
    loss: Callable[[Any, Hyper, Batch, Key], Sum]
    network: Callable[[Any], Network]
    source: Source
    update: Callable[[MemberState, Any, Batch | None], tuple[MemberState, Array]]


def make_program(experiment: Experiment, dropout: bool = True, parts: int = 1) -> Program:
    """The pure functions of an experiment.

    `dropout=False` leaves dropout out, where all members have a rate of 0. Each batch is cut into `parts`, which lie on
    the devices of a mesh's axis `batch` where the functions are mapped over one.
    """
    task, training, method = experiment.task, experiment.training, experiment.method
    graph = graph_of(experiment)
    trained, trained_method = as_trained(experiment)
    trained_graph = graph if trained is experiment else graph_of(trained)
    source = task.source()
    skips = training.divergence == "skip"
    sign = 1.0 if task.better == "lower" else -1.0
    if source.streamed and experiment.remedy.draws:
        raise UserError(
            f"remedy is {remedies.name_of(experiment.remedy)!r}: it draws batches itself, and the task's are streamed"
        )

    def network(params: Any) -> Network:
        return nnx.merge(graph, params)

    def answers(params: Any, batch: Batch) -> Array:
        return network(params)(batch.inputs, batch.lengths, method=method)

    def scaled(change: Any) -> Any:
        """The update, where the cell asks for other rates of some parameters."""
        if not (experiment.cell and experiment.cell.rates()):
            return change
        factors = network(jax.tree.map(lambda _: jnp.ones(()), change))
        factors.scale_rates()
        return jax.tree.map(lambda factor, leaf: factor * leaf, nnx.state(factors), change)

    def constrained(params: Any, batch: Batch) -> Any:
        """The parameters after an update, where the cell bounds them."""
        if experiment.cell is None or type(experiment.cell).constrain is Cell.constrain:
            return params
        bounded = network(params)
        bounded.constrain(jax.tree.leaves(batch.inputs)[0].shape[1])
        return nnx.state(bounded)

    def of_penalty(params: Any, hyper: Hyper, batch: Batch) -> Any:
        """The gradient of the remedy's penalty."""
        remedy = part(experiment.remedy, "remedy", hyper)
        return jax.grad(
            lambda p: remedy.penalty(network(p), batch, lambda outputs: task.loss(outputs, batch).mean)
        )(params)  # fmt: skip

    def descend(params: Any, hyper: Hyper, updates: int, key: Key, arrays: Any) -> Any:
        """Some updates on the remedy's penalty alone, by an optimiser that begins anew."""
        optimizer = part(experiment.optimizer, "optimizer", hyper).chain(training.updates)

        def body(n: Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            params, state = carry
            gradient = of_penalty(params, hyper, source.draw(arrays, jax.random.fold_in(key, n), training.batch, n))
            change, state = optimizer.update(gradient, state, params, value=jnp.zeros(()))
            return optax.apply_updates(params, change), state

        return lax.fori_loop(0, updates, body, (params, optimizer.init(params)))[0]

    def init(key: Key, hyper: Hyper) -> MemberState:
        params = nnx.state(new_network(experiment, jax.random.fold_in(key, 0), hyper))
        remedy = part(experiment.remedy, "remedy", hyper)
        params = remedy.before_training(
            params, lambda p, n: descend(p, hyper, n, jax.random.fold_in(key, 2), source.arrays())
        )
        never = jnp.asarray(NEVER, jnp.int32)
        return MemberState(
            key=jax.random.key_data(key),
            hyper={name: jnp.asarray(value, jnp.result_type(float)) for name, value in hyper.items()},
            update=jnp.asarray(0, jnp.int32),
            until=jnp.asarray(training.updates, jnp.int32),
            params=params,
            optimizer=part(experiment.optimizer, "optimizer", hyper).chain(training.updates).init(params),
            best_params=params,
            best=jnp.asarray(sign * jnp.inf),
            best_at=never,
            solved_at=never,
            diverged_at=never,
            average=None if training.average is None else params,
            skipped=jnp.asarray(0, jnp.int32) if skips else None,
        )

    def training_loss(params: Any, hyper: Hyper, batch: Batch, key: Key) -> Sum:
        rates = {path.removeprefix("model."): rate for path, rate in hyper.items() if path.startswith("model.")}
        rates |= {} if dropout or "dropout" not in rates else {"dropout": 0.0}
        network = nnx.merge(trained_graph, params)
        outputs = network(batch.inputs, batch.lengths, key=key, rates=rates, method=trained_method)
        return task.loss(outputs, batch)

    def one_update(state: MemberState, arrays: Any, batch: Batch | None) -> tuple[MemberState, Array]:
        hyper, member_key = state.hyper, jax.random.wrap_key_data(state.key)
        optimizer = part(experiment.optimizer, "optimizer", hyper).chain(training.updates)
        remedy = part(experiment.remedy, "remedy", hyper)
        setting = part(training, "training", hyper)
        key, key_alone, key_dropout, key_noise = (
            jax.random.fold_in(jax.random.fold_in(member_key, n), state.update) for n in (1, 3, 4, 5)
        )
        params = remedy.before_update(
            state.params, state.update, lambda p, updates: descend(p, hyper, updates, key_alone, arrays)
        )
        batch = source.draw(arrays, key, training.batch, state.update) if batch is None else batch

        def loss_of(params: Any, batch: Batch, key: Key) -> Sum:
            return training_loss(params, hyper, batch, key)

        seen = params if setting.weight_noise is None else noisy(params, setting.weight_noise, key_noise)

        def of_batch(batch: Batch) -> tuple[Array, Any]:
            if parts == 1:
                return loss_and_gradient(loss_of, seen, batch, key_dropout, training.accumulate)
            pieces = cut(batch, parts, task.weights(batch), training.accumulate)
            return spread_loss_and_gradient(loss_of, seen, pieces, key_dropout, training.accumulate)

        loss, gradient = without_padding(of_batch, batch, source.ends, task.readout == "every")
        gradient = remedy.beside_loss(gradient, state.update, lambda: of_penalty(params, hyper, batch))
        change, optimizer_state = optimizer.update(gradient, state.optimizer, params, value=loss)
        params = constrained(optax.apply_updates(params, scaled(change)), batch)
        # Squares above 1e38 overflow: such a gradient, clipped, were zero, and in Adam it would stop all that follows.
        steep = ~jnp.isfinite(optax.tree.norm(gradient))
        healthy = jnp.isfinite(loss) & ~steep & all_finite(params) & (state.diverged_at == NEVER)
        average = state.average
        if average is not None:
            average = constrained(averaged(average, params, setting.average, state.update + 1), batch)
        # A member that diverges keeps its last healthy parameters and stands still, or passes over this update.
        params, optimizer_state, average = jax.tree.map(
            lambda new, old: jnp.where(healthy, new, old),
            (params, optimizer_state, average),
            (state.params, state.optimizer, state.average),
        )
        first = ~healthy & (state.diverged_at == NEVER)
        if skips:
            state = state._replace(
                update=state.update + 1,
                params=params,
                optimizer=optimizer_state,
                average=average,
                skipped=state.skipped + first,
            )
            return state, jnp.where(healthy, loss, jnp.nan)
        state = state._replace(
            update=state.update + 1,
            params=params,
            optimizer=optimizer_state,
            diverged_at=jnp.where(first, state.update + 1, state.diverged_at),
            average=average,
        )
        return state, loss

    def evaluate(params: Any, chunks: Batch | list[Batch]) -> Sums:
        def measure(batch: Batch) -> Sums:
            return task.measure(answers(params, batch), batch)

        if parts == 1:
            return over_chunks(measure, chunks)
        return over_chunks(lambda chunk: over_parts(measure, cut(chunk, parts, task.weights(chunk))), chunks)

    def outputs(params: Any, chunks: Batch) -> Any:
        return lax.map(lambda batch: task.predictions(answers(params, batch), batch), chunks)

    def advance(state: MemberState, data: Any, batches: Batch | None) -> tuple[MemberState, dict[str, Array]]:
        most = jnp.minimum(data.get("most", training.evaluate_every), training.evaluate_every)
        count = jnp.minimum(most, state.until - state.update)
        before = state.skipped

        def body(n: Array, carry: tuple[MemberState, Array]) -> tuple[MemberState, Array]:
            state, total = carry
            batch = None if batches is None else jax.tree.map(lambda leaf: leaf[n], batches)
            state, loss = one_update(state, data["train"], batch)
            return state, total + loss

        def passing_over(n: Array, carry: tuple[MemberState, Array]) -> tuple[MemberState, Array]:
            state, total = body(n, carry)
            return state, jnp.where(jnp.isfinite(total), total, carry[1])

        state, total = lax.fori_loop(0, count, passing_over if skips else body, (state, jnp.asarray(0.0)))
        if skips:  # the mean of the others; of none it is not a number
            count -= state.skipped - before
        measured = {name: sums.mean for name, sums in evaluate(state.evaluated, data["validation"]).items()}
        if task.metric in measured:
            state = judged(state, measured[task.metric])
        return state, {"train_loss": total / count} | measured

    def judged(state: MemberState, value: Array) -> MemberState:
        """The state after a validation result: the best so far is kept, and whether it counts as solved."""
        healthy = state.diverged_at == NEVER
        better = (sign * value < sign * state.best) & jnp.isfinite(value) & healthy
        solved = task.solved(value) & (state.solved_at == NEVER) & healthy
        return state._replace(
            best_params=jax.tree.map(lambda new, old: jnp.where(better, new, old), state.evaluated, state.best_params),
            best=jnp.where(better, value, state.best),
            best_at=jnp.where(better, state.update, state.best_at),
            solved_at=jnp.where(solved, state.update, state.solved_at),
        )

    def advance_unless_stopped(
        state: MemberState, data: Any, batches: Batch | None = None
    ) -> tuple[MemberState, dict[str, Array]]:
        traced = jax.jit(advance, inline=True)  # once, for the shapes and for the branch
        shapes = jax.eval_shape(traced, state, data, batches)[1]
        nothing = jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes)
        return lax.cond(stopped(training, state), lambda: (state, nothing), lambda: traced(state, data, batches))

    return Program(init, advance_unless_stopped, evaluate, outputs, training_loss, network, source, one_update)


def reasons(training: Training, state: MemberState) -> dict[Stopped, Any]:
    """True under the name of each reason for which a member trains no further, the first one first."""
    holding: dict[Stopped, Any] = {"diverged": state.diverged_at != NEVER}
    if training.stop_when_solved:
        holding["solved"] = state.solved_at != NEVER
    if training.patience is not None:
        holding["patience"] = (
            state.update - jnp.maximum(state.best_at, 0) >= training.patience * training.evaluate_every
        )
    holding["halted"] = (state.update >= state.until) & (state.until < training.updates)
    holding["updates"] = state.update >= training.updates
    return holding


def stopped(training: Training, state: MemberState) -> Any:
    """True for a member that trains no further: it has had its updates, or one of the other `reasons` holds."""
    return reduce(operator.or_, reasons(training, state).values())


def averaged(average: Any, params: Any, decay: Any, updates: Array) -> Any:
    """The moving average of the parameters after one more update.

        a_n = a_(n-1) + (1 - decay) / (1 - decay^n) (w_n - a_(n-1))

    So a_1 = w_1, and a_n is what `optax.ema` gives with its bias taken out.
    """
    rate = jnp.log(jnp.asarray(decay, jnp.result_type(float)))
    return optax.incremental_update(params, average, jnp.expm1(rate) / jnp.expm1(updates * rate))


def as_trained(experiment: Experiment) -> tuple[Experiment, Method]:
    """The experiment whose network is trained, and the method that runs it there: in low precision, truncated."""
    training, method, cell = experiment.training, experiment.method, experiment.cell
    if training.truncate is not None:
        method = Truncated(steps=training.truncate, method=method)
    if training.precision == "bfloat16":
        assert cell is not None  # as an experiment checks
        experiment = bound(experiment, {"cell": LowPrecision(cell=cell)})
    return experiment, method


def graph_of(experiment: Experiment) -> Any:
    """The network of an experiment without its parameters."""
    return nnx.graphdef(nnx.eval_shape(lambda: new_network(experiment, jax.random.key(0))))


def part(setting: Any, group: str, hyper: Hyper) -> Any:
    """A part of an experiment with the hyper-parameters of a member in it."""
    prefix = f"{group}."
    return bound(setting, {path.removeprefix(prefix): v for path, v in hyper.items() if path.startswith(prefix)})


def new_network(experiment: Experiment, key: Key, hyper: Hyper | None = None) -> Network:
    """The untrained network of an experiment; hyper-parameters of the cell act here alone."""
    cell = experiment.cell if experiment.cell is None else part(experiment.cell, "cell", hyper or {})
    return experiment.model.build(cell, experiment.spec, nnx.Rngs(params=key))


def all_finite(tree: Any) -> Array:
    """True if every number of a pytree is finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))
