"""The settings that differ between the entries of a table and are not seen in its labels."""

from collections import defaultdict
from collections.abc import Mapping

from gru_lab.reports.labels import UNSET, Layout, Settings, by, describe, differing


def differences(placed: Layout) -> list[str]:
    """One sentence for each setting that differs within a row or a column and that no label shows."""
    rows_of: dict[str, list[str]] = defaultdict(list)  # several rows often share a difference
    for row in placed.rows:
        group = {column: describe(group) for column, group in placed.row(row).items()}
        common = set.intersection(*(set(entry.of_network) for entry in group.values()))
        many = {}
        for column, entry in group.items():
            size = placed.groups[row, column].shared.hidden
            hidden = (
                {}
                if any("hidden=" in label for label in group)
                else {"hidden units": "none" if size is None else str(size)}
            )
            model = {name: value for name, value in entry.of_network.items() if name in common and "model." in name}
            # A class or a file of one network alone is not a difference in what the networks share.
            both = {
                name: value for name, value in entry.beyond.items() if all(name in o.beyond for o in group.values())
            }
            many[column] = {**hidden, **model, **entry.of_protocol, **both}
        for sentence in compared(many):
            if not all(f"{sentence.partition(':')[0]}=" in label for label in group):
                rows_of[sentence].append(row)
    notes = [f"{', '.join(rows)}: the networks differ in {sentence}." for sentence, rows in rows_of.items()]
    for column in placed.columns:
        many = {row: describe(group).of_network for row, group in placed.column(column).items()}
        notes += [f"{column}: the tasks differ in {sentence}." for sentence in compared(many)]
    return notes


def compared(many: Mapping[str, Settings]) -> list[str]:
    """`hidden units: 100 (rnn); 46 (lstm, gru)` for each name under which the mappings differ."""
    sentences = []
    for name in differing(list(many.values())):
        owners = by(many, lambda owner, name=name: many[owner].get(name, UNSET))
        values = "; ".join(f"{value} ({', '.join(names)})" for value, names in owners.items())
        sentences.append(f"{name}: {values}")
    return sentences
