"""Layouts of the work of a group of members on a machine: chosen once, written down, and used again on resume."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from gru_lab.data import Batch, Sampled, bytes_per_sequence, chunk_size, memory_at_hand, sequences
from gru_lab.recurrence import Method, Sequential
from gru_lab.recurrence.layout import MEMORY
from gru_lab.recurrence.tuning import Entry, Tuned, frozen
from gru_lab.runs import layouts
from gru_lab.schema import bound
from gru_lab.training.experiment import Experiment
from gru_lab.training.population import Placement, chosen
from gru_lab.training.train import Program, make_program

SHARE = 8  # of the memory at hand one part goes to evaluation, one to what loops store for their gradients
MOST = 2**30  # bytes that an evaluation takes at most


@dataclass(frozen=True)
class Layout:
    """The layout of a group of members: it changes no result but for rounding.

    `placement` of members on devices, `chunk` sequences evaluated at once, whether `dropout` is compiled in, and the
    bytes of `memory` that a recurrent loop may store; where `method.layout=tuned`, also the layouts that were `tuned`.
    """

    placement: Placement
    chunk: int
    dropout: bool
    memory: int = MEMORY
    tuned: tuple[Entry, ...] = ()

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


def layout_for(experiment: Experiment, dropout: bool) -> Layout:
    """The layout of new members on this machine."""
    placement = chosen(experiment.population.placement)
    chunk = experiment.training.chunk or _fitting_chunk(experiment, placement)
    share = max(1, memory_at_hand() // SHARE // _at_once(experiment, placement))
    memory = min(MEMORY, 1 << share.bit_length() - 1)  # a power of two: what is free differs a little from call to call
    tuned = layouts.read() if isinstance(experiment.method, Sequential) and experiment.method.layout == "tuned" else ()
    return Layout(placement, chunk, dropout, memory, tuned)


def _at_once(experiment: Experiment, placement: Placement) -> int:
    """The number of members that train at the same time at most."""
    members = max(len(experiment.members()), len(experiment.protocol.opening(experiment)))
    return {"vmap": members, "devices": min(members, len(jax.devices())), "map": 1}[placement]


def most_members(experiment: Experiment, layout: Layout) -> int:
    """The number of members that fit in half of the memory at hand; the others train after them, by the same program.

    A member takes its state, before and after a step; where all train at once also what a step keeps for its gradient.
    """
    program = make_program(experiment, layout.dropout)
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


def _bytes_each(experiment: Experiment, program: Program) -> int:
    """The memory that one more sequence takes at most when it is evaluated, in bytes."""
    source, task = program.source, experiment.task
    some = jax.eval_shape(lambda: source.holdout("validation", 4)) if isinstance(source, Sampled) else None
    some = source.holdout("validation", 4) if some is None else some
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
