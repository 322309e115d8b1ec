"""From a composed configuration to frozen dataclasses: the only module of the package that knows Hydra.

Nothing about cells, tasks or settings is listed here twice: groups and defaults come from the dataclasses, which are
found by discovery, and every key is checked against them.
"""

import dataclasses
import os
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from gru_lab import cells, tasks
from gru_lab.models import Model, Shape, hidden_for
from gru_lab.runs.tracking import Logger
from gru_lab.schema import Schema, UserError, build, checked, listed, nearest
from gru_lab.training import Experiment, Population, Training, optimizers, remedies


@dataclass(frozen=True)
class Paths(Schema):
    """Where runs are kept: `<runs>/<sweep>/<run>/`."""

    group: ClassVar[str] = "paths"

    runs: str = "runs"


# Groups whose options are found by discovery.
FAMILIES = {"cell": cells, "task": tasks, "optimizer": optimizers, "remedy": remedies}
SETTINGS = {"model": Model, "training": Training, "population": Population, "logger": Logger, "paths": Paths}
AUTO = "auto"


@dataclass(frozen=True)
class Job:
    """What one command asks for: an experiment, where its record belongs, and who is told.

    `choices` holds the options that were chosen by group, as in `cell=irnn`.
    """

    experiment: Experiment
    sweep: str
    paths: Paths
    logger: Logger
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the sweep."""
        return Path(self.paths.runs).expanduser() / self.sweep


def nodes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every option that the dataclasses give: (group, option, its fields with their defaults)."""
    for group, family in FAMILIES.items():
        for name in family.names():
            yield group, name, {"name": name} | _defaults(family.get(name))
    for group, schema in SETTINGS.items():
        if group != "logger":
            yield group, "default", _defaults(schema)
    for name in typing.get_args(typing.get_type_hints(Logger)["name"]):
        yield "logger", name, _defaults(Logger) | {"name": name}


def outside(group: str, name: str) -> tuple[str, str, dict[str, Any]]:
    """The option of a class that lives outside: `cell=my_module:MyCell`."""
    return group, name, {"name": name} | _defaults(FAMILIES[group].get(name))


def _defaults(schema: type) -> dict[str, Any]:
    defaults = {}
    for one in dataclasses.fields(schema):
        if one.default is not dataclasses.MISSING:
            defaults[one.name] = list(one.default) if isinstance(one.default, tuple) else one.default
    return defaults


def build_job(tree: Mapping[str, Any], choices: Mapping[str, str] | None = None) -> Job:
    """The dataclasses of a composed tree of plain values.

    Raises:
        UserError: one sentence for the first key that is unknown or value that is not allowed.
    """
    known = [*FAMILIES, *SETTINGS, "diagnostics", "sweep"]
    for name in tree:
        if name not in known:
            raise UserError(f"{name} is unknown: a run has {listed(known)}.{nearest(name, known)}")
    parts: dict[str, Any] = {}
    for group, schema in SETTINGS.items():
        parts[group] = build(schema, _fields(group, tree.get(group, {})), group)
    for group in ("task", "optimizer", "remedy"):
        parts[group] = _create(group, tree)
    parts["cell"] = _cell(tree, parts["task"], parts["model"])
    sweep = tree.get("sweep", "default")
    if not isinstance(sweep, str) or not sweep or Path(sweep).name != sweep or sweep.startswith("."):
        raise UserError(f"sweep is {sweep!r}: it must be the name of one folder")
    parts["diagnostics"] = checked("diagnostics", tree.get("diagnostics", ()), tuple[str, ...])
    logger, paths = parts.pop("logger"), parts.pop("paths")
    return Job(Experiment(**parts), sweep, paths, logger, choices or {})


def _cell(tree: Mapping[str, Any], task: tasks.Task, model: Model) -> cells.Cell:
    fields = _fields("cell", tree.get("cell", {}))
    if fields.get("hidden") != AUTO:
        return _create("cell", tree)
    if model.parameters is None:
        raise UserError("cell.hidden is 'auto': it needs a budget, as in model.parameters=20000")
    shape = Shape(task.inputs, task.outputs, task.symbols, task.readout)

    def make(hidden: int) -> cells.Cell:
        return _create("cell", {"cell": fields | {"hidden": hidden}})

    try:
        return make(hidden_for(make, model, shape, model.parameters))
    except UserError as error:
        raise UserError(f"model.parameters is {model.parameters}: for cell={fields.get('name')} {error}") from None


def _create(group: str, tree: Mapping[str, Any]) -> Any:
    fields = _fields(group, tree.get(group, {}))
    if "name" not in fields:
        raise UserError(f"{group} is missing: give one, as in {group}={FAMILIES[group].names()[0]}")
    return FAMILIES[group].create(fields.pop("name"), **fields)


def _fields(group: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"{group} is {value!r}: it must be the name of an option of {group}")
    return dict(value)


def check_writable(folder: Path) -> None:
    """Raise `UserError` if runs cannot be kept in a folder; nothing is left behind."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f"paths.runs: {folder} cannot be written, because {existing} is not a folder you may write to")


__all__ = ["Job", "Paths", "build_job", "check_writable", "nodes", "outside"]
