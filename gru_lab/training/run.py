"""`run`: one experiment from its first update to its record."""

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab import diagnostics
from gru_lab.models import count_parameters
from gru_lab.runs.folder import RunFolder
from gru_lab.runs.progress import progress_bar
from gru_lab.runs.record import Member, Record, Status
from gru_lab.runs.tracking import Silent, Tracker
from gru_lab.training.experiment import Experiment
from gru_lab.training.live import entry, measurement, scalars
from gru_lab.training.population import begin, compiled, seeds
from gru_lab.training.train import NEVER, MemberState, Program, make_program, stopped

FLOW_BATCH = 64


def run(
    experiment: Experiment,
    sweep: str | Path = "runs/default",
    open_tracker: Callable[[Path], Tracker] = lambda _: Silent(),
) -> Record:
    """Train all members of an experiment and return the record, which is also in `sweep/<experiment.name>/`.

    A finished run is not trained again: its record is read. A run that was interrupted goes on from its last
    evaluation, to the same numbers.

    Raises:
        UserError: if the folder cannot be written, or holds a run of another configuration.
    """
    folder = RunFolder.open(Path(sweep) / experiment.name, experiment.config)
    record = folder.record
    if record is not None and record.status != "failed":
        return record
    tracker = open_tracker(folder.path)
    try:
        record = _train(experiment, folder, tracker)
    except Exception as error:
        folder.save_record(_record(experiment, (), None, "failed", f"{type(error).__name__}: {error}"))
        raise
    finally:
        tracker.finish()
    folder.save_record(record)
    return record


def _train(experiment: Experiment, folder: RunFolder, tracker: Tracker) -> Record:
    training, population = experiment.training, experiment.population
    program = make_program(experiment)
    members = begin(population, program.init)
    initial = members.params
    if (saved := folder.load_checkpoint(members)) is not None:
        members = jax.tree.map(jnp.asarray, saved)
    folder.keep_metrics(until=int(np.max(members.update)))

    started = time.perf_counter()
    lay_out, advance = compiled(
        population, program.advance, members, program.data, lambda m: m._replace(update=m.update + training.updates)
    )
    compile_seconds = time.perf_counter() - started
    diagnose = _diagnose(experiment, program, members)

    def real(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: np.asarray(leaf[: population.seeds]), tree)

    seconds: list[float] = []  # of one update of one member, while all members train
    title = f"{experiment.config['cell']['name']} on {experiment.config['task']['name']}"
    with progress_bar(title, training.updates, population.seeds) as show:
        state, members = real(members), lay_out(members)
        while np.any(live := ~np.asarray(stopped(training, state))):
            started = time.perf_counter()
            members, measured = advance(members, program.data)
            before, state, measured = state, real(members), real(measured)
            if np.all(live):
                seconds.append((time.perf_counter() - started) / int(np.sum(state.update - before.update)))
            line = _line(state, measured, live)
            if experiment.diagnostics:
                line["diagnostics"] = entry(real(diagnose(state)), live)
            folder.append_metrics(line)
            folder.save_checkpoint(state)
            tracker.log(_flat(line), line["update"])
            show(line["update"], _mean(line["train"]["loss"]), int(np.sum(state.solved_at != NEVER)))

    tested = real(_test(experiment, program, state))
    folder.save_json("gradient_flow.json", _gradient_flow(experiment, program, initial, state.best_params))
    per_update = float(np.median(seconds)) if seconds else None
    results = tuple(_member(seed, n, state, tested, per_update) for n, seed in enumerate(seeds(population)))
    status: Status = "diverged" if all(member.status == "diverged" for member in results) else "finished"
    return _record(experiment, results, compile_seconds, status)


def _line(state: MemberState, measured: dict[str, np.ndarray], live: np.ndarray) -> dict[str, Any]:
    """One line of `metrics.jsonl`: null for members that had stopped before."""
    values = {
        name: [float(value) if on else None for value, on in zip(column, live, strict=True)]
        for name, column in measured.items()
    }
    return {
        "update": int(np.max(state.update)),
        "train": {"loss": values.pop("train_loss")},
        "validation": values,
    }


def _flat(line: dict[str, Any]) -> dict[str, float]:
    """Means over the members that still train, as `validation/loss`, and each member's as `validation/loss/0`."""
    columns = {"train": line["train"], "validation": line["validation"]}
    columns["diagnostics"] = scalars(line.get("diagnostics", {}))
    flat = {}
    for split, named in columns.items():
        for name, column in named.items():
            flat[f"{split}/{name}"] = _mean(column)
            flat |= {f"{split}/{name}/{n}": value for n, value in enumerate(column) if value is not None}
    return flat


def _mean(column: list[float | None]) -> float:
    """The mean over the members that still train; NaN where one of them has diverged."""
    return float(np.mean([value for value in column if value is not None]))


def _diagnose(experiment: Experiment, program: Program, members: MemberState) -> Callable[[MemberState], Any]:
    """What the experiment's diagnostics measure of all members as they stand.

    Programs of their own, placed as training is, so that they change no number of the training.
    """
    programs = {}
    for name in experiment.diagnostics:
        measure = measurement(experiment.task, program, diagnostics.create(name))
        programs[name] = compiled(
            experiment.population, lambda member, data, f=measure: f(member.params, data), members, program.data
        )

    def diagnose(members: MemberState) -> Any:
        return {
            name: jax.block_until_ready(run(lay_out(members), program.data))
            for name, (lay_out, run) in programs.items()
        }

    return diagnose


def _test(experiment: Experiment, program: Program, members: MemberState) -> dict[str, Any]:
    def test(member: MemberState, data: Any) -> dict[str, Any]:
        return program.test(member.best_params, data)

    lay_out, run = compiled(experiment.population, test, members, program.data)
    return run(lay_out(members), program.data)


def _gradient_flow(experiment: Experiment, program: Program, initial: Any, trained: Any) -> dict[str, Any]:
    """The norm of the last step's loss gradient against the lag, a mean over sequences, for every member."""
    measure = measurement(experiment.task, program, diagnostics.create("gradient_flow"), FLOW_BATCH)
    flows = jax.jit(lambda many, data: jax.lax.map(lambda params: measure(params, data), many))

    def norms(params: Any) -> list[list[float]]:
        return np.asarray(flows(params, program.data)["norm"]).tolist()

    found = {"initial": norms(initial), "trained": norms(trained)}
    return {"lags": list(range(len(found["initial"][0]))), **found}


def _member(seed: int, n: int, state: MemberState, tested: dict[str, Any], per_update: float | None) -> Member:
    diverged = int(state.diverged_at[n])
    metrics: dict[str, dict[str, float | None]] = {"validation": {}, "test": {}}
    for name, values in tested.items():
        split, metric = name.split("_", 1)
        metrics[split][metric] = None if diverged != NEVER else float(values[n])

    def count(value: Any) -> int | None:
        return None if int(value) == NEVER else int(value)

    return Member(
        seed=seed,
        status="finished" if diverged == NEVER else "diverged",
        solved_at=count(state.solved_at[n]),
        diverged_at=count(diverged),
        best_at=count(state.best_at[n]),
        updates=int(state.update[n]),
        metrics=metrics,
        seconds_per_update=per_update,
    )


def _device(devices: list[Any]) -> str:
    """The device as a table names it: `cpu, 2 cores` or `NVIDIA H200`, `NVIDIA H200 x 4`."""
    kind, count = devices[0].device_kind, len(devices)
    if devices[0].platform == "cpu":
        return f"{kind}, {count} {'core' if count == 1 else 'cores'} in use"
    return kind if count == 1 else f"{kind} x {count}"


def _record(
    experiment: Experiment,
    members: tuple[Member, ...],
    compile_seconds: float | None,
    status: Status,
    error: str | None = None,
) -> Record:
    parts = count_parameters(experiment.cell, experiment.model, experiment.shape)
    task, devices = experiment.task, jax.devices()
    return Record(
        cell=experiment.config["cell"]["name"],
        task=experiment.config["task"]["name"],
        config_hash=experiment.hash,
        config=experiment.config,
        status=status,
        hidden=experiment.cell.hidden,
        parameters=sum(parts.values()),
        parameters_by_part=parts,
        metric=task.metric,
        better=task.better,
        floor=task.floor,
        threshold=task.threshold,
        members=members,
        versions={"python": platform.python_version()} | {name: version(name) for name in ("jax", "flax", "optax")},
        device=_device(devices),
        compile_seconds=compile_seconds,
        error=error,
    )
