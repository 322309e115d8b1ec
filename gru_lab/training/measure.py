"""Diagnostics of members: of the last recurrent layer, or of a network without one, on some validation sequences.

There is one store for what is measured, the logs of measurements in the folders of the members: while they train,
at their end, and from outside, once they have finished.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from gru_lab import diagnostics
from gru_lab.data import Batch, at_end
from gru_lab.diagnostics import Diagnostic, Layer, Whole
from gru_lab.diagnostics.newton import summary
from gru_lab.errors import UserError
from gru_lab.models import Network
from gru_lab.recurrence import Parallel
from gru_lab.runs import Member, MemberFolder, Record, RunFolder
from gru_lab.runs.log import Log
from gru_lab.runs.store import measurement_line
from gru_lab.tasks import Task
from gru_lab.training.experiment import Experiment
from gru_lab.training.population import begin
from gru_lab.training.train import Program, make_program, new_network
from gru_lab.typing import Array

WHEN = ("initial", "trained")
SOLVED = 32  # sequences on which the iterations of Newton's method are counted


class Asked(NamedTuple):
    """A diagnostic, and how many sequences of the validation set it is measured on."""

    diagnostic: Diagnostic
    sequences: int

    @classmethod
    def of(cls, name: str, sequences: int | None = None, **fields: Any) -> "Asked":
        """A diagnostic by its name, with the number of sequences that it is usually measured on."""
        diagnostic = diagnostics.create(name, **fields)
        return cls(diagnostic, sequences or diagnostic.usual_sequences)

    @property
    def log(self) -> str:
        """The name of its log: the diagnostic's, with letters that change with any setting that is not the default."""
        name, cls = diagnostics.name_of(self.diagnostic), type(self.diagnostic)
        if self == Asked(cls(), cls.usual_sequences):
            return name
        settings = json.dumps([dataclasses.asdict(self.diagnostic), self.sequences], sort_keys=True)
        return f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"


def first_sequences(program: Program, experiment: Experiment, sequences: int) -> Batch:
    """The first sequences of the validation set."""
    whole = program.source.holdout("validation", experiment.training.validation)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[:sequences]), whole)


def last_layer(network: Network, task: Task, batch: Batch) -> Layer:
    """The last recurrent layer of a network, what it sees of a batch, and the loss of its last outputs."""
    stack: Any = network
    layer = stack.recurrent[-1]
    xs_BTI, after = stack.around_last(batch.inputs, batch.lengths)
    loss = _last_loss(task, batch)
    return Layer(layer.cell, layer.weights, xs_BTI, batch.lengths, lambda last_BO: loss(after(last_BO)))


def whole(network: Network, task: Task, batch: Batch) -> Whole:
    """A network without recurrent layers, the vectors that enter it of a batch, and the loss of its last outputs."""
    stateless: Any = network
    loss, every = _last_loss(task, batch), task.readout == "every"

    def of(xs_BTI: Array) -> Array:
        outputs = stateless.from_encoded(xs_BTI, batch.lengths)
        return loss(at_end(outputs, batch.lengths) if every else outputs)

    return Whole(stateless.encode(batch.inputs), batch.lengths, of)


def _last_loss(task: Task, batch: Batch) -> Callable[[Array], Array]:
    """The loss of the outputs after the last steps: a sum over sequences, so that each one's gradient is its own."""
    if task.readout == "every":
        batch = batch._replace(
            targets=at_end(batch.targets, batch.lengths),
            weights=None if batch.weights is None else at_end(batch.weights, batch.lengths),
        )

    def loss(outputs: Array) -> Array:
        losses = task.losses(outputs, batch.targets)
        return jnp.sum(losses if batch.weights is None else losses * batch.weights)

    return loss


def measurement(experiment: Experiment, program: Program, asked: Asked) -> Callable[[Any, Batch], dict[str, Array]]:
    """A diagnostic of one member, as a pure function of its parameters and the validation set."""

    def measure(params: Any, batch: Batch) -> dict[str, Array]:
        few = jax.tree.map(lambda leaf: leaf[: asked.sequences], batch)
        network, task = program.network(params), experiment.task
        if not network.recurrent:
            return asked.diagnostic.measure_whole(whole(network, task, few))
        return asked.diagnostic.measure(last_layer(network, task, few))

    return measure


def newton(experiment: Experiment, program: Program) -> Callable[[Any, Batch], dict[str, Array]] | None:
    """The iterations of Newton's method with `method=parallel`, and the share that was finished step by step.

    A pure function of one member's parameters and the validation set, that solves the last recurrent layer on its first
    sequences. None where another method is taken, or where the network does not tell what its last layer sees.
    """
    method = experiment.method
    network: Any = nnx.eval_shape(lambda: new_network(experiment, jax.random.key(0)))
    if not isinstance(method, Parallel) or not network.recurrent or not hasattr(network, "around_last"):
        return None

    def measure(params: Any, batch: Batch) -> dict[str, Array]:
        few = jax.tree.map(lambda leaf: leaf[:SOLVED], batch)
        cell, weights, xs_BTI, lengths, _ = last_layer(program.network(params), experiment.task, few)
        return summary(diagnostics.newton(cell, weights, xs_BTI, lengths, method))

    return measure


def write(folder: MemberFolder, asked: Asked, moments: Mapping[str, tuple[int, Mapping[str, Any]]]) -> None:
    """Add what was measured at some moments, `{"initial": (0, values)}`, unless it is there."""
    known = folder.measured(asked.log)
    log = Log(folder.measurement(asked.log))
    for when, (update, values) in moments.items():
        if known is None or known.at(when) is None:
            log.append(measurement_line(update, when, values))
    log.sync()


Answers = dict[str, dict[str, dict[str, np.ndarray]]]  # name of what was asked -> initial, trained -> name -> members


def measure_members(
    experiment: Experiment, run: RunFolder | None, members: Sequence[Member], asked: Mapping[str, Asked]
) -> Answers:
    """Measure diagnostics of members at initialisation and at their best: arrays with the members first.

    What is known is read from the folders of the members, what is missing is measured and kept there. Without a run
    the members are as they begin, and `trained` is missing. A cell that a diagnostic refuses has an empty entry.

    Raises:
        UserError: if a member has not finished.
    """
    answers: Answers = {name: {} for name in asked}
    fitting = {name: each for name, each in asked.items() if fits(experiment, each.diagnostic)}
    folders = [] if run is None else [run.member(member) for member in members]
    missing = {name: each for name, each in fitting.items() if run is None or not _known(folders, each)}
    if missing:
        program = make_program(experiment)
        initial = begin(program, members)
        params = {"initial": (np.zeros(len(members), int), initial.params)}
        if run is not None:
            params["trained"] = best_parameters(experiment, program, folders, initial)
        batch = first_sequences(program, experiment, max(each.sequences for each in missing.values()))
        for name, each in missing.items():
            of_member = measurement(experiment, program, each)
            measure = jax.jit(lambda many, batch, f=of_member: jax.lax.map(lambda params: f(params, batch), many))
            measured = {when: jax.tree.map(np.asarray, measure(many, batch)) for when, (_, many) in params.items()}
            answers[name] = measured
            for n, folder in enumerate(folders):
                moments = {w: (int(params[w][0][n]), {k: v[n] for k, v in measured[w].items()}) for w in measured}
                write(folder, each, moments)
    for name, each in fitting.items():
        if run is not None:
            answers[name] = _read(folders, each)
    return answers


def fits(experiment: Experiment, diagnostic: Diagnostic) -> bool:
    """True if a diagnostic can be asked of an experiment's network."""
    try:
        check(experiment, diagnostic)
    except UserError:
        return False
    return True


def check(experiment: Experiment, diagnostic: Diagnostic) -> None:
    """Raise `UserError` where a diagnostic cannot be asked of an experiment's network."""
    name = diagnostics.name_of(diagnostic)
    network: Any = nnx.eval_shape(lambda: new_network(experiment, jax.random.key(0)))
    if not network.recurrent:
        if type(diagnostic).measure_whole is Diagnostic.measure_whole:
            raise UserError(f"diagnostic is {name!r}: it looks at recurrent layers, and {experiment.network} has none")
        _check_methods(name, network, "encode", "from_encoded")
        return
    _check_methods(name, network, "around_last")
    diagnostic.check_cell(network.recurrent[-1].cell)


def _check_methods(name: str, network: Network, *methods: str) -> None:
    for method in methods:
        if not hasattr(network, method):
            raise UserError(f"diagnostic is {name!r}: {type(network).__name__} lacks `{method}`")


def _known(folders: Sequence[MemberFolder], asked: Asked) -> bool:
    moments = [folder.measured(asked.log) for folder in folders]
    return all(known is not None and all(known.at(when) is not None for when in WHEN) for known in moments)


def _read(folders: Sequence[MemberFolder], asked: Asked) -> dict[str, dict[str, np.ndarray]]:
    moments = [folder.measured(asked.log) for folder in folders]
    measured: dict[str, dict[str, np.ndarray]] = {}
    for when in WHEN:
        values = [known.at(when) for known in moments if known is not None]
        measured[when] = {name: np.stack([each[name] for each in values if each]) for name in values[0] or ()}
    return measured


def best_parameters(
    experiment: Experiment, program: Program, folders: Sequence[MemberFolder], like: Any
) -> tuple[Any, Any]:
    """The updates and the parameters with the best validation result of every member."""
    shape = jax.tree.map(lambda leaf: leaf[0], like)
    states = []
    for folder in folders:
        record: Record | None = folder.record
        loaded = folder.load_checkpoint(shape, experiment.identity)
        if record is None:
            raise UserError(f"{folder.path} holds no finished member: train this experiment first")
        if loaded is None:
            raise UserError(f"{folder.path} holds no checkpoint.safetensors: force=true trains this member anew")
        states.append(loaded[0])
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
    return np.maximum(stacked.best_at, 0), jax.tree.map(jnp.asarray, stacked.best_params)


def run_folder(experiment: Experiment, sweep: str | Path) -> RunFolder:
    """The folder in which the runs of a sweep keep this experiment."""
    return RunFolder(Path(sweep) / experiment.name)
