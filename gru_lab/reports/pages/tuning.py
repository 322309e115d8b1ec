"""Tuning: the validation result to expect of each network against the number of settings tried."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gru_lab.errors import UserError, listed
from gru_lab.reports import escape
from gru_lab.reports.document import Block, Code, Document, Figure, Heading, Table, Text
from gru_lab.reports.effects import Better, expected_best
from gru_lab.reports.labels import by, layout, text
from gru_lab.reports.pages.page import Material, Page, file_name, register, unused
from gru_lab.reports.style import Palette, files, looks, palette, sheet
from gru_lab.runs import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

READING = (
    "The best validation result to expect if so many of the settings that were tried had been drawn at random (Dodge "
    "et al. 2019, arXiv:1909.03004). A setting counts with the mean over its tuning seeds, a seed that diverged with "
    "the floor or the worst result, whichever is worse. Networks are compared fairly at the same budget only."
)

SEARCHED = (
    "The settings on {tasks} were searched: each generation follows from the results of those before it, so that they "
    "are no random draws. For them it is the best of all settings tried up to the end of each generation."
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
        place, taken, searched = len(blocks), list[str](), list[str]()
        for task in placed.rows:
            row = placed.row(task)
            known = {label: runs[group.shared.identity] for label, group in row.items()}
            shared = next(iter(row.values())).shared
            results = _results(known)
            courses = {label: _course(known[label], values, shared.better) for label, values in results.items()}
            searched += [task] * any(map(_searched, known.values()))
            blocks += [Heading(task), _table(known, results, courses)]
            taken.append(unused(f"tuning_{file_name(task)}", taken))
            networks = [group.shared.network for group in row.values()]
            drawn = budgets(task, courses, networks, shared.metric, shared.better, colours)
            blocks.append(Figure(taken[-1], files(drawn), f"Validation result against settings tried: {task}"))
        if searched:
            blocks.insert(place, Text(SEARCHED.format(tasks=listed(searched, "and"))))
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


def _before(group: Group) -> int:
    """The number of trials that a search had been told when it asked for a setting."""
    return group.shared.selection.get("trials", 0)


def _searched(settings: Sequence[Group]) -> bool:
    """True for settings of which some follow from the results of others."""
    return any(map(_before, settings))


def _course(settings: Sequence[Group], results: Sequence[float], better: Better) -> dict[int, float]:
    """The best result by the number of settings tried: to be expected, or of a search at the end of its generations."""
    if not _searched(settings):
        return dict(enumerate(expected_best(results, better).tolist(), 1))
    course, tried = dict[int, float](), list[float]()
    for before in sorted(set(map(_before, settings))):
        tried += [result for group, result in zip(settings, results, strict=True) if _before(group) == before]
        course[len(tried)] = min(tried) if better == "lower" else max(tried)
    return course


def _table(
    networks: Mapping[str, Sequence[Group]],
    results: Mapping[str, Sequence[float]],
    courses: Mapping[str, Mapping[int, float]],
) -> Table:
    """A line per network: settings and seeds, the best of 1, 2, 4, ... settings or of each generation, the best one."""
    most = max(map(max, courses.values()))
    budgets = [2**n for n in range(most.bit_length()) if 2**n < most] + [most]
    searches = [course for label, course in courses.items() if _searched(networks[label])]
    if searches:
        budgets = sorted({tried for course in searches for tried in course})
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
            *(f"{courses[label][k]:.3g}" if k in courses[label] else "" for k in budgets), words,
        ])  # fmt: skip
    of = "best of" if searches else "expected of"
    head = ["network", "settings", "seeds each", *(f"{of} {k}" for k in budgets), "best setting"]
    return Table(head, rows, "lrr" + "r" * len(budgets) + "l")


def budgets(
    task: str,
    courses: Mapping[str, Mapping[int, float]],
    networks: Sequence[str],
    metric: str,
    better: Better,
    colours: Palette | None = None,
    on: "Axes | None" = None,
) -> "Drawn":
    """The best validation result to expect against the settings tried: `courses` by label, of these networks."""
    from matplotlib.ticker import MaxNLocator

    with sheet(1.9, list(courses), on) as drawing:
        axes = drawing.panels[0, 0]
        handles: list[Any] = []
        for (label, course), look in zip(courses.items(), looks(networks, colours), strict=True):
            marker = "." if len(course) == 1 else None  # a line needs two points
            handles += axes.plot([*course], [*course.values()], **look, marker=marker, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set(xlabel="settings tried", ylabel=f"best validation {escape.figure(metric)}\n({better} is better)")
        drawing.title(task, "the best of so many settings")
        drawing.legend(handles)
        return drawing.figure
