"""Weights & Biases: curves while a run trains, its table and figure at the end. The record never depends on it."""

import io
import sys
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.work import Work

PATIENCE = 10.0  # seconds for W&B to answer when a run begins
LAST = 60.0  # and to take what it has not yet taken when a run ends


@register("wandb")
@dataclass(frozen=True, kw_only=True)
class Wandb(Callback):
    """Logs to Weights & Biases: one W&B run per run, grouped by sweep, with a table and a figure of what it reached.

    A run that is resumed goes on as the same W&B run. Offline W&B cannot do so: every session writes a folder of its
    own with the same id. Where W&B does not answer when a run begins, the run is kept offline, in one sentence; where
    it falls silent later, training does not wait for it, and the end waits a minute at most.

    Attributes:
        project: the W&B project.
        mode: offline writes into the run's folder (`wandb sync` uploads it later); online needs `wandb login`;
            disabled does nothing.
    """

    place: ClassVar[int] = 40
    alone: ClassVar[bool] = True

    project: str = "gru-lab"
    mode: Literal["offline", "online", "disabled"] = "offline"

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Listener(work) if self.mode == "disabled" else Logger(work, self)


class Logger(Listener):
    """One W&B run."""

    def __init__(self, work: Work, settings: Wandb) -> None:
        super().__init__(work)
        # Groups of members that train one after the other in one folder are runs of their own.
        name = f"{work.sweep}-{work.run.path.name}-{work.members[0].name}"
        options = {
            "project": settings.project,
            "name": name,
            "id": "".join(c if c.isalnum() or c in "-_" else "_" for c in name),
            "group": work.sweep,
            "dir": work.run.path,
            "config": work.experiment.config,
        }
        self.run = _begun(settings.mode, options)

    def evaluated(self) -> None:
        """Means over the members that still train, as `validation/loss`, and each member's as `validation/loss/0`."""
        work = self.work
        values: dict[str, float] = {}
        for name, column in work.measured.items():
            path = "train/loss" if name == "train_loss" else f"validation/{name}"
            values[path] = float(np.mean(column[work.live]))
            values |= {f"{path}/{n}": float(column[n]) for n in np.flatnonzero(work.live)}
        self.run.log(values, step=work.update)

    def close(self, error: BaseException | None) -> None:
        """See `Listener.close`."""
        if error is None:
            self.run.log(self._reached())
        self.run.finish(exit_code=0 if error is None else 1)

    def _reached(self) -> dict[str, Any]:
        """The table of the members and the figure of their curves; by now they have records."""
        import wandb
        from matplotlib import image

        from gru_lab.reports.curves import learning_curves
        from gru_lab.reports.style import files
        from gru_lab.runs.record import grouped

        records = [record for folder in self.work.folders if (record := folder.record) is not None]
        if not records:
            return {}
        hyper = sorted({path for record in records for path in record.member.hyper})
        head: list[Any] = [
            "member",
            "role",
            "seed",
            *hyper,
            f"test {records[0].metric}",
            "status",
            "solved at",
            "updates",
        ]
        rows: list[Any] = [
            [r.member.name, r.member.role, r.member.seed, *(r.member.hyper.get(path) for path in hyper),
             r.value("test"), r.status, r.solved_at, r.updates] for r in records
        ]  # fmt: skip
        groups = {group.shared.member.setting: group for group in grouped(records)}
        network = records[0].network
        labels = {network if len(groups) == 1 else f"{network} {setting}": group for setting, group in groups.items()}
        drawn = files(learning_curves(records[0].task, labels))
        reached: dict[str, Any] = {"members": wandb.Table(columns=head, data=rows)}
        if "png" in drawn:
            reached["learning curves"] = wandb.Image(image.imread(io.BytesIO(drawn["png"])))
        return reached


def _begun(mode: str, options: dict[str, Any]) -> Any:
    """The W&B run; offline, in one sentence, where W&B does not answer."""
    import wandb
    from wandb.errors import Error

    settings = wandb.Settings(silent=True, init_timeout=PATIENCE, finish_timeout=LAST)
    if mode == "online":
        try:
            return wandb.init(mode="online", resume="allow", settings=settings, **options)
        except Error as error:
            said = str(error).partition("\n")[0]
            print(f"W&B does not answer ({said}): this run is kept offline in {options['dir']}/wandb", file=sys.stderr)
            options |= {"id": f"{options['id']}-offline"}  # in this process the other is taken
    return wandb.init(mode="offline", settings=settings, **options)
