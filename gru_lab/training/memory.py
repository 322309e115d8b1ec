"""The least memory that an experiment takes, from its sizes alone: what cannot fit is refused before it is compiled."""

import math
from collections.abc import Iterator

import jax.numpy as jnp

from gru_lab import models
from gru_lab.data import memory_in_all
from gru_lab.errors import UserError
from gru_lab.models import count_parameters
from gru_lab.recurrence import Sequential
from gru_lab.tasks import Task
from gru_lab.training.axes import Axes, Drawn
from gru_lab.training.experiment import Experiment

COPIES = 4  # of the parameters, at least: those of now and of the next update, the best ones, and the gradient
PLANNED = 1500  # bytes of the plan of one member, about as measured: its name, its place, its hyper-parameters
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def check_fits(experiment: Experiment, most: int | None = None) -> None:
    """Raise `UserError` where an experiment cannot fit in memory, whatever its layout; nothing is compiled or drawn.

    Counted is what no layout can do without: the plan of all members, the parameters of one, the held-out sets and the
    batch of a sampled task, and the states of one batch that a gradient needs.

    Args:
        experiment: what is to be trained.
        most: the bytes of memory; those of this machine if None.
    """
    most = memory_in_all() if most is None else most
    for needed, of, advice in _needs(experiment):
        if needed > most:
            raise UserError(f"{of} take {said(needed)} of memory at least, and this machine has {said(most)}: {advice}")


def _needs(experiment: Experiment) -> Iterator[tuple[int, str, str]]:
    """Bytes that are needed, for what (beginning with the field and its value), and what to change."""
    population, training, protocol = experiment.population, experiment.training, experiment.protocol
    members = population.seeds * points(population.axes)
    yield (
        members * PLANNED,
        f"population.seeds is {population.seeds}: {members:,} members",
        "ask for fewer seeds or values on its axes, in several commands",
    )
    if (trials := getattr(protocol, "seeds", 0) * points(protocol.spans)) > 0:
        yield (
            trials * PLANNED,
            f"protocol.seeds is {getattr(protocol, 'seeds', 0)}: {trials:,} members that choose",
            "give the protocol fewer seeds or values",
        )
    cell, each = experiment.cell, jnp.dtype(jnp.result_type(float)).itemsize
    count = sum(count_parameters(experiment.model, cell, experiment.spec).values())
    what = f"model is {models.name_of(experiment.model)!r}" if cell is None else f"cell.hidden is {cell.hidden}"
    smaller = "make the model smaller" if cell is None else "make cell.hidden smaller"
    yield (
        COPIES * count * each,
        f"{what}: {count:,} parameters, their gradient and the best ones",
        f"{smaller}, or let a budget choose: cell.hidden=auto model.parameters=20000" if cell else smaller,
    )
    if type(experiment.task).sample is Task.sample:  # data that are there are in memory
        return
    per_step = each * (1 if experiment.task.symbols else experiment.task.inputs)
    steps = experiment.task.time_steps
    for name in ("validation", "test", "batch"):
        size = getattr(training, name)
        yield (
            size * steps * per_step,
            f"training.{name} is {size}: {size:,} sequences of {steps:,} steps",
            f"make training.{name} or the task's sequences smaller",
        )
    if cell is not None and isinstance(experiment.method, Sequential):
        stored = kept(steps, experiment.method.remat_every or training.truncate)
        size = -(-training.batch // training.accumulate)
        yield (
            size * stored * cell.hidden * each,
            f"training.batch is {training.batch}: {stored:,} states of {cell.hidden:,} units for {size:,} sequences",
            "make training.batch smaller, or set training.accumulate, method.remat_every or training.truncate",
        )


def points(axes: Axes) -> int:
    """The number of settings that axes ask for at most.

    >>> points({"a": (1.0, 2.0), "b": Drawn([3.0, 4.0, 5.0]), "c": Drawn([6.0, 7.0, 8.0])})
    6
    """
    drawn = [len(values) for values in axes.values() if isinstance(values, Drawn)]
    return math.prod(len(values) for values in axes.values() if not isinstance(values, Drawn)) * max([1, *drawn])


def kept(steps: int, every: int | None) -> int:
    """The steps whose states are in memory at once at least, where those between every so many are computed again.

    >>> kept(1000, None), kept(1000, 50)
    (1000, 70)
    """
    return steps if every is None else min(steps, -(-steps // every) + min(every, steps))


def said(number: int) -> str:
    """Bytes as people say them.

    >>> said(1500), said(3 * 10**14)
    ('1.5 kB', '300 TB')
    """
    place = min(max(len(str(number)) - 1, 0) // 3, len(UNITS) - 1)
    return f"{number / 1000**place:.3g} {UNITS[place]}"


__all__ = ["check_fits"]
