"""An experiment: everything that can change a number of a run, as one frozen dataclass."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from gru_lab import cells, diagnostics, tasks
from gru_lab.cells import Cell
from gru_lab.models import Model, Shape
from gru_lab.schema import LATER, Count, Schema, Size, UserError
from gru_lab.tasks import Task
from gru_lab.training import optimizers, remedies
from gru_lab.training.optimizers import Optimizer
from gru_lab.training.remedies import Remedy


@dataclass(frozen=True)
class Training(Schema):
    """How long, on how much, and when to stop.

    `updates` of `batch` sequences; every `evaluate_every` updates the network is measured on `validation` sequences
    (data tasks: their whole validation set) and the best parameters are kept; those are measured on `test` sequences
    at the end. With `stop_when_solved` a member stops at the first evaluation that counts as solved.
    """

    group: ClassVar[str] = "training"

    updates: Size = 5000
    batch: Size = 32
    evaluate_every: Size = 100
    validation: Size = 500
    test: Size = 2000
    stop_when_solved: bool = True


@dataclass(frozen=True)
class Population(Schema):
    """The members of a run: `seeds` of them, numbered from `first_seed`.

    `placement`: `vmap` trains all at once, `map` one after the other, `devices` one after the other on each of the
    devices at hand; `auto` is `vmap` on an accelerator, else `devices`. It changes the time, not the result.
    """

    group: ClassVar[str] = "population"

    seeds: Size = 5
    first_seed: Count = 0
    # Not compared, hence not in the configuration's hash: two placements of an experiment are the same run.
    placement: Literal["auto", "vmap", "map", "devices"] = field(default="auto", compare=False)


@dataclass(frozen=True)
class Experiment(Schema):
    """A cell on a task: `run(Experiment(cell, task), "runs/mine")` trains it and returns its record.

    `diagnostics` names those of `gru_lab.diagnostics` that are measured at every evaluation and kept in its line of
    metrics: of the last recurrent layer, on the first 32 sequences of the validation set.
    """

    cell: Cell
    task: Task
    model: Model = Model()
    optimizer: Optimizer = optimizers.create("adam")
    training: Training = Training()
    population: Population = Population()
    remedy: Remedy = field(default=remedies.create("none"), metadata=LATER)
    # Not compared, hence not in the configuration's hash: what is measured changes nothing of what is trained.
    diagnostics: tuple[str, ...] = field(default=(), compare=False)

    def check(self) -> None:
        """Every diagnostic must be known and fit the cell; remedies know one direction of time."""
        if self.model.bidirectional and self.remedy != remedies.create("none"):
            remedy = remedies.name_of(self.remedy)
            raise UserError(
                f"remedy is {remedy!r}: it works on layers of one direction, and model.bidirectional is true"
            )
        for name in self.diagnostics:
            diagnostics.create(name).check_cell(self.cell)

    @cached_property
    def shape(self) -> Shape:
        """What the network must take in and give out."""
        return Shape(self.task.inputs, self.task.outputs, self.task.symbols, self.task.readout)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The experiment as plain numbers and names, as `config.yaml` keeps it."""
        named = {"cell": cells.name_of, "task": tasks.name_of, "optimizer": optimizers.name_of}
        named["remedy"] = remedies.name_of
        config = {}
        for part, value in _recorded(self):
            name = {"name": named[part](value)} if part in named else {}
            config[part] = name | {field: _plain(item) for field, item in _recorded(value)}
        return config

    @cached_property
    def hash(self) -> str:
        """Eight letters that change with any setting."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """The name of the run's folder: `gru-adding-1a2b3c4d`."""
        names = (self.config[part]["name"].replace(":", ".") for part in ("cell", "task"))
        return "-".join((*names, self.hash))


def _recorded(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields that a configuration names, with their values."""
    for one in dataclasses.fields(value):
        item = getattr(value, one.name)
        if one.compare and not (one.metadata == LATER and item == one.default):
            yield one.name, item


def _plain(value: Any) -> Any:
    """As JSON and YAML have it."""
    return list(value) if isinstance(value, tuple) else value
