"""The log of evaluations: `metrics.jsonl` of every member."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.measure import newton
from gru_lab.training.work import Work


@register("metrics")
@dataclass(frozen=True, kw_only=True)
class Metrics(Callback):
    """One line per evaluation: the update, the mean training loss since the last one, and the validation metrics.

    With `method=parallel` also what Newton's method met, under `newton`; see `gru_lab.training.measure.newton`.
    """

    place: ClassVar[int] = 10
    standard: ClassVar[bool] = True

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Writer(work)


class Writer(Listener):
    """Writes the lines."""

    newton: Callable[[Any], Any] | None = None

    def begin(self) -> None:
        """See `Listener.begin`."""
        measure = newton(self.work.experiment, self.work.program)
        if measure is not None:
            self.newton = self.work.measure("newton", lambda params, data: measure(params, data["few"]))

    def evaluated(self) -> None:
        """See `Listener.evaluated`."""
        work = self.work
        met = {} if self.newton is None else self.newton(work.state.evaluated)
        for n, folder in enumerate(work.folders):
            if work.live[n]:
                values = {name: float(column[n]) for name, column in work.measured.items()}
                line = {"update": int(work.state.update[n]), "train": {"loss": values.pop("train_loss")}}
                line |= {"validation": values}
                if met:
                    line["newton"] = {name: float(column[n]) for name, column in met.items()}
                work.log(n, folder.metrics, line)
