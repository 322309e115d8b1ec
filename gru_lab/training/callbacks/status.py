"""The progress of a run for other processes: `scripts/sweep status` reads it."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gru_lab.runs import Member, RunFolder
from gru_lab.runs.files import write_atomically
from gru_lab.schema import NonNegative
from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.experiment import Experiment
from gru_lab.training.work import Work


@register("status")
@dataclass(frozen=True, kw_only=True)
class Status(Callback):
    """Keeps `progress.json` in the folder of the run while members train: the update, and the seconds that are left.

    Attributes:
        seconds: how long at least lies between two notes.
    """

    place: ClassVar[int] = 80
    alone: ClassVar[bool] = True
    standard: ClassVar[bool] = True

    seconds: NonNegative = 2.0

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Note(work, self.seconds)

    def kept(self, experiment: Experiment, run: RunFolder, members: Sequence[Member]) -> None:
        """Take away what a killed process has left."""
        (run.path / "progress.json").unlink(missing_ok=True)


class Note(Listener):
    """Writes the notes."""

    def __init__(self, work: Work, seconds: float) -> None:
        super().__init__(work)
        self.path, self.seconds = work.run.path / "progress.json", seconds
        self.started, self.begun, self.last = 0.0, 0, time.monotonic()

    def begin(self) -> None:
        """See `Listener.begin`."""
        self.started, self.begun = time.monotonic(), self.work.update

    def evaluated(self) -> None:
        """See `Listener.evaluated`."""
        now = time.monotonic()
        if now - self.last >= self.seconds:
            self.last = now
            update, updates = self.work.update, self.work.experiment.training.updates
            left = (now - self.started) / max(update - self.begun, 1) * (updates - update)
            write_atomically(self.path, json.dumps({"update": update, "updates": updates, "seconds": left}) + "\n")

    def close(self, error: BaseException | None) -> None:
        """See `Listener.close`."""
        self.path.unlink(missing_ok=True)
