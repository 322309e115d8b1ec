"""A sweep on one page for a screen: tables to sort, learning curves to point at, the settings of each run."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gru_lab.reports import comparison_tables, render
from gru_lab.reports.comparisons import Comparisons, compare
from gru_lab.reports.curves import curves
from gru_lab.reports.document import Block, Chart, Code, Details, Document, Figure, Heading, Line, Table, Text
from gru_lab.reports.gradient_flow import gradient_flow_figure
from gru_lab.reports.labels import Layout, by, flat, layout, text
from gru_lab.reports.pages.comparison import table
from gru_lab.reports.pages.page import Material, Page, file_name, register
from gru_lab.reports.statistics import interval
from gru_lab.reports.style import DASHES, Palette, files, looks, palette
from gru_lab.reports.table import REFERENCE, devices, median_seconds, versions
from gru_lab.reports.table import Table as Made
from gru_lab.runs import Group

POINTS = 60_000  # that the charts of a page have together at most: about a megabyte
FEWEST = 12  # points of a line at least


@register("sweep")
@dataclass(frozen=True, kw_only=True)
class Sweep(Page):
    """The table, the learning curves, the runs and their settings.

    Attributes:
        reference: the network that costs are relative to; None for none.
        mixed: whether columns may differ in what they share.
    """

    reference: str | None = REFERENCE
    mixed: bool = False

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        made = table(material.found, self.reference, mixed=self.mixed)
        return sweep(made, material, compare(made))


def sweep(made: Made, material: Material, compared: Comparisons | None) -> Document:
    """The page with a table that was made of the same material, and the comparisons of that table."""
    groups = material.found.groups
    placed, colours = layout(groups), palette(group.shared.network for group in groups)
    blocks: list[Block] = [Code(material.command)] if material.command else []
    blocks += render.blocks(render.shown(made))
    if compared is not None:
        blocks.append(Details("Statistical comparisons", comparison_tables.tables(compared)))
    if made.further:
        blocks.append(Details("Further notes", [*map(Text, made.further)]))
    lines = sum(len(group.members) + 1 for group in groups)
    for task, rows in by(placed.rows, lambda row: next(iter(placed.row(row).values())).shared.task).items():
        blocks += [Heading(task), _chart(task, placed, rows, colours, max(FEWEST, POINTS // lines))]
        for row in rows:
            if drawn := gradient_flow_figure(row, placed.row(row), colours):
                name = f"gradient_flow_{file_name(row)}"
                blocks.append(Figure(name, files(drawn), f"The gradient that reaches earlier states: {row}"))
    blocks += [Heading("Runs"), _runs(placed), Heading("Settings and environment"), *_settings(placed)]
    return Document(f"{len(groups)} run{'s' * (len(groups) > 1)}", blocks)


def _chart(task: str, placed: Layout, rows: Sequence[str], colours: Palette, points: int) -> Chart:
    """The validation metric of every member on a task, and of each group the median."""
    import numpy as np

    entries = [(row, column, group) for row in rows for column, group in placed.row(row).items()]
    first = entries[0][2].shared
    lines: list[Line] = []
    for (_, _, group), labels in zip(entries, _told_apart(entries), strict=True):
        look = looks([group.shared.network], colours)[0]
        updates, values = curves(group)
        chosen = np.unique(np.linspace(0, len(updates) - 1, min(points, len(updates))).round().astype(int))
        updates, values = updates[chosen], values[chosen]
        xs = [int(update) for update in updates]
        for n, record in enumerate(group.members):
            seed = {"line": "seeds", **labels, "seed": str(record.member.seed)}
            lines.append(Line(seed, look["color"], _dash(look["linestyle"]), xs, _numbers(values[:, n])))
        worst = np.where(np.isnan(values), math.inf if first.better == "lower" else -math.inf, values)
        median = _numbers(np.median(worst, axis=1)) if len(updates) else []
        lines.append(Line({"line": "median", **labels}, look["color"], _dash(look["linestyle"]), xs, median, bold=True))
    ys = [y for line in lines for y in line.ys if y is not None]
    levels = {name: level for name, level in (("floor", first.floor), ("solved", first.threshold)) if level is not None}
    positive = [y for y in (*ys, *levels.values()) if y > 0]
    log = first.better == "lower" and bool(positive) and max(positive) > 10 * min(positive)
    return Chart(f"Learning curves: {task}", "update", f"validation {first.metric}", lines, levels, log)


def _told_apart(entries: Sequence[tuple[str, str, Group]]) -> list[dict[str, str]]:
    """The labels of each entry: its network and its hyper-parameters, and its row where those are not enough."""
    labels = [
        {"network": column} | {name.rpartition(".")[2]: text(value) for name, value in group.hyper.items()}
        for _, column, group in entries
    ]
    counts = Counter(tuple(each.items()) for each in labels)
    again = any(count > 1 for count in counts.values())
    return [each | ({"entry": row} if again else {}) for each, (row, _, _) in zip(labels, entries, strict=True)]


def _numbers(values: Any) -> list[float | None]:
    """Four digits, and None for what is not finite."""
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in values.tolist()]


def _dash(style: Any) -> Sequence[float]:
    """The lengths of strokes and gaps."""
    return () if style == DASHES[0] else tuple(style[1])


def _runs(placed: Layout) -> Table:
    """One line per group."""
    entries = [(row, column, group) for row in placed.rows for column, group in placed.row(row).items()]
    labelling = _told_apart(entries)
    kinds = list(dict.fromkeys(kind for labels in labelling for kind in labels))
    rows = []
    for (_, _, group), labels in zip(entries, labelling, strict=True):
        shared, seconds = group.shared, median_seconds(group)
        around = interval(group.values())
        updates = sorted(record.updates for record in group.members)
        rows.append([
            shared.task, *(labels.get(kind, "") for kind in kinds),
            f"{around.value:.4g}" if around else "none", shared.metric, f"{group.solved}/{len(group.members)}",
            str(updates[len(updates) // 2]), f"{shared.parameters:,}", f"{seconds * 1e6:.0f}" if seconds else "",
            shared.identity,
        ])  # fmt: skip
    head = ["task", *kinds, "test", "metric", "solved", "updates", "parameters", "µs per update", "run"]
    return Table(head, rows, "l" + "l" * len(kinds) + "rlrrrrl", sortable=True)


def _settings(placed: Layout) -> list[Block]:
    """The settings and the environment that all runs share, and what each one has beside them."""
    groups = [(f"{row}: {column}", group) for row in placed.rows for column, group in placed.row(row).items()]
    each = {title: _all(group) for title, group in groups}
    shared = dict(set.intersection(*({*settings.items()} for settings in each.values()))) if each else {}
    blocks: list[Block] = [Details("All runs", [_listed(shared)])]
    for title, group in groups:
        further = {name: value for name, value in each[title].items() if name not in shared}
        blocks.append(Details(f"{title} ({group.shared.identity})", [_listed(further)]))
    return blocks


def _all(group: Group) -> dict[str, str]:
    """All settings by name, with what else decides about the numbers, and where they were trained."""
    shared = group.shared
    settings = flat(shared.config) | {name: text(value) for name, value in group.hyper.items()}
    settings |= flat({"numerics": shared.numerics, "data": shared.data, "sources": shared.sources})
    settings |= flat({"layout": {name: value for name, value in shared.layout.items() if name != "files"}})
    about = {"protocol": shared.plan or shared.protocol, "device": devices(group), "versions": versions(group)}
    finished = [record.timing["finished"] for record in group.members if "finished" in record.timing]
    about |= {"finished": max(finished)} if finished else {}
    return settings | {name: ", ".join(value) if isinstance(value, list) else value for name, value in about.items()}


def _listed(settings: Mapping[str, str]) -> Table:
    return Table(["setting", "value"], [[name, value] for name, value in sorted(settings.items())])
