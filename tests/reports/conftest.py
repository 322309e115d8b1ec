"""Groups made by hand: real folders with real records, whose numbers a test knows because it chose them."""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gru_lab.runs import Found, Group, Member, MemberFolder, Record, RunFolder, find_records, grouped
from gru_lab.runs.log import Log
from gru_lab.runs.record import Role
from gru_lab.runs.store import measurement_line

PARAMETERS = {"rnn": 1000, "lstm": 4000, "gru": 3000}
Value = float | None


def write_group(
    folder: Path,
    network: str = "gru",
    task: str = "adding",
    losses: Sequence[Value] = (0.1, 0.2, 0.3),
    *,
    curves: Sequence[Sequence[Value]] | None = None,
    measured: Sequence[tuple[int, str, str, Mapping[str, Any]]] = (),
    cell: str | None = "",
    better: str = "lower",
    metric: str = "loss",
    floor: float | None = 0.167,
    threshold: float | None = 0.01,
    every: int = 100,
    hidden: int | None = 16,
    seconds: float | None = None,
    flops: int | None = None,
    hyper: dict[str, float] | None = None,
    seeds: Sequence[int] | None = None,
    sources: dict[str, str] | None = None,
    cell_fields: dict[str, Any] | None = None,
    task_fields: dict[str, Any] | None = None,
    device: str = "a CPU",
    protocol: str = "fixed",
    selection: dict[str, Any] | None = None,
    role: Role = "report",
    **config: dict[str, Any],
) -> Group:
    """One finished run.

    Args:
        folder: of the run.
        network, task: their names.
        losses: the members' test results (None: diverged).
        curves: the validation metric, [evaluation][member].
        measured: (update, when, diagnostic, values with the members first).
        config: further parts of the configuration.
    """
    curves = [[0.2] * len(losses), list(losses)] if curves is None else curves
    cell = network if cell == "" else cell
    whole: dict[str, Any] = {
        "model": {"name": "recurrent" if cell else network},
        "cell": None if cell is None else {"name": cell, "hidden": hidden} | (cell_fields or {}),
        "task": {"name": task, "length": 100} | (task_fields or {}),
        "optimizer": {"name": "adam", "learning_rate": 0.001},
        **config,
    }
    sources = sources or {}
    identity = hashlib.sha256(json.dumps([whole, sources]).encode()).hexdigest()[:16]
    run = RunFolder.open(folder, whole | {"identity": identity})
    for place, loss in enumerate(losses):
        member = Member(seed=seeds[place] if seeds else place, hyper=hyper or {}, role=role)
        kept: MemberFolder = run.member(member)
        kept.path.mkdir(parents=True)
        log = Log(kept.metrics)
        for number, values in enumerate(curves, 1):
            line = {"update": number * every, "train": {"loss": values[place]}}
            log.append(line | {"validation": {metric: values[place]}})
        for update, when, name, values in measured:
            of_member = {key: array[place] for key, array in values.items()}
            Log(kept.measurement(name)).append(measurement_line(update, when, of_member))
        good = loss is not None and threshold is not None and (loss < threshold) == (better == "lower")
        Record(
            identity=identity, member=member, network=network, model=whole["model"]["name"], cell=cell, task=task,
            status="diverged" if loss is None else "finished", updates=every * len(curves),
            solved_at=every * len(curves) if good else None, diverged_at=every if loss is None else None,
            best_at=None if loss is None else every,
            metrics={} if loss is None else {"validation": {metric: loss}, "test": {metric: loss}},
            metric=metric, better=better,  # pyright: ignore[reportArgumentType]
            floor=floor, threshold=threshold, hidden=hidden, parameters=PARAMETERS.get(network, 2000),
            parameters_by_part={"network": PARAMETERS.get(network, 2000)}, flops=flops, config=whole, sources=sources,
            layout={"files": {name: log.mark for name, log in kept.logs().items()}},
            versions={"jax": "0.10.2"}, device=device, protocol=protocol, selection=selection or {},
            timing={"seconds_per_update": seconds or PARAMETERS.get(network, 2000) * 1e-6},
        ).save(kept.path / "record.json")  # fmt: skip
    [group] = grouped(run.member(name).record_checked() for name in run.members())
    return group


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Group]:
    """`run(network, task, losses, ...)`: the group of a run in a folder of its own under `tmp_path/runs`."""
    numbers = itertools.count()
    return lambda *args, **kwargs: write_group(tmp_path / "runs" / str(next(numbers)), *args, **kwargs)


@pytest.fixture
def found(tmp_path: Path) -> Callable[[], Found]:
    """`found()`: what `find_records` gives of all runs that were made."""
    return lambda: find_records([tmp_path / "runs"])


def flow(initial: float, trained: float, members: int = 3, lags: int = 50) -> list[tuple[int, str, str, Any]]:
    """What gradients measure that fall by a rate with every lag, before and after training."""

    def values(rate: float) -> dict[str, Any]:
        norm = [[0.5 * rate**lag * (1 + i / 10) for lag in range(lags)] for i in range(members)]
        return {"norm": norm, "horizon": [float(lags)] * members, "decay_rate": [rate - 1] * members}

    return [(0, "initial", "gradient_flow", values(initial)), (200, "trained", "gradient_flow", values(trained))]
