"""A progress bar for people; silent where the output is not a terminal."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.train import NEVER
from gru_lab.training.work import Work


@register("progress")
@dataclass(frozen=True)
class Progress(Callback):
    """Shows the update, the training loss, how many members have solved the task, and the time left."""

    place: ClassVar[int] = 70
    standard: ClassVar[bool] = True

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Bar(work)


class Bar(Listener):
    """A bar of rich's."""

    def __init__(self, work: Work) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        super().__init__(work)
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        )
        self.bars = Bars(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.bars.start()
        self.bar = self.bars.add_task(escape(work.title), total=work.experiment.training.updates, said="compiling")

    def begin(self) -> None:
        """See `Listener.begin`."""
        self.bars.update(self.bar, completed=self.work.update, said="training")

    def evaluated(self) -> None:
        """See `Listener.evaluated`."""
        work = self.work
        losses = work.measured["train_loss"][work.live]
        solved = int(np.sum(work.state.solved_at != NEVER))
        said = f"loss {np.mean(losses):.4g}  solved {solved}/{len(work.members)}"
        self.bars.update(self.bar, completed=work.update, said=said)

    def close(self, error: BaseException | None) -> None:
        """See `Listener.close`."""
        self.bars.stop()
