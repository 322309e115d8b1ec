"""The comparison: the table, and for every task the learning curves and the gradient that reaches earlier states."""

from dataclasses import dataclass

from gru_lab.errors import UserError, listed
from gru_lab.reports import comparison_tables, render
from gru_lab.reports.comparisons import Comparisons, compare
from gru_lab.reports.curves import learning_curves
from gru_lab.reports.document import Block, Code, Document, Figure, Heading, Text
from gru_lab.reports.gradient_flow import gradient_flow_figure
from gru_lab.reports.labels import layout
from gru_lab.reports.pages.page import Material, Page, file_name, register, unused
from gru_lab.reports.style import files, palette
from gru_lab.reports.table import REFERENCE, Table, build
from gru_lab.runs import Found

KINDS = {
    "learning_curves": ("Learning curves", learning_curves),
    "gradient_flow": ("The gradient that reaches earlier states", gradient_flow_figure),
}


@register("comparison")
@dataclass(frozen=True, kw_only=True)
class Comparison(Page):
    """The table of all groups with its figures.

    Attributes:
        reference: the network that costs are relative to; None for none.
        mixed: whether columns may differ in what they share.
    """

    reference: str | None = REFERENCE
    mixed: bool = False

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        made = table(material.found, self.reference, mixed=self.mixed)
        return comparison(made, material, compare(made))


def table(records: Found, reference: str | None, *, mixed: bool = False, repetition: int | None = None) -> Table:
    """The table alone, see `build`; `UserError` if no member is left."""
    if not records.groups:
        raise UserError("; ".join([*records.broken, "no whole member is left, so there is no table"]))
    return build(records.groups, records.broken, records.repeated, reference, mixed=mixed, repetition=repetition)


def comparison(table: Table, material: Material, compared: Comparisons | None) -> Document:
    """The page with a table that was made of the same material, and the comparisons of that table."""
    groups = material.found.groups
    placed, colours = layout(groups), palette(group.shared.network for group in groups)
    blocks: list[Block] = [Code(material.command)] if material.command else []
    blocks += render.blocks(render.shown(table))
    if compared is not None:
        blocks += comparison_tables.blocks(compared, colours)
    if table.further:
        blocks += [Heading("Further notes"), *map(Text, table.further)]
    taken: list[str] = []
    for row in placed.rows:
        blocks.append(Heading(row))
        for kind, (words, draw) in KINDS.items():
            if drawn := draw(row, placed.row(row), colours):
                taken.append(unused(f"{kind}_{file_name(row)}", taken))
                blocks.append(Figure(taken[-1], files(drawn), f"{words}: {row}"))
    networks = dict.fromkeys(group.shared.network for group in groups)
    title = f"{len(networks)} network{'s' * (len(networks) > 1)} on {listed(placed.rows, 'and')}"
    data = {"table.csv": render.csv(table).encode()} | (comparison_tables.csv(compared) if compared else {})
    return Document(title, blocks, data)
