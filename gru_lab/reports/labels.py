"""Names of rows and columns: groups that differ must not share a place, and every difference must be seen.

An entry has a place (row, column) in the table. Entries of one task whose task settings differ get a row each, named by
what differs. Entries of one network whose cell or model settings differ within a row get a column each. Entries that
would still share a place differ in the rest (optimiser, training, method, numerics, data, sources): the rows of their
task are split by what differs. A continuous hyper-parameter counts as the setting of its name, but where a protocol
chose it for each entry on validation data it is part of no name, so that a network stays one column whatever was chosen
for it on which task. What else differs is told or refused, by `differences`.
"""

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gru_lab.reports.escape import plain
from gru_lab.runs import Group

FIRST = ("rnn", "lstm", "gru")
UNSET = "unset"  # a field that only other entries have
NETWORK = ("cell", "model", "network")  # the parts of a configuration that make a network
BUDGET = "model.parameters"  # which the network's size follows, and which says nothing more of it

T = TypeVar("T")
Settings = Mapping[str, str]
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Described:
    """The properties that decide the place of an entry, trained or not.

    Attributes:
        task, network: their names.
        key: two entries with one key are the same and may share a place.
        settings: the whole configuration, flat, with the hyper-parameters in it; see `flat`.
        beyond: what else the identity covers (numerics, data, sources, revisions), and the protocol.
        chosen: the hyper-parameters that a protocol chose, which are not among the settings.
    """

    task: str
    network: str
    key: str
    settings: Settings
    beyond: Settings = dataclasses.field(default_factory=dict)
    chosen: Settings = dataclasses.field(default_factory=dict)

    @property
    def of_task(self) -> dict[str, str]:
        """The settings of the task, without its name."""
        return {name[5:]: value for name, value in self.settings.items() if name[:5] == "task." and name[5:] != "name"}

    @property
    def of_network(self) -> dict[str, str]:
        """The settings of the cell by their names, and those of the model as `model.layers`."""
        settings = {}
        for name, value in self.settings.items():
            part, _, field = name.partition(".")
            if part in NETWORK and name != BUDGET:
                settings[field if part == "cell" and field not in ("", "name") else name] = value
        return settings

    @property
    def of_protocol(self) -> dict[str, str]:
        """Every setting that belongs neither to the network nor to the task."""
        parts = (*NETWORK, "task")
        return {n: value for n, value in self.settings.items() if n.partition(".")[0] not in parts or n == BUDGET}


def describe(group: Group) -> Described:
    """A group as the layout sees it."""
    shared = group.shared
    protocol = " and ".join(sorted({record.protocol for record in group.members}))
    of_choice, ends = shared.selection.get("hyper", {}), shared.selection.get("edge", ())
    chosen = {path: text(value) + " at an end of its axis" * (path in ends) for path, value in of_choice.items()}
    settings = flat(shared.config) | {path: text(value) for path, value in group.hyper.items() if path not in chosen}
    beyond = {"protocol": protocol} | flat({"numerics": shared.numerics, "revisions": shared.revisions})
    for kind, hashes in (("data", shared.data), ("sources", shared.sources)):
        beyond |= {f"{kind}.{name}": value[:8] for name, value in hashes.items()}
    settings |= {"task.metric": shared.metric}
    return Described(shared.task, shared.network, group.key, settings, beyond, chosen)


@dataclass(frozen=True)
class Place:
    """The place of an entry: the name and the settings that tell it apart, of its row and of its column."""

    row: tuple[str, Pairs]
    column: tuple[str, Pairs]


@dataclass(frozen=True)
class Layout:
    """Every group under the labels of its row and its column, and both in their order."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    groups: Mapping[tuple[str, str], Group]

    def row(self, label: str) -> dict[str, Group]:
        """The groups of a row under the labels of their columns."""
        return {column: self.groups[label, column] for column in self.columns if (label, column) in self.groups}

    def column(self, label: str) -> dict[str, Group]:
        """The groups of a column under the labels of their rows."""
        return {row: self.groups[row, label] for row in self.rows if (row, label) in self.groups}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The leaves of a nested configuration as text, under their dotted names."""
    leaves: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = text(value)
    return leaves


def text(value: Any) -> str:
    """A setting as its YAML shows it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def differing(many: Sequence[Settings]) -> list[str]:
    """The names under which the mappings do not all hold the same value, in the order of their appearance."""
    names = dict.fromkeys(name for settings in many for name in settings)
    return [name for name in names if len({settings.get(name, UNSET) for settings in many}) > 1]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """`MyCell` for `my_module:MyCell`, unless two modules have such a class."""
    names = sorted(set(names))
    short = {name: name.rpartition(":")[2] for name in names}
    count = Counter(short.values())
    return {name: last if count[last] == 1 else name for name, last in short.items()}


def arrange(entries: Sequence[Described]) -> list[Place]:
    """The place of each entry; two entries share a place only if they have the same key."""
    task_fields = {
        task: differing([entry.of_task for entry in entries if entry.task == task])
        for task in {entry.task for entry in entries}
    }
    rows = [(entry.task, chosen(entry.of_task, task_fields[entry.task])) for entry in entries]

    network_fields: dict[str, list[str]] = defaultdict(list)
    for numbers in by(range(len(entries)), lambda n: (rows[n], entries[n].network)).values():
        network_fields[entries[numbers[0]].network] += differing([entries[n].of_network for n in numbers])
    columns = [(entry.network, chosen(entry.of_network, network_fields[entry.network])) for entry in entries]

    # what is left shares a place and differs in the rest; the key tells apart even what nothing else does
    rest = [{**entry.of_protocol, **entry.beyond, **entry.chosen, "run": entry.key} for entry in entries]
    more: dict[str, list[str]] = defaultdict(list)
    for numbers in by(range(len(entries)), lambda n: (rows[n], columns[n])).values():
        clashing = differing([rest[n] for n in numbers])
        more[entries[numbers[0]].task] += [name for name in clashing if name != "run"] or clashing
    for numbers in by(range(len(entries)), lambda n: (rows[n], columns[n], chosen(rest[n], more[rows[n][0]]))).values():
        if len({entries[n].key for n in numbers}) > 1:
            more[entries[numbers[0]].task] += ["run"]
    return [
        Place((task, pairs + chosen(rest[n], more[task])), columns[n]) for n, (task, pairs) in enumerate(rows)
    ]  # fmt: skip


def labelled(places: Sequence[Place]) -> list[tuple[str, str]]:
    """The labels of row and column of each place, plain text; places that differ have labels that differ."""
    rows = _labels([place.row for place in places])
    columns = _labels([place.column for place in places])
    return [(rows[place.row], columns[place.column]) for place in places]


def _labels(keys: Iterable[tuple[str, Pairs]]) -> dict[tuple[str, Pairs], str]:
    keys = list(dict.fromkeys(keys))
    short = short_names(name for name, _ in keys)
    labels: dict[tuple[str, Pairs], str] = {}
    for key in keys:
        text = label(short[key[0]], key[1])
        number = 2
        while text in labels.values():  # names that differ in what is not seen
            text, number = f"{label(short[key[0]], key[1])} #{number}", number + 1
        labels[key] = text
    return labels


def task_labels(groups: Sequence[Group]) -> list[str]:
    """The label of each group's task, with the settings of the task that differ and no others."""
    entries = [describe(group) for group in groups]
    tasks = [
        Described(entry.task, "", "", {f"task.{name}": value for name, value in entry.of_task.items()})
        for entry in entries
    ]
    return [row for row, _ in labelled(arrange(tasks))]


def layout(groups: Sequence[Group]) -> Layout:
    """A place of its own for every group; rows in alphabetical order, columns rnn, lstm, gru and then the others."""
    places = arrange([describe(group) for group in groups])
    labels = labelled(places)
    tasks = short_names(place.row[0] for place in places)
    pairs = list(zip(places, labels, strict=True))
    rows = {row: place.row for place, (row, _) in pairs}
    columns = {column: place.column for place, (_, column) in pairs}
    return Layout(
        tuple(sorted(rows, key=lambda row: (tasks[rows[row][0]], natural(rows[row][1])))),
        tuple(sorted(columns, key=lambda column: (rank(columns[column][0]), natural(columns[column][1])))),
        dict(zip(labels, groups, strict=True)),
    )


def rank(network: str) -> tuple[int, str]:
    """The sort key of a network among the columns."""
    return (FIRST.index(network), "") if network in FIRST else (len(FIRST), network)


def label(name: str, settings: Sequence[tuple[str, str]]) -> str:
    """`adding (length=200)`."""
    fields = ", ".join(f"{field}={value}" for field, value in settings)
    return plain(f"{name} ({fields})" if fields else name)


def display_name(label: str) -> str:
    """A network or a task as the literature writes it.

    >>> display_name("gru"), display_name("lstm (peephole=true)"), display_name("temporal_order")
    ('GRU', 'LSTM (peephole=true)', 'temporal order')
    """
    from gru_lab import cells  # which brings JAX: a table in words does without it

    name, space, settings = label.partition(" ")
    known = cells.get(name).__name__ if name in cells.names() else name.replace("_", " ")
    return f"{known}{space}{settings}"


def chosen(values: Settings, fields: Sequence[str]) -> Pairs:
    """The values of some fields, as pairs."""
    return tuple((field, values.get(field, UNSET)) for field in dict.fromkeys(fields))


def other_than_default(item: Any) -> str:
    """The fields of a dataclass's instance, beside its size, that are not as the class has them."""
    fields = {field.name: field.default for field in dataclasses.fields(item) if field.name != "hidden"}
    values = {name: getattr(item, name) for name in fields}
    return ", ".join(f"{name}={value}" for name, value in values.items() if value != fields[name])


def natural(pairs: Pairs) -> list[tuple[float, str]]:
    """A key that sorts numbers as numbers."""
    return [(number(value), value) for _, value in pairs]


def number(value: str) -> float:
    """The number that a text holds; infinity if it holds none."""
    try:
        return float(value)
    except ValueError:
        return float("inf")


def by(items: Iterable[T], key: Callable[[T], Hashable]) -> dict[Any, list[T]]:
    """The items by their key, in the order of their appearance."""
    groups: dict[Any, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)
