"""The record of every member, written last."""

import datetime
import math
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, ClassVar

import jax
import numpy as np

from gru_lab import cells, models, outside, recurrence, tasks
from gru_lab.data import Split
from gru_lab.models import count_parameters
from gru_lab.runs import Record
from gru_lab.runs.log import Mark
from gru_lab.runs.record import Stopped
from gru_lab.training import protocols
from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.experiment import Experiment, nested
from gru_lab.training.flops import update_flops
from gru_lab.training.population import side_by_side
from gru_lab.training.train import NEVER, reasons
from gru_lab.training.work import Work

PACKAGES = ("gru-lab", "jax", "jaxlib", "flax", "optax")
FLOPS = "flops"


@register("record")
@dataclass(frozen=True, kw_only=True)
class Records(Callback):
    """Measures the best parameters on the validation and the test set, and writes `record.json`."""

    place: ClassVar[int] = 90
    standard: ClassVar[bool] = True

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Recorder(work)


class Recorder(Listener):
    """Writes the records when all members have stopped."""

    def finish(self) -> None:
        """See `Listener.finish`."""
        work = self.work
        reporting = any(member.role == "report" for member in work.members)
        splits: list[Split] = ["validation", "test"] if reporting else ["validation"]
        if FLOPS not in work.programs:
            work.programs[FLOPS] = update_flops(work.experiment, work.layout.dropout)
        results = {split: work.tested(work.state.best_params, split) for split in splits}
        for n, folder in enumerate(work.folders):
            metrics = {split: results[split][n] for split in splits if split == "validation" or self.reports(n)}
            self.record(n, metrics).save(folder.path / "record.json")

    def reports(self, n: int) -> bool:
        """True for a member that may see the test set."""
        return self.work.members[n].role == "report"

    def why(self, n: int) -> Stopped | None:
        """The reason for which member n trained no further."""
        why = reasons(self.work.experiment.training, self.work.state)
        return next((name for name, holds in why.items() if holds[n]), None)

    def recurrence(self, n: int) -> dict[str, Any]:
        """The method that ran the steps of member n, with what Newton's method met at its evaluations."""
        experiment = self.work.experiment
        if experiment.cell is None:
            return {}
        summary: dict[str, Any] = {"method": recurrence.name_of(experiment.method)}
        met = [line["newton"] for line in self.work.folders[n].read_metrics() if "newton" in line]
        if met:
            summary["iterations"] = float(np.mean([each["iterations"] for each in met]))
            summary["most_iterations"] = int(max(each["most_iterations"] for each in met))
            summary["fell_back"] = float(np.mean([each["fell_back"] for each in met]))
        return summary

    def record(self, n: int, metrics: dict[str, dict[str, float]]) -> Record:
        """The record of member n."""
        work, experiment, state = self.work, self.work.experiment, self.work.state
        task, card = experiment.task, experiment.card
        parts = count_parameters(experiment.model, experiment.cell, experiment.spec)
        measured = [values.get(task.metric, math.nan) for values in metrics.values()]
        diverged_at = int(state.diverged_at[n])
        if diverged_at == NEVER and not (state.best_at[n] != NEVER and np.isfinite(measured).all()):
            diverged_at = int(state.update[n])  # nothing that is not finite is ever called finished

        def count(value: Any) -> int | None:
            return None if int(value) == NEVER else int(value)

        return Record(
            identity=experiment.identity,
            member=work.members[n],
            network=experiment.network,
            model=models.name_of(experiment.model),
            cell=None if experiment.cell is None else cells.name_of(experiment.cell),
            task=tasks.name_of(task),
            status="diverged" if diverged_at != NEVER else "finished",
            updates=int(state.update[n]),
            solved_at=count(state.solved_at[n]),
            diverged_at=count(diverged_at),
            best_at=count(state.best_at[n]),
            stopped=self.why(n),
            recurrence=self.recurrence(n),
            skipped=None if state.skipped is None else int(state.skipped[n]),
            metrics={
                split: {name: value if diverged_at == NEVER else None for name, value in values.items()}
                for split, values in metrics.items()
            },
            metric=task.metric,
            better=task.better,
            floor=task.floor,
            threshold=task.threshold,
            hidden=None if experiment.cell is None else experiment.cell.hidden,
            parameters=sum(parts.values()),
            parameters_by_part=parts,
            flops=work.programs[FLOPS],
            config=experiment.config,
            sources=card["sources"],
            data=card["data"],
            revisions=card["revisions"],
            numerics=card["numerics"],
            protocol=protocols.name_of(experiment.protocol),
            plan=experiment.protocol.statement,
            selection=work.selection.as_tree(),
            layout=asdict(work.layout) | {"outside": places(experiment), "files": marks(work, n)},
            versions={"python": platform.python_version()}
            | {name: version(name) for name in (*PACKAGES, *experiment.protocol.packages)},
            device=device_name(),
            timing={
                "seconds_per_update": float(np.median(work.seconds)) if work.seconds else None,
                "compile_seconds": work.compile_seconds,
                "mesh": work.mesh._asdict(),
                "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            },
        )


def marks(work: Work, n: int) -> dict[str, Mark]:
    """The logs of member n that belong to its record; measurements can be made again, and check themselves."""
    return {name: log.mark for name, log in work.logs(n).items() if not name.startswith("measurements")}


def places(experiment: Experiment) -> dict[str, str]:
    """The files of the classes from outside that take part, by their modules."""
    files = {type(part).__module__: outside.location(type(part)) for part in nested(experiment.parts.values())}
    return {module: file for module, file in files.items() if file}


def device_name() -> str:
    """The device as a table names it: `cpu, 2 cores in use`, `NVIDIA H200` or `NVIDIA H200 x 4`."""
    devices = jax.devices()
    kind, count = devices[0].device_kind, side_by_side()
    if devices[0].platform == "cpu":
        return f"{kind}, {count} {'core' if count == 1 else 'cores'} in use"
    return kind if count == 1 else f"{kind} x {count}"
