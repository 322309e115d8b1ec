"""The contract of a published table: its numbers with their source, the runs that make ours, and the page of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from gru_lab.reports import statistics
from gru_lab.reports.blocks import Block, Code, Heading, Table, Text
from gru_lab.reports.document import Document
from gru_lab.reports.statistics import ANYWHERE, Limits
from gru_lab.runs import Group
from gru_lab.schema import Registry, Schema, UserError

READING = (
    "Ours: the mean over our seeds with its 95% interval. One run: where a single run like ours falls in 95% of cases; "
    "a paper's number is of one run unless its page says otherwise, and agrees where it lies in there. The interval of "
    "the mean says nothing about that: it shrinks with our seeds. Where only some of our seeds have a number, it is "
    "told of how many the mean is; it then says nothing about a single run."
)


class Entry(NamedTuple):
    """One number of a published table, and the run that makes ours.

    Attributes:
        row, column: where it stands; a row is a task with its sizes, a column a network.
        value: the published number in the unit of the table; None where the paper gives none.
        arguments: what `experiments/train.py` is called with.
        minutes: about how long it takes on two CPU cores.
    """

    row: str
    column: str
    value: float | None
    arguments: tuple[str, ...]
    minutes: float


class Placed(NamedTuple):
    """An entry with the members that were trained for it; None where none was, and the command that trains them."""

    entry: Entry
    group: Group | None
    command: str


@dataclass(frozen=True, kw_only=True)
class Published(Schema):
    """A published table. A subclass gives the class attributes and `entries`.

    Attributes:
        paper: authors, year, title, where the table stands.
        unit: of its numbers, and `better` their direction.
        limits: the least and the largest number that there can be.
        about: how the paper made its numbers, a sentence each.
        traps: what differs between the paper and its code, between papers, or between the paper and ours.
    """

    group: ClassVar[str] = "published"
    paper: ClassVar[str]
    unit: ClassVar[str]
    better: ClassVar[Literal["lower", "higher"]]
    limits: ClassVar[Limits] = ANYWHERE
    about: ClassVar[tuple[str, ...]] = ()
    traps: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Check that the class has numbers."""
        if type(self).entries is Published.entries:
            raise UserError(f"published table {type(self).__name__} lacks `entries`: it must write entries(self)")
        super().__post_init__()

    def entries(self) -> Sequence[Entry]:
        """The entries of the table, row by row."""
        raise NotImplementedError

    def ours(self, group: Group) -> list[float]:
        """The numbers of the members in the unit of the table; a member that diverged has none."""
        return group.values()

    def bounds(self, group: Group) -> Limits:
        """The least and the largest number that members of a group can have."""
        return self.limits

    def page(self, placed: Sequence[Placed], command: str = "") -> Document:
        """Our table beside the published one."""
        blocks: list[Block] = [Text(f"Published: {self.paper}.")]
        blocks += [Code(command)] if command else []
        blocks += [Heading("Side by side"), self._table(placed), Text(READING)]
        blocks += [Heading("How the paper made its numbers"), *map(Text, self.about)] if self.about else []
        blocks += [Heading("What to know before comparing"), *map(Text, self.traps)] if self.traps else []
        missing = [each for each in placed if each.group is None]
        if missing:
            lines = [f"{each.command}  # about {_duration(each.entry.minutes)}" for each in missing]
            blocks += [Heading("Not run here"), Code("\n".join(lines))]
        return Document(f"{self.paper.partition(',')[0]}: beside the published numbers", blocks)

    def _table(self, placed: Sequence[Placed]) -> Table:
        head = ["task", "network", "published", "ours", "one run", "agrees", "seeds", "solved", "parameters"]
        rows = [[each.entry.row, each.entry.column, *self._cells(each)] for each in placed]
        first = [n for n, each in enumerate(placed) if n and each.entry.row != placed[n - 1].entry.row]
        for n in range(len(rows) - 1, 0, -1):  # a row's name stands at its first line alone
            if n not in first:
                rows[n][0] = ""
        arrow = {"lower": "↓", "higher": "↑"}[self.better]
        return Table(head, rows, "llrrrcrrr", first, [f"In {self.unit}, {arrow} better."])

    def _cells(self, placed: Placed) -> list[str]:
        value, group = placed.entry.value, placed.group
        published = "-" if value is None else _number(value)
        if group is None:
            return [published, "not run here", "", "", "", "", ""]
        values, seeds, limits = self.ours(group), len(group.members), self.bounds(group)
        solvable = group.shared.threshold is not None
        counts = [str(seeds), f"{group.solved}/{seeds}" if solvable else "", f"{group.shared.parameters:,}"]
        around = statistics.interval(values, limits)
        if around is None:
            return [published, "none", "", "", *counts]
        if len(values) < seeds:  # those that never came there would have had the worst numbers
            return [published, f"{_number(around.value)} (of {len(values)} alone)", "", "", *counts]
        ours = f"{_number(around.value)} [{_number(around.low)}, {_number(around.high)}]"
        if len(values) < 3:  # two runs say nothing about a third
            return [published, ours if len(values) > 1 else _number(around.value), "", "", *counts]
        low, high = statistics.prediction(values, 1, limits)
        agrees = "" if value is None else "yes" if low <= value <= high else "no"
        return [published, ours, f"{_number(low)} to {_number(high)}", agrees, *counts]


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e8 else f"{value:.4g}"


def _duration(minutes: float) -> str:
    return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.0f} min"


_registry = Registry("published table", Published, "gru_lab.reports.published")
register, names, get, create = _registry.register, _registry.names, _registry.get, _registry.create
