"""A progress bar for long work; silent when the output is not a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Update(Protocol):
    """`update(completed, loss, solved)` moves the bar."""

    def __call__(self, completed: int, loss: float, solved: int) -> None: ...


@contextmanager
def progress_bar(title: str, total: int, members: int) -> Iterator[Update]:
    """A bar that shows the title, the update, the loss, how many members have solved the task, and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4g}  solved {task.fields[solved]}/{task.fields[members]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=total, loss=float("nan"), solved=0, members=members)
        yield lambda completed, loss, solved: bar.update(task, completed=completed, loss=loss, solved=solved)
