"""From a composed tree of plain values to frozen dataclasses; knows nothing of Hydra.

Nothing about cells, tasks or settings is listed here twice: groups and defaults come from the dataclasses, which are
found by discovery, and every key is checked against them.
"""

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from gru_lab import cells, models, tasks
from gru_lab.data import files
from gru_lab.errors import UserError, listed, nearest
from gru_lab.models import Model, Spec, hidden_for
from gru_lab.outside import load
from gru_lab.schema import Schema, build
from gru_lab.tasks import Task
from gru_lab.training import Experiment, Population, Training, callbacks
from gru_lab.training.callbacks import Callback
from gru_lab.training.experiment import FAMILIES, of_task
from gru_lab.training.memory import check_fits
from gru_lab.training.run import watchers


@dataclass(frozen=True, kw_only=True)
class Paths(Schema):
    """The folder of all runs, which are kept in `<runs>/<sweep>/<run>/`, and that of data files of the user's.

    `manual_dir` is where tasks on data look for files, in place of the folder that GRU_LAB_DATA names; see
    `gru_lab.data.files`.

    Attributes:
        runs: the folder of all runs.
        manual_dir: where tasks look for data files; GRU_LAB_DATA where it is null.
    """

    group: ClassVar[str] = "paths"

    runs: str = "runs"
    manual_dir: str | None = None

    def check(self) -> None:
        """A folder has a name."""
        if not self.runs:
            self.refuse("runs", "it must be the path of a folder")


SETTINGS = {"training": Training, "population": Population, "paths": Paths}
OTHERS = ("callbacks", "sweep", "force", "network")
PRESETS = ("experiment", "debug")
AUTO = "auto"
LONGEST = 255  # bytes of the name of a folder


@dataclass(frozen=True)
class Job:
    """One job of a command: an experiment, where its records belong, and what watches it.

    `force` trains anew what has finished. `choices` holds the options that were chosen by group, as in `cell=irnn`.
    `place` says where it stands among the jobs of a command, as in `[2/3] `. `launcher` has the `name` and the
    `settings` of what launches it; nothing for the basic one.
    """

    experiment: Experiment
    sweep: str
    paths: Paths
    callbacks: tuple[Callback, ...] = ()
    force: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    launcher: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the sweep."""
        return Path(self.paths.runs).expanduser() / self.sweep

    @property
    def title(self) -> str:
        """The network and the task, in words."""
        return f"{self.experiment.network} on {tasks.name_of(self.experiment.task)}"


def nodes() -> Iterator[tuple[str, str, dict[str, Any], str | None]]:
    """Every option that the dataclasses give: (group, option, its fields with their defaults, where they belong).

    A network is the choice of a model and a cell together: every cell in recurrent layers, every model without a cell.
    """
    for group, family in FAMILIES.items():
        for name in family.names():
            yield group, name, {"name": name} | _defaults(family.get(name)), None
    for group, schema in SETTINGS.items():
        yield group, "default", _defaults(schema), None
    for name in cells.names():
        yield network(name)
    for name in models.names():
        if not models.get(name).needs_cell:
            yield network(name, has_cell=False)


def network(name: str, has_cell: bool = True) -> tuple[str, str, dict[str, Any], str | None]:
    """The option `network=name`: a cell in recurrent layers, or a model without a cell."""
    cell, model = (name, "recurrent") if has_cell else (None, name)
    return "network", name, {"defaults": [{"override /cell": cell}, {"override /model": model}, "_self_"]}, "_global_"


def stored(option: str) -> str:
    """The name under which Hydra knows a class from outside: `my_cells:MyCell` for `path/to/my_cells.py:MyCell`."""
    where, colon, attribute = option.rpartition(":")
    return f"{Path(where).stem if where.endswith('.py') else where}{colon}{attribute}"


def outside(group: str, name: str) -> list[tuple[str, str, dict[str, Any], str | None]]:
    """The options of a class that lives outside: `cell=my_cells.py:MyCell`, `network=my_models.py:MyModel`."""
    if group != "network":
        return [(group, stored(name), {"name": name} | _defaults(FAMILIES[group].get(name)), None)]
    cls = load(name, group)
    if not (isinstance(cls, type) and issubclass(cls, Model)):
        return [*outside("cell", name), network(stored(name))]
    beside_a_cell = ("network", stored(name), {"defaults": [{"override /model": stored(name)}, "_self_"]}, "_global_")
    return [*outside("model", name), beside_a_cell if cls.needs_cell else network(stored(name), has_cell=False)]


def _defaults(schema: type) -> dict[str, Any]:
    defaults = {}
    for each in dataclasses.fields(schema):
        if each.default is not dataclasses.MISSING:
            defaults[each.name] = list(each.default) if isinstance(each.default, tuple) else each.default
        elif each.default_factory is not dataclasses.MISSING:
            defaults[each.name] = each.default_factory()
    return defaults


def build_job(tree: Mapping[str, Any], choices: Mapping[str, str] | None = None) -> Job:
    """The dataclasses of a composed tree of plain values.

    Raises:
        UserError: one sentence for the first key that is unknown or value that is not allowed.
    """
    for name in tree:
        check_known(name)
    parts: dict[str, Any] = {group: build(schema, _fields(group, tree.get(group, {})), group)
                             for group, schema in SETTINGS.items()}  # fmt: skip
    if parts["paths"].manual_dir is not None:
        files.bring(parts["paths"].manual_dir)  # before a task looks for its data
    for group in ("task", "model", "method", "optimizer", "remedy", "protocol"):
        parts[group] = _create(group, tree)
    parts["cell"] = _cell(tree, parts["task"], parts["model"])
    sweep = tree.get("sweep", "default")
    if not isinstance(sweep, str) or not sweep or Path(sweep).name != sweep or sweep.startswith("."):
        raise UserError(f"sweep is {sweep!r}: it must be the name of one folder")
    if (size := len(sweep.encode("utf-8", "surrogatepass"))) > LONGEST:
        raise UserError(f"sweep is {sweep[:20]!r}..., of {size} bytes: the name of a folder has {LONGEST} at most")
    force = tree.get("force", False)
    if not isinstance(force, bool):
        raise UserError(f"force is {force!r}: it must be true or false")
    watching = _callbacks(tree.get("callbacks") or {})
    paths = parts.pop("paths")
    experiment = Experiment(**parts)
    check_fits(experiment)
    for each in watchers(watching):
        each.check_experiment(experiment)
    return Job(experiment, sweep, paths, watching, force, choices or {})


def check_known(name: str, more: Collection[str] = ()) -> None:
    """Raise `UserError` for a setting that no run has; fields of its parts and `more` settings count for the hint."""
    known = [*FAMILIES, *SETTINGS, *OTHERS]
    if name.replace("/", ".").partition(".")[0] in (*known, *more, *PRESETS, "hydra"):
        return
    beside = f"this program has {listed(more)}, and " if more else ""
    raise UserError(f"{name} is unknown: {beside}a run has {listed(known)}.{nearest(name, [*more, *known, *_paths()])}")


def _paths() -> Iterator[str]:
    """Every field of every part of a run, as `optimizer.learning_rate`."""
    yield from (f"{group}.{field.name}" for group, schema in SETTINGS.items() for field in dataclasses.fields(schema))
    for group in ("optimizer", "task", "model", "remedy", "protocol", "method", "cell"):
        for name in FAMILIES[group].names():
            yield from (f"{group}.{field.name}" for field in dataclasses.fields(FAMILIES[group].get(name)))


def _callbacks(value: Any) -> tuple[Callback, ...]:
    """Callbacks from a list of names, of mappings with a name, or from a mapping of names to settings."""
    if isinstance(value, Mapping):
        value = [{"name": name} | _fields(f"callbacks.{name}", fields or {}) for name, fields in value.items()]
    if not isinstance(value, (list, tuple)):
        raise UserError(f"callbacks is {value!r}: it must be a list, as in callbacks=[wandb]")
    made = []
    for each in value:
        fields = dict(each) if isinstance(each, Mapping) else {"name": each}
        if not isinstance(fields.get("name"), str):
            raise UserError(f"callbacks has {each!r}: it must be a name, as in callbacks=[wandb]")
        made.append(callbacks.create(fields.pop("name"), **fields))
    return tuple(made)


def _cell(tree: Mapping[str, Any], task: Task, model: Model) -> cells.Cell | None:
    fields = _fields("cell", tree.get("cell") or {})
    if not fields or (
        "name" not in fields and not model.needs_cell
    ):  # cell.hidden is for the other networks of a sweep
        return None
    if fields.get("hidden") != AUTO:
        return _create("cell", tree)
    if model.parameters is None:
        raise UserError("cell.hidden is 'auto': it needs a budget, as in model.parameters=20000")
    spec = Spec(task.inputs, task.outputs, task.symbols, task.readout)

    def make(hidden: int) -> cells.Cell:
        return of_task(_create("cell", {"cell": fields | {"hidden": hidden}}), task)

    try:
        return make(hidden_for(model, make, spec, model.parameters))
    except UserError as error:
        raise UserError(f"model.parameters is {model.parameters}: for cell={fields.get('name')} {error}") from None


def _create(group: str, tree: Mapping[str, Any]) -> Any:
    fields = _fields(group, tree.get(group, {}))
    if "name" not in fields:
        raise UserError(f"{group} is missing: give one, as in {group}={FAMILIES[group].names()[0]}")
    return FAMILIES[group].create(fields.pop("name"), **fields)


def _fields(group: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        settings = group.startswith("callbacks.")
        what = f"its settings, as in {group}.field=value" if settings else f"the name of an option of {group}"
        raise UserError(f"{group} is {value!r}: it must be {what}")
    return dict(value)


def check_writable(folder: Path) -> None:
    """Raise `UserError` if runs cannot be kept in a folder; nothing is left behind."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f"paths.runs: {folder} cannot be written, because {existing} is not a folder you may write to")


__all__ = ["Job", "Paths", "build_job", "check_known", "check_writable", "nodes", "outside"]
