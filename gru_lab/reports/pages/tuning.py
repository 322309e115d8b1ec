"""Tuning: the validation result to expect of each network against the number of settings tried."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gru_lab.errors import UserError
from gru_lab.reports import escape
from gru_lab.reports.document import Block, Code, Document, Figure, Heading, Table, Text
from gru_lab.reports.effects import expected_best
from gru_lab.reports.labels import by, layout, text
from gru_lab.reports.pages.page import Material, Page, file_name, register, unused
from gru_lab.reports.style import Palette, figure, files, legend, looks, palette, title
from gru_lab.runs import Group

if TYPE_CHECKING:
    import numpy as np

READING = (
    "The best validation result to expect if so many of the settings that were tried had been drawn at random (Dodge "
    "et al. 2019, arXiv:1909.03004). A setting counts with the mean over its tuning seeds, a seed that diverged with "
    "the floor or the worst result, whichever is worse. Networks are compared fairly at the same budget only."
)


@register("tuning")
@dataclass(frozen=True, kw_only=True)
class Tuning(Page):
    """The budget that tuning took, from the members of role `tune`."""

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        runs = by(material.found.tuning, lambda group: group.shared.identity)
        if not runs:
            raise UserError("none of these runs holds members of role tune, so there is no tuning to show")
        placed = layout([_unnamed(settings[0]) for settings in runs.values()])
        colours = palette(group.shared.network for group in placed.groups.values())
        blocks: list[Block] = [Code(material.command)] if material.command else []
        blocks.append(Text(READING))
        taken: list[str] = []
        for task in placed.rows:
            row = placed.row(task)
            known = {label: runs[group.shared.identity] for label, group in row.items()}
            shared = next(iter(row.values())).shared
            results = _results(known)
            expected = {label: expected_best(values, shared.better) for label, values in results.items()}
            blocks += [Heading(task), _table(known, results, expected)]
            taken.append(unused(f"tuning_{file_name(task)}", taken))
            networks = [group.shared.network for group in row.values()]
            drawn = _drawn(task, expected, networks, colours, shared.metric, shared.better)
            blocks.append(Figure(taken[-1], drawn, f"Validation result against settings tried: {task}"))
        return Document("Tuning: what to expect of which budget", blocks)


def _unnamed(group: Group) -> Group:
    """The group as one whose hyper-parameters were chosen: they name no row and no column."""
    return Group(tuple(dataclasses.replace(r, selection={"hyper": dict(r.member.hyper)}) for r in group.members))


def _results(networks: Mapping[str, Sequence[Group]]) -> dict[str, list[float]]:
    """The validation result of every setting of each network on a task: the mean over its seeds."""
    records = [record for settings in networks.values() for group in settings for record in group.members]
    shared = records[0]
    known = [value for record in records if (value := record.value("validation")) is not None]
    known += [] if shared.floor is None else [shared.floor]
    if not known:
        raise UserError(f"every tuning member on {shared.task} diverged, so there is nothing to expect")
    worst = max(known) if shared.better == "lower" else min(known)

    def mean(group: Group) -> float:
        values = [record.value("validation") for record in group.members]
        return sum(worst if value is None else value for value in values) / len(values)

    return {label: [mean(group) for group in settings] for label, settings in networks.items()}


def _table(
    networks: Mapping[str, Sequence[Group]],
    results: Mapping[str, Sequence[float]],
    expected: "Mapping[str, np.ndarray]",
) -> Table:
    """A line per network: settings and seeds, what to expect of 1, 2, 4, ... settings, the best setting."""
    most = max(map(len, expected.values()))
    budgets = [2**n for n in range(most.bit_length()) if 2**n < most] + [most]
    rows = []
    for label, settings in networks.items():
        better = settings[0].shared.better
        best = (min if better == "lower" else max)(range(len(settings)), key=results[label].__getitem__)
        varied = {
            name for group in settings for name in group.hyper if group.hyper[name] != settings[0].hyper.get(name)
        }
        words = ", ".join(f"{name}={text(settings[best].hyper[name])}" for name in sorted(varied))
        seeds = sorted({len(group.members) for group in settings})
        rows.append([
            label, str(len(settings)), "-".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))),
            *(f"{expected[label][k - 1]:.3g}" if k <= len(settings) else "" for k in budgets), words,
        ])  # fmt: skip
    head = ["network", "settings", "seeds each", *(f"expected of {k}" for k in budgets), "best setting"]
    return Table(head, rows, "lrr" + "r" * len(budgets) + "l")


def _drawn(
    task: str,
    expected: "Mapping[str, np.ndarray]",
    networks: Sequence[str],
    colours: Palette,
    metric: str,
    better: str,
) -> dict[str, bytes]:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    with figure(1.9, list(expected)) as page:
        axes = page.add_subplot()
        handles: list[Any] = []
        for (label, values), look in zip(expected.items(), looks(networks, colours), strict=True):
            marker = "." if len(values) == 1 else None  # a line needs two points
            handles += axes.plot(np.arange(1, len(values) + 1), values, **look, marker=marker, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set(xlabel="settings tried", ylabel=f"expected validation {escape.figure(metric)}\n({better} is better)")
        title(page, task, "the best of so many settings at random")
        legend(page, handles)
        return files(page)
