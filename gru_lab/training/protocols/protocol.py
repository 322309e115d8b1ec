"""The contract of a protocol: the members that choose a setting, the choice, and the members that are reported."""

from collections.abc import Generator, Mapping, Sequence
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
    """

    member: Member
    updates: int
    value: float | None
    solved_at: int | None

    @classmethod
    def of(cls, record: Record) -> "Trial":
        """A trial that has ended."""
        return cls(record.member, record.updates, record.value("validation"), record.solved_at)

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


class Round(NamedTuple):
    """Members of role `tune` that train side by side until they are compared.

    Attributes:
        members: each once; those of an earlier round go on from where they stopped.
        until: the update at which they stop; at the last one of the training they have ended.
        spent: what the search has cost before it asked for them, which their records keep.
    """

    members: Sequence[Member]
    until: int
    spent: Selection = Selection()


# Asks for one round after the other, is told the trials of its members in their order, and ends with the choice.
Search = Generator[Round, Sequence[Trial], Selection]


@dataclass(frozen=True, kw_only=True)
class Protocol(Schema):
    """A plan of members. A subclass is a frozen dataclass, its fields are its settings, and they are its budget.

    The budget is declared before anything is trained and is the same for every network: it is part of the identity of
    a run. Members of role `tune` train first, in the rounds of a `search`, which reads their validation results and
    chooses; members of role `report` train with the hyper-parameters that it chose. Those alone are measured on the
    test set.
    """

    group: ClassVar[str] = "protocol"
    packages: ClassVar[tuple[str, ...]] = ()  # beside those of every run: a record names their versions

    def check_experiment(self, experiment: "Experiment") -> None:
        """Raise `UserError` for an experiment that this cannot plan."""

    @property
    def spans(self) -> Axes:
        """The hyper-parameters that are chosen, by path: values of each, the least and the largest among them."""
        return {}

    @property
    def budget(self) -> int:
        """The number of members that choose."""
        return 0

    def search(self, experiment: "Experiment") -> Search:
        """The rounds of the members that choose, and the choice; what is asked for follows from what was told alone.

        A run that was killed asks again from the first round on, and is told what it was told before.
        """
        yield from ()
        return Selection()

    def opening(self, experiment: "Experiment") -> Sequence[Member]:
        """The members of the first round, more than which train in none; empty where nothing is chosen."""
        first = next(self.search(experiment), None)
        return [] if first is None else first.members

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
