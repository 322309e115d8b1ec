"""An experiment: all that can change a number of a run, as one frozen dataclass, and the members that it plans."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import optax

from gru_lab import cells, models, tasks
from gru_lab import recurrence as methods
from gru_lab.cells import Cell
from gru_lab.cells.wrappers import LowPrecision
from gru_lab.errors import UserError, listed, nearest
from gru_lab.models import Model, Spec, count_parameters, sized
from gru_lab.recurrence import Method
from gru_lab.runs import identity
from gru_lab.runs.record import LAST_SEED, Member, Role, Seed
from gru_lab.schema import CONTINUOUS, LATER, Fraction, NonNegative, Schema, Size, bound, build, continuous
from gru_lab.tasks import Task
from gru_lab.training import optimizers, protocols, remedies
from gru_lab.training.axes import Axes, Drawn, axes_of, settings
from gru_lab.training.optimizers import Anonymous, Optimizer
from gru_lab.training.protocols import Protocol
from gru_lab.training.remedies import Remedy

FAMILIES = {
    "cell": cells,
    "task": tasks,
    "model": models,
    "method": methods,
    "optimizer": optimizers,
    "remedy": remedies,
    "protocol": protocols,
}
BUDGET = 0.02  # how far a network may be from its budget of parameters


@dataclass(frozen=True, kw_only=True)
class Training(Schema):
    """Length of training, sizes of its batches and sets, and the rule to stop.

    `updates` of `batch` sequences; every `evaluate_every` updates the network is measured on `validation` sequences
    (data tasks: their whole validation set) and the best parameters are kept; those are measured on `test` sequences
    at the end. With `stop_when_solved` a member stops at the first evaluation that counts as solved, with `patience`
    also after so many evaluations without a better one.

    What is off where it is null, and costs nothing then:

        patience        early stopping, in evaluations
        accumulate      the batch in so many parts, one after the other, whose gradients are added: less memory, and
                        the same numbers up to rounding
        truncate        truncated backpropagation through time: the state goes on over chunks of so many steps, its
                        gradient does not (Williams & Peng 1990, here one update for all chunks of a batch)
        weight_noise    standard deviation of the Gaussian noise on all parameters under which the loss and its
                        gradient are taken, drawn anew for every update (Graves 2011, section 3.2; Chung 2014)
        average         decay of a moving average of the parameters after each update, without the bias of its start;
                        it is what is evaluated and kept (Polyak & Juditsky 1992, here exponential)

    With `precision=bfloat16` the products of recurrent steps take their operands in bfloat16 in training; parameters,
    states, readout, loss and optimiser stay as they are (Micikevicius et al. 2018). Noise, truncation and precision
    are of training alone: evaluation knows none of them.

    `divergence` says what becomes of a member whose loss, norm of the gradient or updated parameters are not finite, as
    is found inside of the compiled loop: `stop` ends it with its last healthy parameters, and its record says
    `diverged`; `skip` passes over such an update, goes on with the next batch, and counts it in the record; `raise`
    ends the run with an error.

    `chunk` is how many sequences are evaluated at once; null chooses by the memory at hand. `parts` is how many parts
    a batch is cut into, each on a device of its own; null chooses by devices, members and the size of a batch, and cuts
    none whose network draws (with dropout each part would draw for itself). Neither changes a result beyond rounding;
    both are written down, and used again when a member resumes.

    Attributes:
        updates: the most updates of a member.
        batch: the sequences of an update.
        evaluate_every: the updates between two evaluations.
        validation: the sequences of the validation set; data tasks take their whole set.
        test: the sequences of the test set; data tasks take their whole set.
        stop_when_solved: whether a member stops at the first evaluation that counts as solved.
        patience: early stopping: the evaluations without a better one; never where it is null.
        accumulate: the parts of a batch that are computed one after the other: less memory.
        truncate: the steps of a chunk of truncated backpropagation; the whole sequence where it is null.
        weight_noise: standard deviation of noise on the parameters in training.
        average: decay of a moving average of the parameters, which is what is evaluated.
        precision: of the products in recurrent steps, in training.
        divergence: what becomes of a member whose numbers are not finite.
        chunk: the sequences that are evaluated at once; by the memory at hand where it is null.
        parts: the parts of a batch, each on a device of its own; chosen where it is null.
    """

    group: ClassVar[str] = "training"

    updates: Size = 5000
    batch: Size = 32
    evaluate_every: Size = 100
    validation: Size = 500
    test: Size = 2000
    stop_when_solved: bool = True
    patience: Size | None = None
    accumulate: Size = 1
    truncate: Size | None = None
    weight_noise: Annotated[NonNegative | None, CONTINUOUS] = None
    average: Annotated[Fraction | None, CONTINUOUS] = None
    precision: Literal["full", "bfloat16"] = "full"
    divergence: Literal["stop", "skip", "raise"] = field(default="stop", metadata=LATER)
    chunk: Size | None = field(default=None, compare=False)
    parts: Size | None = field(default=None, compare=False)

    def check(self) -> None:
        """Parts of a batch that are accumulated must be equal, and others hold something."""
        if self.parts is not None and self.parts > self.batch:
            self.refuse("parts", f"a part has one sequence at least, and training.batch is {self.batch}")
        if self.batch % self.accumulate:
            self.refuse("accumulate", f"it must divide training.batch, which is {self.batch}")


@dataclass(frozen=True, kw_only=True)
class Population(Schema):
    """The members of a run: `seeds` of them from `first_seed` on, for every combination of the values on the axes.

    `axes` names continuous hyper-parameters: `{"optimizer.learning_rate": [1e-3, 3e-3]}`, or draws them at random:
    `{"optimizer.learning_rate": {"loguniform": [1e-4, 1e-1], "n": 16}}`. All members of a run are arrays of one
    compiled program. `role` is `tune` for members that choose a setting and never see the test set.
    `placement`: `vmap` trains all at once, `devices` one after the other, both on a mesh of the devices at hand with
    members along one axis and the parts of their batches along the other; `map` trains one after the other on one
    device; `auto` is `vmap` on an accelerator, else `devices`, and cuts batches where that is faster, see
    `training.parts`.

    Attributes:
        seeds: the number of seeds.
        first_seed: the first of them.
        axes: the values of continuous hyper-parameters, by path: all combinations are trained.
        role: `report`, or `tune` for members that never see the test set.
        placement: how members lie on devices.
    """

    group: ClassVar[str] = "population"

    seeds: Size = 5
    first_seed: Seed = 0
    axes: dict[str, Any] = field(default_factory=dict)
    role: Role = "report"
    placement: Literal["auto", "vmap", "map", "devices"] = "auto"

    def check(self) -> None:
        """Seeds must be numbers that differ in JAX's random keys; an axis must hold numbers."""
        if self.first_seed + self.seeds - 1 > LAST_SEED:
            self.refuse("seeds", f"with first_seed={self.first_seed} the last seed would be above {LAST_SEED}")
        object.__setattr__(self, "axes", axes_of("population.axes", self.axes))


def of_task(cell: Cell, task: Task) -> Cell:
    """The cell with the length of the task's sequences in the fields that are `auto`."""
    return cell.at_length(task.time_steps) if cell.automatic else cell


@dataclass(frozen=True)
class Experiment(Schema):
    """A network on a task: `run(Experiment(cell, task), "runs/mine")` trains it and returns its records.

    `cell` is None for a model without one. `optimizer` may be any optax transformation; without a name nothing can be
    known of it, and a run with it is never used again.
    """

    cell: Cell | None
    task: Task
    _: dataclasses.KW_ONLY
    model: Model = models.create("recurrent")
    method: Method = methods.create("sequential")
    optimizer: Optimizer = optimizers.create("adam")
    training: Training = Training()
    remedy: Remedy = remedies.create("none")
    protocol: Protocol = protocols.create("fixed")
    population: Population = field(default=Population(), compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.optimizer, optax.GradientTransformation):
            object.__setattr__(self, "optimizer", Anonymous(transformation_=self.optimizer))
        if isinstance(self.cell, Cell):
            object.__setattr__(self, "cell", of_task(self.cell, self.task))
        super().__post_init__()

    def check(self) -> None:
        """The parts must fit together, and every value on an axis its field."""
        self.model.check_cell(self.cell)
        self.model.check_spec(self.spec)
        if self.cell is None:
            object.__setattr__(self, "model", sized(self.model, self.spec))
        self.remedy.check_model(self.model)
        self._check_training()
        if self.model.parameters is not None:
            count = sum(count_parameters(self.model, self.cell, self.spec).values())
            if abs(count - self.model.parameters) > BUDGET * self.model.parameters:
                auto = "cell.hidden=auto" if self.cell else " ".join(f"model.{n}=auto" for n in self.model.sized_by)
                raise UserError(
                    f"model.parameters is {self.model.parameters}: this network has {count:,}; "
                    f"{f'write {auto} to choose the size by the budget, or ' if auto else ''}leave the budget out"
                )
        self._check_axes("population.axes", self.population.axes)
        self._check_axes("protocol.axes", self.protocol.spans)
        self.protocol.check_experiment(self)

    def _check_axes(self, where: str, axes: Axes) -> None:
        for path, values in axes.items():
            if path not in self.hyper:
                raise UserError(
                    f"{where}.{path} is unknown: it must be {listed(self.hyper)}.{nearest(path, self.hyper)}"
                )
            changed = [self.at({path: value}) for value in values]
            if isinstance(values, Drawn):  # between its bounds nothing else is compiled than at them
                changed = [self.at({path: value}) for value in (min(values), max(values))]
            if len({each.as_compiled for each in (self, *changed)}) > 1:
                raise UserError(
                    f"{where}.{path} cannot differ between members: {path} is compiled in; sweep over it "
                    f"with -m {path}={','.join(f'{value:g}' for value in values)}"
                )

    def _check_training(self) -> None:
        """A setting that acts on recurrent steps needs some, and bfloat16 needs products outside of loops."""
        training = self.training
        for name in ("truncate", "precision"):
            if self.cell is None and getattr(training, name) != getattr(Training(), name):
                training.refuse(name, f"it acts on recurrent steps, and model={models.name_of(self.model)} has none")
        if self.cell is not None and training.precision == "bfloat16":
            self._traced_step(LowPrecision(cell=self.cell))

    def _traced_step(self, cell: Cell) -> Any:
        """The equations of one step of a cell and of what it shows; nothing is computed."""
        params = jax.eval_shape(lambda key: cell.init(key, self.spec.inputs), jax.random.key(0))
        x = jax.ShapeDtypeStruct((self.spec.inputs,), jnp.result_type(float))
        return jax.make_jaxpr(lambda p, x: cell.read(cell.step(p, cell.initial_state(p), x)))(params, x)

    @cached_property
    def spec(self) -> Spec:
        """The inputs and outputs that the task asks of the network."""
        task = self.task
        return Spec(task.inputs, task.outputs, task.symbols, task.readout, task.paired)

    @property
    def parts(self) -> dict[str, Any]:
        """The parts that decide about the numbers, by the name of its group; a part that is missing is left out."""
        names = (*FAMILIES, "training")
        return {name: part for name in names if (part := getattr(self, name)) is not None}

    @property
    def hyper(self) -> dict[str, float]:
        """The continuous hyper-parameters as this experiment has them, by path."""
        return {f"{g}.{f}": value for g, part in self.parts.items() for f, value in continuous(part).items()}

    def at(self, hyper: Mapping[str, float]) -> "Experiment":
        """The experiment with other hyper-parameters and without axes; `UserError` for one that is unknown or wrong."""
        changed: dict[str, dict[str, float]] = {}
        for path, value in hyper.items():
            if path not in self.hyper:
                raise UserError(f"{path} is unknown: it must be {listed(self.hyper)}.{nearest(path, self.hyper)}")
            part, _, name = path.partition(".")
            changed.setdefault(part, {})[name] = value
        parts = {name: dataclasses.replace(getattr(self, name), **fields) for name, fields in changed.items()}
        population = bound(self.population, {"axes": {}})
        return bound(self, parts | {"population": population}) if parts else self

    @property
    def as_compiled(self) -> str:
        """The text of what is compiled in: an axis over what changes it would be passed over.

        Members differ in training, optimiser and remedy, in the rates of their networks, and in how cells begin.
        """
        arrays = ("cell", "model", "optimizer", "remedy", "training")
        seen = str({path: value for path, value in self.hyper.items() if path.partition(".")[0] not in arrays})
        if self.cell is None or not continuous(self.cell):
            return seen
        return seen + str(self._traced_step(self.cell))

    def members(self, chosen: Mapping[str, float] | None = None) -> list[Member]:
        """Every member that the population asks for, with the hyper-parameters that a protocol chose."""
        population = self.population
        hypers = [{**self.hyper, **(chosen or {}), **setting} for setting in settings(population.axes)]
        seeds = range(population.first_seed, population.first_seed + population.seeds)
        return [Member(seed=seed, hyper=hyper, role=population.role) for hyper in hypers for seed in seeds]

    @property
    def repeated(self) -> float:
        """The expected share of a sampled task's held-out sequences that training draws, too; 0 for data."""
        sampled = type(self.task).sample is not Task.sample
        return self.task.repeated(self.training.updates * self.training.batch) if sampled else 0.0

    @cached_property
    def config(self) -> dict[str, Any]:
        """The experiment as plain values, without what differs between its members."""
        return {name: described(name, part) for name, part in self.parts.items()}

    @cached_property
    def card(self) -> dict[str, Any]:
        """All that the identity covers, as `config.yaml` keeps it."""
        nonce = identity.once() if isinstance(self.optimizer, Anonymous) else None
        return identity.card(self.config, nested(self.parts.values()), self.task.files(), nonce)

    @cached_property
    def identity(self) -> str:
        """Eight letters that change with anything that can change a number of the run."""
        return identity.fingerprint(self.card)

    @cached_property
    def network(self) -> str:
        """The name of the network in tables: the cell's, or the model's where there is none or another than usual."""
        model = models.name_of(self.model)
        if self.cell is None:
            return model
        cell = cells.name_of(self.cell)
        return cell if model == "recurrent" else f"{model}({cell})"

    @property
    def name(self) -> str:
        """The name of the run's folder: `gru-adding-1a2b3c4d`."""
        names = ("".join(c if c.isalnum() else "." for c in name).strip(".")
                 for name in (self.network, tasks.name_of(self.task)))  # fmt: skip
        return "-".join((*names, self.identity))

    @classmethod
    def from_config(cls, config: Mapping[str, Any], hyper: Mapping[str, float]) -> "Experiment":
        """The experiment that `config` was made from, with these hyper-parameters."""
        parts: dict[str, Any] = {"cell": None}
        for name, fields in config.items():
            inside = {f.removeprefix(f"{name}."): v for f, v in hyper.items() if f.startswith(f"{name}.")}
            parts[name] = _made(FAMILIES.get(name), dict(fields) | inside)
        return cls(**parts)


def _made(family: Any, fields: dict[str, Any]) -> Schema:
    """The part that `described` turned into plain values."""
    if family is None:
        return build(Training, fields)
    name = fields.pop("name")
    inside = {f: _made(family, dict(v)) for f, v in fields.items() if isinstance(v, Mapping) and "name" in v}
    return family.create(name, **fields | inside)


def described(group: str, part: Schema) -> dict[str, Any]:
    """A part as plain values: its name and the fields that its identity rests on."""
    name = {"name": FAMILIES[group].name_of(part)} if group in FAMILIES else {}
    left_out = continuous(part)
    fields = [
        each
        for each in dataclasses.fields(part)  # pyright: ignore[reportArgumentType]
        if each.compare
        and each.metadata.get("numbers", True)
        and each.name not in left_out
        and not (each.metadata.get("later") and getattr(part, each.name) == each.default)
    ]
    return name | {each.name: _plain(group, getattr(part, each.name)) for each in fields}


def _plain(group: str, value: Any) -> Any:
    """As JSON and YAML have it."""
    if isinstance(value, Schema):
        return described(group, value) | continuous(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(group, item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(group, item) for name, item in value.items()}
    return value


def nested(parts: Any) -> Iterator[Schema]:
    """The parts and what stands in their fields, as a cell in a wrapper does."""
    for part in parts:
        yield part
        values = [getattr(part, each.name) for each in dataclasses.fields(part)]
        yield from nested(value for value in values if isinstance(value, Schema))


__all__ = ["FAMILIES", "Experiment", "Population", "Training"]
