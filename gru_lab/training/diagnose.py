"""Diagnostics of a run from outside: of its members at initialisation and, once trained, at their best."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from gru_lab import diagnostics
from gru_lab.diagnostics import Diagnostic
from gru_lab.runs.files import write_atomically
from gru_lab.runs.folder import RunFolder
from gru_lab.schema import UserError
from gru_lab.training.experiment import Experiment
from gru_lab.training.live import measurement
from gru_lab.training.population import begin
from gru_lab.training.train import Program, make_program


class Asked(NamedTuple):
    """A diagnostic, and how many sequences of the validation set it is to be measured on."""

    diagnostic: Diagnostic
    sequences: int


Found = dict[str, dict[str, dict[str, np.ndarray]]]  # name of what was asked -> initial, trained -> name -> members


def diagnose(experiment: Experiment, sweep: str | Path | None, asked: Mapping[str, Asked]) -> Found:
    """What the diagnostics measure of all members: arrays with the members first.

    `sweep` is where the experiment was run; what was measured once is kept beside the record, in `diagnostics/`, and
    is read from there. With None the members are as they begin, and `trained` is missing. A cell that a diagnostic
    refuses has an empty entry.

    Raises:
        UserError: if the experiment was not run in that sweep.
    """
    folder = None if sweep is None else Path(sweep) / experiment.name
    found: Found = {}
    missing = {}
    for name, one in asked.items():
        try:
            one.diagnostic.check_cell(experiment.cell)
        except UserError:
            found[name] = {}
            continue
        kept = None if folder is None else _read(folder / "diagnostics" / _file(one))
        if kept is None:
            missing[name] = one
        else:
            found[name] = kept
    if missing:
        program = make_program(experiment)
        members = {"initial": begin(experiment.population, program.init).params}
        if folder is not None:
            members["trained"] = _trained(experiment, program, folder)
        for name, one in missing.items():
            measure = measurement(experiment.task, program, one.diagnostic, one.sequences)

            def every(params: Any, data: Any, measure: Any = measure) -> Any:
                return jax.lax.map(lambda member: measure(member, data), params)

            program_of_all = jax.jit(every)
            measured = {when: program_of_all(params, program.data) for when, params in members.items()}
            found[name] = jax.tree.map(np.asarray, measured)
            if folder is not None:
                (folder / "diagnostics").mkdir(exist_ok=True)
                named = {f"{when}/{n}": v for when, values in found[name].items() for n, v in values.items()}
                write_atomically(folder / "diagnostics" / _file(one), save(named))
    return {name: found[name] for name in asked}


def _file(one: Asked) -> str:
    """A name that changes with any setting."""
    name = diagnostics.name_of(one.diagnostic)
    settings = json.dumps([asdict(one.diagnostic), one.sequences], sort_keys=True)
    return f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}.safetensors"


def _read(path: Path) -> dict[str, dict[str, np.ndarray]] | None:
    if not path.exists():
        return None
    try:
        content = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read: {error}; delete it to measure again") from None
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, value in content.items():
        when, name = key.split("/", 1)
        found.setdefault(when, {})[name] = value
    return found


def _trained(experiment: Experiment, program: Program, path: Path) -> Any:
    """The parameters with the best validation result of every member."""
    if not (path / "record.json").exists():
        raise UserError(f"{path} holds no record.json: train this experiment first")
    state = RunFolder(path).load_checkpoint(jax.eval_shape(lambda: begin(experiment.population, program.init)))
    if state is None:
        raise UserError(f"{path} holds no checkpoint.safetensors: delete the folder and train this experiment again")
    return jax.tree.map(jnp.asarray, state.best_params)
