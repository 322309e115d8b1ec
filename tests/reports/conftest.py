"""Runs made by hand: real folders with real records, whose numbers a test knows because it chose them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gru_lab.runs import Member, Record, RunFolder

PARAMETERS = {"rnn": 1000, "lstm": 4000, "gru": 3000}


def write_run(
    folder: Path,
    cell: str = "gru",
    task: str = "adding",
    losses: list[float | None] | None = None,
    *,
    curves: list[list[float | None]] | None = None,
    gradients: dict[str, Any] | None = None,
    better: str = "lower",
    metric: str = "loss",
    floor: float = 0.167,
    threshold: float = 0.01,
    every: int = 100,
    hidden: int = 16,
    seconds: float | None = None,
    device: str = "a CPU",
    **config: dict[str, Any],
) -> Record:
    """One finished run: `losses` are the members' test results (None: diverged), `curves` [evaluation][member]."""
    losses = [0.1, 0.2, 0.3] if losses is None else losses
    curves = [[0.2] * len(losses), list(losses)] if curves is None else curves
    whole = {
        "cell": {"name": cell, "hidden": hidden} | config.pop("cell_fields", {}),
        "task": {"name": task, "length": 100} | config.pop("task_fields", {}),
        "optimizer": {"learning_rate": 0.001},
        **config,
    }
    better_than = (lambda a: a < threshold) if better == "lower" else (lambda a: a > threshold)
    members = tuple(
        Member(
            seed=seed,
            status="diverged" if loss is None else "finished",
            solved_at=every * len(curves) if loss is not None and better_than(loss) else None,
            diverged_at=every if loss is None else None,
            best_at=None if loss is None else every,
            updates=every * len(curves),
            metrics={} if loss is None else {"validation": {metric: loss}, "test": {metric: loss}},
            seconds_per_update=seconds if seconds else PARAMETERS.get(cell, 2000) * 1e-6,
        )
        for seed, loss in enumerate(losses)
    )
    run = RunFolder.open(folder, whole)
    for number, values in enumerate(curves, 1):
        line = {"update": number * every, "train": {"loss": values}, "validation": {metric: values}}
        run.append_metrics(line)
    if gradients:
        run.save_json("gradient_flow.json", gradients)
    record = Record(
        cell=cell,
        task=task,
        config_hash=hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16],
        config=whole,
        status="diverged" if all(loss is None for loss in losses) else "finished",
        hidden=hidden,
        parameters=PARAMETERS.get(cell, 2000),
        parameters_by_part={"cell": PARAMETERS.get(cell, 2000)},
        metric=metric,
        better=better,  # pyright: ignore[reportArgumentType]
        floor=floor,
        threshold=threshold,
        members=members,
        versions={"jax": "0.10.2"},
        device=device,
    )
    run.save_record(record)
    return Record.load(folder / "record.json")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Record]:
    """`run(cell, task, losses, ...)`: the record of a run in a folder of its own under `tmp_path/runs`."""
    made = []

    def make(*args: Any, **kwargs: Any) -> Record:
        made.append(write_run(tmp_path / "runs" / str(len(made)), *args, **kwargs))
        return made[-1]

    return make
