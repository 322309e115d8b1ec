"""Memory: the longest task that each network still learns, and the linear memory capacity."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from gru_lab.errors import UserError
from gru_lab.reports.document import Block, Code, Document, Figure, Table, Text
from gru_lab.reports.escape import plain
from gru_lab.reports.horizons import horizons
from gru_lab.reports.ladder import Rungs, climbs, horizon, ladder
from gru_lab.reports.pages.gradients import asked, numbers
from gru_lab.reports.pages.page import Material, Page, file_name, register, unused
from gru_lab.reports.style import files, palette


@register("memory")
@dataclass(frozen=True, kw_only=True)
class Memory(Page):
    """The ladder of ever longer tasks, made of all groups that were found, and the answers of the subjects below it."""

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        groups = material.found.groups
        if not groups:
            raise UserError("no whole member is left, so there is no ladder to show")
        ladders, colours = climbs(groups), palette(group.shared.network for group in groups)
        blocks: list[Block] = [Code(material.command)] if material.command else []
        taken: list[str] = []
        rows, last = [], max(length for columns in ladders.values() for rungs in columns.values() for length in rungs)
        for task, columns in ladders.items():
            for network, rungs in columns.items():
                counts = ", ".join(f"{n}: {group.solved} of {len(group.members)}" for n, group in rungs.items())
                parameters = f"{next(iter(rungs.values())).shared.parameters:,}"
                rows.append([task, network, parameters, _reach(rungs, last), counts])
        blocks.append(Table(["task", "network", "parameters", "memory horizon", "rungs"], rows, "llrll"))
        taken.append("horizons")
        caption = "The longest length that each network solves"
        blocks.append(Figure("horizons", files(horizons(ladders, colours)), caption))
        for task, columns in ladders.items():
            if drawn := ladder(task, columns, colours):
                taken.append(unused(f"ladder_{file_name(task)}", taken))
                blocks.append(Figure(taken[-1], files(drawn), f"What is still reached as {task} grows longer"))
        blocks.append(
            Text(
                "The memory horizon is the longest task, in steps as its setting length counts them, that at least "
                "half of the seeds solve with the given updates; rungs say how many did."
            )
        )
        return Document(
            "Memory of recurrent networks",
            [*blocks, *asked(material.subjects)],
            {"ladder.csv": _numbers(ladders), "numbers.csv": numbers(material.subjects)},
        )


def _reach(rungs: Rungs, last: int) -> str:
    """`40`; `at least 320` where the longest task of all was solved, `under 10` where the first was not."""
    far = horizon(rungs)
    return f"at least {far}" if far == last else str(far) if far else f"under {min(rungs)}"


def _numbers(ladders: Mapping[str, Mapping[str, Rungs]]) -> bytes:
    """Every member of every rung."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["task", "network", "length", "seed", "solved_at", "metric", "test"])
    for task, columns in ladders.items():
        for network, rungs in columns.items():
            for n, group in rungs.items():
                for record in group.members:
                    row = [plain(task), plain(network), n, record.member.seed, record.solved_at, record.metric]
                    table.writerow([*row, record.value()])
    return text.getvalue().encode()
