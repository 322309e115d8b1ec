"""The contract of a callback: what watches the training of members and keeps or shows what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gru_lab.runs import Member, RunFolder
from gru_lab.schema import Registry, Schema
from gru_lab.training.experiment import Experiment
from gru_lab.training.work import Work


class Listener:
    """The acts of a callback for one group of members that train together; every method may be left out."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def restore(self) -> None:
        """The members are as they begin: `work.state` may be set to where they stood."""

    def begin(self) -> None:
        """Before the first step; the program is compiled."""

    def evaluated(self) -> None:
        """After each step: `work.measured` of the members that are `work.live`."""

    def finish(self) -> None:
        """All members have stopped; not called if the training was interrupted."""

    def close(self, error: BaseException | None) -> None:
        """The training is over, whatever ended it."""


@dataclass(frozen=True, kw_only=True)
class Callback(Schema):
    """Watches training. A subclass is a frozen dataclass, its fields are its settings.

    Callbacks act in the order of `place`: those up to 50 measure and write logs, the checkpoint (60) is taken of what
    they wrote, and the record (90) is written last.
    """

    group: ClassVar[str] = "callback"
    place: ClassVar[int] = 50
    standard: ClassVar[bool] = False  # part of every run
    alone: ClassVar[bool] = False  # of the first host only: it shows or tells, and computes nothing with members

    def check_experiment(self, experiment: Experiment) -> None:
        """Raise `UserError` for an experiment that this cannot watch."""

    def listen(self, work: Work) -> Listener:
        """The listener of a group of members; their data and state are there from `Listener.restore` on."""
        return Listener(work)

    def kept(self, experiment: Experiment, run: RunFolder, members: Sequence[Member]) -> None:
        """For members that had finished before: measure what is missing, or say that it is."""


_registry = Registry("callback", Callback, "gru_lab.training.callbacks")
register, names, get, create, name_of, exported = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
    _registry.exported,
)
