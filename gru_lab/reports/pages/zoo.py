"""Zoo: every cell at the setting of its authors, its outside witness, and how soon it solves each task."""

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gru_lab import cells
from gru_lab.errors import UserError
from gru_lab.presets import presets
from gru_lab.reports.document import Block, Code, Document, Table
from gru_lab.reports.labels import rank, task_labels, text
from gru_lab.reports.pages.page import Material, Page, register
from gru_lab.runs import Group

SIZE = "hidden"
AUTO = "auto"


@register("zoo")
@dataclass(frozen=True, kw_only=True)
class Zoo(Page):
    """A line per cell and setting, over all tasks; the settings go by the names of the presets that they are."""

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        groups = [group for group in material.found.groups if group.shared.cell is not None]
        if not groups:
            raise UserError("none of these runs trained a cell, so there is no zoo to show")
        labels = task_labels(groups)
        tasks = sorted(set(labels))
        lines: dict[tuple[tuple[int, str], str], dict[str, Group]] = {}
        for group, task in zip(groups, labels, strict=True):
            line = lines.setdefault((rank(str(group.shared.cell)), " = ".join(names(group))), {})
            if task in line:
                raise UserError(f"{names(group)[0]} on {task} is there twice: give runs of one training and protocol")
            line[task] = group
        head = ["cell", "authors' setting used", "witness"]
        for task in tasks:
            head += [f"{task}: solved", "updates to solve"]
        rows = [
            [name, setting(list(line.values())), witness(next(iter(line.values()))), *_results(line, tasks)]
            for (_, name), line in sorted(lines.items())
        ]
        table = Table(head, rows, "lll" + "rr" * len(tasks), notes=list(_notes(groups)))
        blocks: list[Block] = [Code(material.command)] if material.command else []
        return Document("Every cell at its authors' setting", [*blocks, table])


def names(group: Group) -> list[str]:
    """The names by which a command line chooses the cell as it was trained: its own, those of presets.

    Where none is exact, the cell's own with the fields that differ from its defaults.
    """
    cell, used = str(group.shared.cell), _used(group)
    default = _defaults(cell)
    options = {cell: default} | {p.name: default | dict(p.fields) for p in presets("cell") if p.base == cell}
    exact = [name for name, fields in options.items() if _same(used, fields)]
    fitting = exact or [name for name, fields in options.items() if _same(used, fields, automatic=True)]
    if fitting:
        return fitting
    changed = [f"{name}={text(value)}" for name, value in used.items() if value != default.get(name)]
    return [f"{cell} ({', '.join(changed)})" if changed else cell]


def setting(line: Sequence[Group]) -> str:
    """The fields that a preset changes, and the units on each task where the budget decides about them."""
    cell = str(line[0].shared.cell)
    chosen = [p for p in presets("cell") if p.base == cell and p.name in names(line[0])]
    changed = {name: value for name, value in _used(line[0]).items() if value != _defaults(cell).get(name)}
    for preset in chosen:
        changed |= {name: AUTO for name, value in preset.fields.items() if value == AUTO}
    words = ", ".join(f"{name}={text(value)}" for name, value in changed.items()) or "defaults"
    theirs = next((p.fields[SIZE] for p in chosen if SIZE in p.fields), None)
    units = ", ".join(dict.fromkeys(str(group.shared.hidden) for group in line))
    return f"{words}; {units} units" + (f" (theirs {theirs})" if theirs else "")


def witness(group: Group) -> str:
    """The rank and the name of the best outside witness of the cell's numbers; see `Cell.witness`."""
    cls = _class(str(group.shared.cell))
    return cls.witness.partition("; ")[0] if cls else ""


def _used(group: Group) -> dict[str, Any]:
    """The fields of the cell as it was trained, without its size."""
    fields = _defaults(str(group.shared.cell)) | dict(group.shared.config.get("cell") or {})
    fields |= {path[5:]: value for path, value in group.hyper.items() if path.startswith("cell.")}
    return {name: value for name, value in fields.items() if name not in ("name", SIZE)}


def _class(cell: str) -> type[cells.Cell] | None:
    """The class of a cell; None where it lives outside and is not at hand."""
    try:
        return cells.get(cell)
    except UserError:
        return None


def _defaults(cell: str) -> dict[str, Any]:
    cls = _class(cell)
    return {each.name: each.default for each in dataclasses.fields(cls)} if cls else {}


def _same(used: Mapping[str, Any], fields: Mapping[str, Any], automatic: bool = False) -> bool:
    """True if all fields have those values; with `automatic`, what follows the task's length may have any."""
    return all(value == fields.get(n) or (automatic and fields.get(n) == AUTO) for n, value in used.items())


def _results(line: Mapping[str, Group], tasks: Sequence[str]) -> Iterator[str]:
    for task in tasks:
        if task not in line:
            yield from ("", "")
            continue
        members = line[task].members
        solved = sorted(record.solved_at for record in members if record.solved_at is not None)
        diverged = sum(record.status == "diverged" for record in members)
        yield f"{len(solved)} of {len(members)}" + (f" ({diverged} diverged)" if diverged else "")
        if not solved:
            yield "-"
            continue
        spread = f" ({solved[0]:,} to {solved[-1]:,})" if solved[0] < solved[-1] else ""
        yield f"{statistics.median(solved):,.0f}{spread}"


def _notes(groups: Sequence[Group]) -> Iterator[str]:
    counts = sorted(group.shared.parameters for group in groups)
    yield (
        f"Parameters per network: {counts[0]:,} to {counts[-1]:,}. The units follow that budget on each task; in "
        "brackets the authors' own number where their setting has one."
    )
    yield (
        "Witness: what the numbers of one step were compared with; a: a package that others publish, b: the authors' "
        "code, run, c: the authors' code, transcribed, d: none."
    )
    yield "Updates to solve: median, least and greatest over the seeds that solved the task."
    for plan in dict.fromkeys(record.plan for group in groups for record in group.members if record.plan):
        yield f"Protocol: {plan}."
