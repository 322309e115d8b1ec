"""Length generalisation: trained at one length, tested on longer sequences."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru_lab.errors import UserError
from gru_lab.reports import escape
from gru_lab.reports.document import Block, Code, Document, Figure, Table, Text
from gru_lab.reports.escape import plain
from gru_lab.reports.labels import by, layout
from gru_lab.reports.measured import measured
from gru_lab.reports.pages.page import Material, Page, file_name, register, unused
from gru_lab.reports.statistics import summary
from gru_lab.reports.style import Palette, files, looks, palette, sheet
from gru_lab.runs import Group

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

Measured = Mapping[str, "np.ndarray"]


@register("generalisation")
@dataclass(frozen=True, kw_only=True)
class Generalisation(Page):
    """The test metric against the length, in multiples of the length of training, per task and network."""

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        every = [(group, measured(group, "generalisation").get("trained")) for group in material.found.groups]
        known = {group.key: values for group, values in every if values is not None}
        groups = [group for group, _ in every if group.key in known]
        if not groups:
            raise UserError("no member was tested at other lengths: train with 'callbacks=[generalisation]'")
        placed, colours = layout(groups), palette(group.shared.network for group in groups)
        blocks: list[Block] = [Code(material.command)] if material.command else []
        taken: list[str] = []
        for task in placed.rows:
            networks = placed.row(task)
            for factors, alike in by(networks.items(), lambda item: tuple(known[item[1].key]["factor"][0])).items():
                columns = {label: (group, known[group.key]) for label, group in alike}
                head = [task, "parameters", *(f"{factor:g} x" for factor in factors)]
                rows = [_row(label, group, values) for label, (group, values) in columns.items()]
                first, values = next(iter(columns.values()))
                rows.append(["best guess", "", *(f"{floor:.3g}" for floor in values["floor"][0])])
                blocks.append(Table(head, rows, "lr" + "r" * len(factors)))
                if drawn := curves(task, columns, colours):
                    taken.append(unused(f"generalisation_{file_name(task)}", taken))
                    caption = f"Test {first.shared.metric} on longer sequences: {task}"
                    blocks.append(Figure(taken[-1], files(drawn), caption))
        blocks.append(
            Text(
                "Columns are multiples of the length of training; every entry is the metric on a held-out set of that "
                "length, with the parameters that were best on validation at the length of training: the median of the "
                "seeds with its 95% bootstrap interval. Diverged members are left out."
            )
        )
        return Document("Length generalisation", blocks, {"generalisation.csv": _numbers(groups, known)})


def _finite(group: Group, values: Measured) -> "np.ndarray":
    """The metric of the members that did not diverge, (members, factors)."""
    import numpy as np

    healthy = np.array([record.status != "diverged" for record in group.members])
    return values[group.shared.metric][healthy]


def _row(label: str, group: Group, values: Measured) -> list[str]:
    finite = _finite(group, values)
    return [label, f"{group.shared.parameters:,}", *(summary(column, ".3g") for column in finite.T)]


def curves(
    task: str,
    columns: Mapping[str, tuple[Group, Measured]],
    colours: Palette | None = None,
    on: "Axes | None" = None,
) -> "Drawn | None":
    """Median and range of the seeds against the length, the best guess dotted; None where every member diverged."""
    import numpy as np

    drawn = {label: (g, v) for label, (g, v) in columns.items() if np.isfinite(_finite(g, v)).any()}
    if not drawn:
        return None
    first, values = next(iter(drawn.values()))
    guess = bool(np.isfinite(values["floor"][0]).all())
    with sheet(2.0, [*drawn, *["best guess"] * guess], on) as drawing:
        axes, handles = drawing.panels[0, 0], []
        styles = looks([group.shared.network for group, _ in drawn.values()], colours)
        for (label, (group, each)), look in zip(drawn.items(), styles, strict=True):
            members, lengths = _finite(group, each), each["length"][0]
            axes.fill_between(
                lengths, members.min(axis=0), members.max(axis=0), color=look["color"], alpha=0.2, linewidth=0
            )
            handles += axes.plot(lengths, np.median(members, axis=0), **look, marker="o", markersize=3, label=label)
        if guess:
            style = {"linestyle": ":", "color": "0.45", "linewidth": 1}
            handles += axes.plot(values["length"][0], values["floor"][0], **style, label="best guess")
        lengths = values["length"][0]
        axes.set(
            xscale="log", xlabel="length of the sequences tested", ylabel=f"test {escape.figure(first.shared.metric)}"
        )
        axes.set_xticks(lengths, [f"{length:g}" for length in lengths])
        axes.minorticks_off()
        drawing.title(task, f"trained at the length {lengths[0] / values['factor'][0][0]:g}")
        drawing.legend(handles)
        return drawing.figure


def _numbers(groups: list[Group], known: Mapping[str, Measured]) -> bytes:
    """Every member at every length."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["task", "network", "seed", "factor", "length", "metric", "value", "best guess"])
    for group in groups:
        values, shared = known[group.key], group.shared
        for n, record in enumerate(group.members):
            rows = zip(*(values[name][n] for name in ("factor", "length", shared.metric, "floor")), strict=True)
            for factor, length, value, floor in rows:
                place = [plain(shared.task), plain(shared.network), record.member.seed, f"{factor:g}", f"{length:g}"]
                table.writerow([*place, shared.metric, f"{value:.6g}", f"{floor:.6g}"])
    return text.getvalue().encode()
