"""The gradient flow of every member, untrained and at its best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gru_lab.runs import Member, RunFolder
from gru_lab.runs.store import measurement_line
from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.experiment import Experiment
from gru_lab.training.measure import Asked, fits, measure_members, measurement
from gru_lab.training.work import Work


@register("gradient_flow")
@dataclass(frozen=True, kw_only=True)
class GradientFlow(Callback):
    """The norm of the last step's loss gradient against the lag, a mean over sequences."""

    place: ClassVar[int] = 30
    standard: ClassVar[bool] = True

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Flow(work) if fits(work.experiment, Asked.of("gradient_flow").diagnostic) else Listener(work)

    def kept(self, experiment: Experiment, run: RunFolder, members: Sequence[Member]) -> None:
        """Measure it again where its file is gone."""
        measure_members(experiment, run, members, {"gradient_flow": Asked.of("gradient_flow")})


class Flow(Listener):
    """Measures at the end, of the first and the best parameters."""

    def finish(self) -> None:
        """See `Listener.finish`."""
        work, asked = self.work, Asked.of("gradient_flow")
        pure = measurement(work.experiment, work.program, asked)
        measure = work.measure(asked.log, lambda params, data: pure(params, data["few"]))
        initial, trained = measure(work.initial), measure(work.state.best_params)
        moments = (("initial", np.zeros_like(work.state.update), initial), ("trained", work.state.best_at, trained))
        for n, folder in enumerate(work.folders):
            known = folder.measured(asked.log)
            for when, updates, measured in moments:
                if known is None or known.at(when) is None:
                    values = {name: each[n] for name, each in measured.items()}
                    line = measurement_line(max(int(updates[n]), 0), when, values)
                    work.log(n, folder.measurement(asked.log), line)
