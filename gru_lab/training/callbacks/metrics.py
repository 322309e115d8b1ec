"""The log of evaluations: `metrics.jsonl` of every member."""

from dataclasses import dataclass
from typing import ClassVar

from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.work import Work


@register("metrics")
@dataclass(frozen=True, kw_only=True)
class Metrics(Callback):
    """One line per evaluation: the update, the mean training loss since the last one, and the validation metrics."""

    place: ClassVar[int] = 10
    standard: ClassVar[bool] = True

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Writer(work)


class Writer(Listener):
    """Writes the lines."""

    def evaluated(self) -> None:
        """See `Listener.evaluated`."""
        work = self.work
        for n, folder in enumerate(work.folders):
            if work.live[n]:
                values = {name: float(column[n]) for name, column in work.measured.items()}
                line = {"update": int(work.state.update[n]), "train": {"loss": values.pop("train_loss")}}
                work.log(n, folder.metrics, line | {"validation": values})
