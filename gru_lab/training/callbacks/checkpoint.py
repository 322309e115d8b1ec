"""Checkpoints: where every member stands, so that a killed run goes on to the same bytes."""

import time
from dataclasses import dataclass
from typing import ClassVar

import jax
import numpy as np

from gru_lab.runs.log import EMPTY, Mark
from gru_lab.schema import NonNegative
from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.train import MemberState
from gru_lab.training.work import Work


@register("checkpoint")
@dataclass(frozen=True, kw_only=True)
class Checkpoint(Callback):
    """Writes `checkpoint.safetensors` of every member, with the marks of its logs.

    Attributes:
        seconds: how long at least lies between two checkpoints; what was trained since the last one is trained again
            after a kill.
    """

    place: ClassVar[int] = 60
    standard: ClassVar[bool] = True

    seconds: NonNegative = 2.0

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Keeper(work, self.seconds)


class Keeper(Listener):
    """Restores and writes checkpoints."""

    def __init__(self, work: Work, seconds: float) -> None:
        super().__init__(work)
        self.seconds, self.last = seconds, time.monotonic()
        self.saved = np.full(len(work.members), -1)
        self.reached: tuple[MemberState, list[dict[str, Mark]]] | None = None

    def restore(self) -> None:
        """Set every member to its checkpoint, if its logs still hold what they held then; else to its beginning."""
        work = self.work
        states = [jax.tree.map(lambda leaf, n=n: leaf[n], work.state) for n in range(len(work.members))]
        for n, folder in enumerate(work.folders):
            logs = work.logs(n)
            loaded = folder.load_checkpoint(states[n], work.experiment.identity)
            state, marks = loaded or (states[n], {})
            if all(name in logs and logs[name].rewind(mark) for name, mark in marks.items()):
                states[n] = state
            else:
                marks = {}
            for name in set(logs) - set(marks):
                logs[name].rewind(EMPTY)
            self.saved[n] = int(states[n].update) if marks else -1
        work.state = jax.tree.map(lambda *leaves: np.stack(leaves), *states)

    def evaluated(self) -> None:
        """See `Listener.evaluated`."""
        self.reach()
        if time.monotonic() - self.last >= self.seconds or np.all(self.work.over):
            self.save()

    def finish(self) -> None:
        """Measurements made at the end belong to the checkpoint, too."""
        self.reach()
        self.save(changed=True)

    def close(self, error: BaseException | None) -> None:
        """Ctrl-C and the like lose no evaluation that was logged."""
        if isinstance(error, KeyboardInterrupt):
            self.save()

    def reach(self) -> None:
        """Remember a state together with its logs: an interruption may come between the two."""
        marks = [{name: log.mark for name, log in self.work.logs(n).items()} for n in range(len(self.work.members))]
        self.reached = self.work.state, marks

    def save(self, changed: bool = False) -> None:
        """Write the checkpoint of every member that has moved on since its last one."""
        if self.reached is None:
            return
        work, (states, marks) = self.work, self.reached
        for n, folder in enumerate(work.folders):
            if int(states.update[n]) == self.saved[n] and not changed:
                continue
            for log in work.logs(n).values():
                log.sync()
            state = jax.tree.map(lambda leaf, n=n: leaf[n], states)
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.save_checkpoint(state, work.experiment.identity, marks[n])
            self.saved[n] = int(states.update[n])
        self.last = time.monotonic()
