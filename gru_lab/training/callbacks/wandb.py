"""Weights & Biases: curves while a run trains. The record never depends on it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.work import Work


@register("wandb")
@dataclass(frozen=True, kw_only=True)
class Wandb(Callback):
    """Logs to Weights & Biases: one W&B run per run, grouped by sweep, the same identity when it is resumed.

    Attributes:
        project: the W&B project.
        mode: offline writes into the run's folder (`wandb sync` uploads it later); online needs `wandb login`.
    """

    place: ClassVar[int] = 40
    alone: ClassVar[bool] = True

    project: str = "gru-lab"
    mode: Literal["offline", "online"] = "offline"

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Logger(work, self)


class Logger(Listener):
    """One W&B run."""

    def __init__(self, work: Work, settings: Wandb) -> None:
        import wandb

        super().__init__(work)
        # Groups of members that train one after the other in one folder are runs of their own.
        name = f"{work.sweep}-{work.run.path.name}-{work.members[0].name}"
        self.run = wandb.init(
            project=settings.project,
            mode=settings.mode,
            name=name,
            id="".join(c if c.isalnum() or c in "-_" else "_" for c in name),
            resume="allow",
            group=work.sweep,
            dir=work.run.path,
            config=work.experiment.config,
            settings=wandb.Settings(silent=True),
        )

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
        self.run.finish(exit_code=0 if error is None else 1)
