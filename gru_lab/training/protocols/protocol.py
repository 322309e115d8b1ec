"""The contract of a protocol: the members that choose a setting, the choice, and the members that are reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from gru_lab.runs import Member, Record
from gru_lab.runs.log import Line
from gru_lab.schema import Registry, Schema
from gru_lab.training.axes import Axes

if TYPE_CHECKING:
    from gru_lab.training.experiment import Experiment


class Trial(NamedTuple):
    """A member of role `tune` as a protocol judges it; the test set plays no part.

    Attributes:
        member: its seed and hyper-parameters.
        updates: the number of updates that it has had.
        value: its best validation result; None if it diverged.
        solved_at: the update at which it solved the task; None for never.
        halted: whether a comparison stopped it before its last update.
    """

    member: Member
    updates: int
    value: float | None
    solved_at: int | None
    halted: bool = False

    @classmethod
    def of(cls, record: Record) -> "Trial":
        """A trial that has ended."""
        return cls(
            record.member, record.updates, record.value("validation"), record.solved_at, record.stopped == "halted"
        )

    @classmethod
    def at(cls, update: int, member: Member, lines: Sequence[Line], experiment: "Experiment") -> "Trial":
        """A trial as it was at an update, by the lines of its log: the same for one that has trained on since."""
        task, patience = experiment.task, experiment.training.patience
        lines = [line for line in lines if line["update"] <= update]
        values = {line["update"]: value for line in lines if (value := line["validation"].get(task.metric)) is not None}
        solved_at = next((at for at, value in values.items() if bool(task.solved(value))), None)
        last = lines[-1] if lines else {"update": 0, "train": {"loss": None}}
        early = last["update"] < update and patience is None  # early stopping ends a good training, too
        diverged = solved_at is None and (early or last["train"]["loss"] is None)
        best = None if diverged or not values else (min if task.better == "lower" else max)(values.values())
        return cls(member, last["update"], best, solved_at)


@dataclass(frozen=True)
class Selection:
    """The choice of a setting, and what it cost.

    Attributes:
        hyper: the hyper-parameters that were chosen, by path.
        trials: the number of members that were trained to choose them, and `updates` of all of them together.
        edge: the hyper-parameters that were chosen at an end of their axis: a better value may lie beyond.
    """

    hyper: Mapping[str, float] = field(default_factory=dict)
    trials: int = 0
    updates: int = 0
    edge: tuple[str, ...] = ()

    def as_tree(self) -> dict[str, Any]:
        """The selection as plain values, which every reported record keeps; empty where nothing was chosen."""
        if not self.trials:
            return {}
        chosen = dict(self.hyper)
        return {"hyper": chosen, "trials": self.trials, "updates": self.updates, "edge": list(self.edge)}


@dataclass(frozen=True, kw_only=True)
class Protocol(Schema):
    """A plan of members. A subclass is a frozen dataclass, its fields are its settings, and they are its budget.

    The budget is declared before anything is trained and is the same for every network: it is part of the identity of
    a run. Members of role `tune` train first; `choose` reads their validation results, and members of role `report`
    train with the hyper-parameters that it chose. Those alone are measured on the test set.

    `axes` names the hyper-parameters among whose values a setting is chosen, by path; a protocol that chooses has it as
    a field.
    """

    group: ClassVar[str] = "protocol"
    axes: ClassVar[Axes] = {}

    def check_experiment(self, experiment: "Experiment") -> None:
        """Raise `UserError` for an experiment that this cannot plan."""

    def trials(self, experiment: "Experiment") -> list[Member]:
        """The members that choose; empty where nothing is chosen."""
        return []

    def rungs(self, experiment: "Experiment") -> list[int]:
        """The numbers of updates at which trials are compared and some of them stop, all before the last update."""
        return []

    def promoted(self, trials: Sequence[Trial], experiment: "Experiment") -> set[str]:
        """The `Member.setting` of those trials that train on after a rung."""
        return {trial.member.setting for trial in trials}

    def choose(self, trials: Sequence[Trial], experiment: "Experiment") -> Selection:
        """The hyper-parameters of the members that are reported, from all trials."""
        return Selection()

    @property
    def statement(self) -> str:
        """The protocol in a sentence, for the notes under a table."""
        raise NotImplementedError


_registry = Registry("protocol", Protocol, "gru_lab.training.protocols")
register, names, get, create, name_of, exported = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
    _registry.exported,
)
