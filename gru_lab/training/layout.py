"""Layouts of the work of a group of members on a machine: chosen once, written down, and used again on resume."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from gru_lab.data import Batch, Sampled, Source, bytes_per_sequence, chunk_size, memory_at_hand, sequences
from gru_lab.recurrence import Method, Sequential
from gru_lab.recurrence.layout import MEMORY
from gru_lab.recurrence.tuning import Entry, Tuned, frozen
from gru_lab.runs import layouts
from gru_lab.schema import bound
from gru_lab.training.experiment import Experiment
from gru_lab.training.population import ALONE, MOST_PARTS, Placement, chosen, fastest, side_by_side
from gru_lab.training.remedies import Remedy
from gru_lab.training.train import Program, make_program

SHARE = 8  # of the memory at hand one part goes to evaluation, one to what loops store for their gradients
MOST = 2**30  # bytes that an evaluation takes at most
PRODUCTS = 5_000_000  # multiplications, of the weights with what goes in, that a part of a batch has at least on a CPU
SEQUENCES = 256  # sequences that it has at least on an accelerator


@dataclass(frozen=True)
class Layout:
    """The layout of a group of members: it changes no result but for rounding.

    `placement` of members on devices, `chunk` sequences evaluated at once, whether `dropout` is compiled in, and the
    bytes of `memory` that a recurrent loop may store; where `method.layout=tuned`, also the layouts that were `tuned`;
    and the `parts` into which each batch is cut.
    """

    placement: Placement
    chunk: int
    dropout: bool
    memory: int = MEMORY
    tuned: tuple[Entry, ...] = ()
    parts: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "tuned", frozen(self.tuned))  # JSON knows lists alone

    def method(self, method: Method) -> Method:
        """The method of an experiment, laid out like this."""
        if not isinstance(method, Sequential):
            return method
        plain = bound(method, {"layout": "auto", "memory": method.memory or self.memory})
        return Tuned(layouts=self.tuned, method=plain) if method.layout == "tuned" else plain

    def laid_out(self, experiment: Experiment) -> Experiment:
        """The experiment with its method laid out like this; its identity is the same."""
        return bound(experiment, {"method": self.method(experiment.method)})


def layout_for(experiment: Experiment, dropout: bool, members: int) -> Layout:
    """The layout of so many new members on this machine."""
    placement = chosen(experiment.population.placement)
    chunk = experiment.training.chunk or _fitting_chunk(experiment, placement)
    share = max(1, memory_at_hand() // SHARE // _at_once(experiment, placement))
    memory = min(MEMORY, 1 << share.bit_length() - 1)  # a power of two: what is free differs a little from call to call
    tuned = layouts.read() if isinstance(experiment.method, Sequential) and experiment.method.layout == "tuned" else ()
    parts = experiment.training.parts or _fitting_parts(experiment, dropout, members)
    return Layout(placement, chunk, dropout, memory, tuned, parts)


def _at_once(experiment: Experiment, placement: Placement) -> int:
    """The number of members that train at the same time at most."""
    members = max(len(experiment.members()), len(experiment.protocol.opening(experiment)))
    return {"vmap": members, "devices": min(members, side_by_side()), "map": 1}[placement]


def most_members(experiment: Experiment, layout: Layout) -> int:
    """The number of members that fit in half of the memory at hand; the others train after them, by the same program.

    A member takes its state, before and after a step; where all train at once also what a step keeps for its gradient.
    """
    program = make_program(experiment, layout.dropout, layout.parts)
    state = jax.eval_shape(lambda: program.init(jax.random.key(0), dict.fromkeys(experiment.hyper, 1.0)))
    each = 2 * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    if layout.placement == "vmap":
        each += experiment.training.batch * _bytes_each(experiment, program)
    return max(1, memory_at_hand() // 2 // each)


def _fitting_chunk(experiment: Experiment, placement: Placement) -> int:
    """The number of sequences per chunk: evaluation takes an eighth of the memory at hand, and a gigabyte at most."""
    program, training = make_program(experiment), experiment.training
    sampled = isinstance(program.source, Sampled)
    sizes = [training.validation, training.test] if sampled else [sequences(program.source.holdout("validation", 1))]
    budget = min(MOST, memory_at_hand() // SHARE) // _at_once(experiment, placement)
    return chunk_size(max(sizes), _bytes_each(experiment, program), budget)


def _fitting_parts(experiment: Experiment, dropout: bool, members: int) -> int:
    """The number of parts of a batch with which so many members train in the shortest time on the devices at hand.

    A small batch stays whole, and so does one whose network draws, so that its numbers are the same on every machine;
    one whose program calls LAPACK could not be spread over the devices of a CPU, and a penalty beside the loss is no
    sum over sequences.
    """
    devices, batch = side_by_side(), experiment.training.batch
    whole = experiment.population.placement != "auto" or type(experiment.remedy).penalty is not Remedy.penalty
    if whole or devices <= members:
        return 1
    program = make_program(experiment, dropout)
    some = _some(program.source)
    state = jax.eval_shape(lambda: program.init(jax.random.key(0), dict.fromkeys(experiment.hyper, 1.0)))
    if jax.devices()[0].platform == "cpu":
        steps = jax.tree.leaves(some.inputs)[0].shape[1]
        work = batch * steps * sum(leaf.size for leaf in jax.tree.leaves(state.params))
        most = min(devices, batch, work // PRODUCTS, MOST_PARTS)
    else:
        most = min(devices, batch // SEQUENCES)
    parts = fastest(members, devices, range(1, max(most, 1) + 1), ALONE, jax.process_count()).batch
    if parts == 1:
        return 1
    gradient = jax.grad(lambda params, *others: program.loss(params, *others).total)
    key = jax.eval_shape(lambda: jax.random.key(0))
    text = jax.jit(gradient).lower(state.params, state.hyper, some, key).as_text()
    return 1 if any(name in text for name in ("lapack", "threefry", "rng_bit_generator")) else parts


def _some(source: Source) -> Batch:
    """The shapes of a few sequences."""
    if isinstance(source, Sampled):
        return jax.eval_shape(lambda: source.holdout("validation", 4))
    return source.holdout("validation", 4)


def _bytes_each(experiment: Experiment, program: Program) -> int:
    """The memory that one more sequence takes at most when it is evaluated, in bytes."""
    source, task = program.source, experiment.task
    some = _some(source)
    shapes = jax.eval_shape(lambda: program.init(jax.random.key(0), dict.fromkeys(experiment.hyper, 1.0))).params
    return bytes_per_sequence(
        lambda batch, params: task.measure(program.network(params)(batch.inputs, batch.lengths), batch), some, shapes
    )


def equally_long(batches: Sequence[Batch], per_step: bool) -> list[Batch]:
    """Batches (updates, batch, time, ...) with the same number of steps: zeros stand behind the lengths.

    With `per_step` targets and weights have a time axis, too.
    """
    longest = max(leaf.shape[2] for batch in batches for leaf in jax.tree.leaves(batch.inputs))

    def padded(tree: Any) -> Any:
        return jax.tree.map(
            lambda leaf: np.pad(leaf, [(0, 0), (0, 0), (0, longest - leaf.shape[2])] + [(0, 0)] * (leaf.ndim - 3)), tree
        )

    return [
        batch._replace(
            inputs=padded(batch.inputs),
            targets=padded(batch.targets) if per_step else batch.targets,
            weights=padded(batch.weights) if per_step else batch.weights,
        )
        for batch in batches
    ]
