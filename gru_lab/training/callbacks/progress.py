"""A progress bar for people, in a terminal and in a notebook; silent elsewhere."""

import importlib
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gru_lab.hosts import several
from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.train import NEVER
from gru_lab.training.work import Work

PREVIEWS = (1, 5)  # updates that are tried before the first evaluation, for a loss and an estimate of the time
WIDTH = 16  # letters of the bar


@register("progress")
@dataclass(frozen=True, kw_only=True)
class Progress(Callback):
    """Shows what is being done, the update, the training loss, how many members solved the task, and the time left.

    Attributes:
        label: what stands before it, such as the place of a job in a sweep.
    """

    place: ClassVar[int] = 70
    alone: ClassVar[bool] = True
    standard: ClassVar[bool] = True

    label: str = ""

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        from rich.console import Console

        console, title = Console(stderr=True), f"{self.label}{work.title}"
        updates = work.experiment.training.updates
        if console.is_jupyter:
            return Bar(work, Notebook(title, updates))
        return Bar(work, Terminal(console, title, updates)) if console.is_terminal else Listener(work)


class Bar(Listener):
    """Says how far the members are."""

    def __init__(self, work: Work, shown: "Terminal | Notebook") -> None:
        super().__init__(work)
        self.shown = shown
        self.started, self.begun = 0.0, 0
        self.shown.show(0, "compiling the training step")

    def begin(self) -> None:
        """A few updates are tried: the first evaluation may be a minute away."""
        work, training = self.work, self.work.experiment.training
        if not work.over.all() and not several():  # other hosts do not try them
            self.shown.show(work.update, "trying the first updates")
            (first, more), spent, loss = PREVIEWS, [], np.nan
            for updates in PREVIEWS:
                loss, seconds = work.preview(updates)
                spent.append(seconds)
                self.shown.show(work.update, f"loss {loss:.4g}")
            each = max(spent[1] - spent[0], 0) / (more - first)
            evaluation = max(spent[0] - each, 0)
            self.say(loss, (training.updates - work.update) * (each + evaluation / training.evaluate_every))
        self.started, self.begun = time.perf_counter(), work.update

    def evaluated(self) -> None:
        """See `Listener.evaluated`."""
        work = self.work
        losses = work.measured["train_loss"][work.live]
        finite = losses[np.isfinite(losses)]
        passed = (time.perf_counter() - self.started) / max(work.update - self.begun, 1)
        left = passed * (work.experiment.training.updates - work.update)
        self.say(float(np.mean(finite)) if finite.size else np.inf, left)

    def say(self, loss: float, seconds: float) -> None:
        """Show the mean loss of the members whose loss is finite, and the time left."""
        state, members = self.work.state, len(self.work.members)
        diverged = int(np.sum(state.diverged_at != NEVER))
        parts = [f"loss {loss:.4g}", f"{int(np.sum(state.solved_at != NEVER))}/{members} solved"]
        parts += [f"{diverged} diverged"] if diverged else []
        parts += [f"{duration(seconds)} left"] if not self.work.over.all() else []
        self.shown.show(self.work.update, ", ".join(parts))

    def finish(self) -> None:
        """See `Listener.finish`."""
        self.shown.show(self.work.update, "testing the best parameters")

    def close(self, error: BaseException | None) -> None:
        """See `Listener.close`."""
        self.shown.close()


class Terminal:
    """A bar of rich's on standard error, gone at the end."""

    def __init__(self, console: Any, title: str, updates: int) -> None:
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=WIDTH),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
        )
        self.bars = Bars(*columns, console=console, transient=True)
        self.bars.start()
        self.bar = self.bars.add_task(escape(title), total=updates, said="")

    def show(self, update: int, said: str) -> None:
        """Change what is shown."""
        self.bars.update(self.bar, completed=update, said=said, refresh=True)

    def close(self) -> None:
        """Take the bar away."""
        self.bars.stop()


class Notebook:
    """A line below the cell of a notebook that changes in its place."""

    def __init__(self, title: str, updates: int) -> None:
        self.title, self.updates = title, updates
        display: Any = importlib.import_module("IPython.display")
        self.handle = display.display({"text/plain": title}, raw=True, display_id=True)

    def show(self, update: int, said: str) -> None:
        """Change what is shown."""
        done = min(round(WIDTH * update / self.updates), WIDTH)
        bar = "━" * done + "┄" * (WIDTH - done)
        self.handle.update({"text/plain": f"{self.title} {bar} {update}/{self.updates} {said}"}, raw=True)

    def close(self) -> None:
        """The last line stays."""


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(8.4), duration(100), duration(9000)
    ('8 s', '2 min', '2.5 h')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"
