"""Diagnostics while members train."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from gru_lab.runs import Member, RunFolder
from gru_lab.runs.store import measurement_line
from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.experiment import Experiment
from gru_lab.training.measure import Asked, check, measure_members, measurement
from gru_lab.training.work import Work


@register("diagnostics")
@dataclass(frozen=True, kw_only=True)
class Diagnostics(Callback):
    """Measures diagnostics before the first update and at every evaluation, into the members' `measurements/`.

    They look at the last recurrent layer, on the first sequences of the validation set.

    Attributes:
        names: those of `gru_lab.diagnostics` that are measured.
    """

    place: ClassVar[int] = 20

    names: tuple[str, ...] = ("gradient_flow",)

    def check(self) -> None:
        """Every name must be known."""
        for name in self.names:
            Asked.of(name)

    def check_experiment(self, experiment: Experiment) -> None:
        """See `Callback.check_experiment`."""
        for name in self.names:
            check(experiment, Asked.of(name).diagnostic)

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Watcher(work, [Asked.of(name) for name in self.names])

    def kept(self, experiment: Experiment, run: RunFolder, members: Sequence[Member]) -> None:
        """Members that had finished can be measured as they are now, not as they were on their way."""
        asked = {name: Asked.of(name) for name in self.names}
        for name, each in asked.items():
            measured = [run.member(member).measured(each.log) for member in members]
            lacking = [known for known in measured if known is None or "live" not in known.when]
            if lacking:
                print(
                    f"{run.path.name}: {name} was not measured while {len(lacking)} members trained; it is now, at the "
                    "beginning and at the best parameters; force=true trains them anew"
                )
        measure_members(experiment, run, members, asked)


class Watcher(Listener):
    """Measures and writes."""

    def __init__(self, work: Work, asked: Sequence[Asked]) -> None:
        super().__init__(work)
        self.asked = asked
        self.measures: dict[str, Any] = {}

    def begin(self) -> None:
        """See `Listener.begin`."""
        work = self.work
        for each in self.asked:
            measure = measurement(work.experiment, work.program, each)
            self.measures[each.log] = work.measure(each.log, lambda params, data, f=measure: f(params, data["few"]))
        beginning = work.state.update == 0
        if beginning.any():
            self.write("initial", beginning)

    def evaluated(self) -> None:
        """See `Listener.evaluated`."""
        self.write("live", self.work.live)

    def write(self, when: str, members: Any) -> None:
        """Add a line to the logs of some members."""
        work = self.work
        for name, measure in self.measures.items():
            measured = measure(work.state.evaluated)
            for n, folder in enumerate(work.folders):
                if members[n]:
                    values = {key: values[n] for key, values in measured.items()}
                    work.log(n, folder.measurement(name), measurement_line(int(work.state.update[n]), when, values))
