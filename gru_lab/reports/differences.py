"""The differences between the entries of a table that no label shows: those that are told, and those that are refused.

A comparison is of columns, so that within a row the columns may differ in what they are, and must agree in what they
share. A difference that the label of a row or a column shows is told by it. Of the others,

- what a column is may differ, and is told: the cell, the model, its size and budget, the method that runs it, and the
  source of a cell from outside;
- what columns share must agree: the task and its data, the training (optimiser, remedy, length, batches, stopping), the
  protocol, JAX's numerics, the revisions of classes that all columns rest on, the sources from outside that all rest on
  where a shared part comes from outside, and the number of seeds. Where members were left out for their faults, the
  number of seeds is told instead.

Hyper-parameters that a protocol chose are neither: they are the outcome of one protocol, and all are told.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from gru_lab.reports.labels import BUDGET, UNSET, Layout, Settings, by, describe, differing

OF_COLUMNS = ("method",)  # parts of a configuration beside the network's that may differ between columns


class Differences(NamedTuple):
    """Sentences on what differs and is not seen in a label.

    Attributes:
        shared: in what columns must share.
        columns: in what columns may differ in, within rows and across them.
        chosen: in what the protocol chose.
    """

    shared: tuple[str, ...]
    columns: tuple[str, ...]
    chosen: tuple[str, ...]


def differences(placed: Layout, seeds: bool = True) -> Differences:
    """The differences that no label shows; `seeds` is False where their number does not count."""
    shared: dict[str, list[str]] = defaultdict(list)  # several rows often share a difference
    columns: dict[str, list[str]] = defaultdict(list)
    chosen: dict[str, list[str]] = defaultdict(list)
    known = {place: describe(group) for place, group in placed.groups.items()}
    for row in placed.rows:
        group = {column: known[row, column] for column in placed.row(row)}
        common = set.intersection(*(set(entry.of_network) for entry in group.values()))
        outside = any(":" in entry.settings.get(f"{part}.name", "") for entry in group.values()
                      for part in ("task", "optimizer", "remedy"))  # fmt: skip
        agreeing: dict[str, Settings] = {}
        differing_in: dict[str, Settings] = {}
        for column, entry in group.items():
            members = placed.groups[row, column]
            size = "none" if members.shared.hidden is None else str(members.shared.hidden)
            hidden = {} if any("hidden=" in label for label in group) else {"hidden units": size}
            model = {name: value for name, value in entry.of_network.items() if name in common and "model." in name}
            # a class or a file of one network alone is not what the networks share
            both = {
                name: value for name, value in entry.beyond.items() if all(name in o.beyond for o in group.values())
            }
            source = {name: value for name, value in both.items() if name[:8] == "sources." and not outside}
            free = {n: v for n, v in entry.of_protocol.items() if n.partition(".")[0] in OF_COLUMNS or n == BUDGET}
            rest = {n: v for n, v in {**entry.of_protocol, **both}.items() if n not in free and n not in source}
            agreeing[column] = rest | ({"the number of seeds": str(len(members.members))} if seeds else {})
            differing_in[column] = {**hidden, **model, **free, **source}
        for many, rows_of in ((agreeing, shared), (differing_in, columns)):
            for sentence in compared(many):
                if not all(f"{sentence.partition(':')[0]}=" in label for label in group):
                    rows_of[sentence].append(row)
        for path in dict.fromkeys(path for entry in group.values() for path in entry.chosen):
            owners = by(group, lambda column, path=path, group=group: group[column].chosen.get(path, UNSET))
            values = ", ".join(f"{value} ({', '.join(names)})" for value, names in owners.items())
            chosen[path].append(f"{row} {values}")
    across = []
    for column in placed.columns:
        many = {row: known[row, column].of_network for row in placed.column(column)}
        across += [f"{column}: the tasks differ in {sentence}." for sentence in compared(many)]

    def sentences(rows_of: Mapping[str, list[str]], words: str) -> tuple[str, ...]:
        return tuple(f"{', '.join(rows)}: {words} {sentence}." for sentence, rows in rows_of.items())

    return Differences(
        sentences(shared, "the networks differ in"),
        (*sentences(columns, "the networks differ in"), *across),
        tuple(f"Chosen on validation data, {path}: {'; '.join(of_rows)}." for path, of_rows in chosen.items()),
    )


def compared(many: Mapping[str, Settings]) -> list[str]:
    """`hidden units: 100 (rnn); 46 (lstm, gru)` for each name under which the mappings differ."""
    sentences = []
    for name in differing(list(many.values())):
        owners = by(many, lambda owner, name=name: many[owner].get(name, UNSET))
        values = "; ".join(f"{value} ({', '.join(names)})" for value, names in owners.items())
        sentences.append(f"{name}: {values}")
    return sentences
