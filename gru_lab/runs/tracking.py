"""Where a run's curves are shown while it trains: nowhere, or Weights & Biases. The record never depends on it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from gru_lab.schema import Schema


class Tracker(Protocol):
    """What a run tells while it trains."""

    def log(self, values: dict[str, float], update: int) -> None:
        """Numbers of one evaluation."""

    def finish(self) -> None:
        """The run has ended."""


class Silent:
    """Tells nobody."""

    def log(self, values: dict[str, float], update: int) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Logger(Schema):
    """Which tracker: `name` is `none` or `wandb`; the others are settings of Weights & Biases.

    `mode` offline writes into the run's folder (`wandb sync` uploads it later); online needs `wandb login`.
    """

    group: ClassVar[str] = "logger"

    name: Literal["none", "wandb"] = "none"
    project: str = "gru-lab"
    mode: Literal["offline", "online"] = "offline"

    def open(self, run: str, sweep: str, folder: Path, config: dict[str, Any]) -> Tracker:
        """A tracker for one run."""
        if self.name == "none":
            return Silent()
        return Wandb(self, run, sweep, folder, config)


class Wandb:
    """Logs to Weights & Biases: one W&B run a run, grouped by sweep, the same identity when resumed."""

    def __init__(self, logger: Logger, run: str, sweep: str, folder: Path, config: dict[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project=logger.project,
            mode=logger.mode,
            name=run,
            id=run,
            resume="allow",
            group=sweep,
            dir=folder,
            config=config,
            settings=wandb.Settings(silent=True),
        )

    def log(self, values: dict[str, float], update: int) -> None:
        """The numbers of one evaluation, against the update."""
        self._run.log(values, step=update)

    def finish(self) -> None:
        """Close the W&B run."""
        self._run.finish()
