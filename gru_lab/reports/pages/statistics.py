"""Statistics: every network of a table against its reference, with tests, probabilities, ranks and cost to solve."""

from dataclasses import dataclass

from gru_lab.errors import UserError
from gru_lab.reports import comparison_tables
from gru_lab.reports.comparisons import compare
from gru_lab.reports.document import Block, Code, Document
from gru_lab.reports.pages import comparison
from gru_lab.reports.pages.page import Material, Page, register
from gru_lab.reports.style import palette
from gru_lab.reports.table import REFERENCE


@register("statistics")
@dataclass(frozen=True, kw_only=True)
class Statistics(Page):
    """The comparisons of all groups.

    Attributes:
        reference: the network that the others are compared to; None for the first.
        mixed: whether columns may differ in what they share.
    """

    reference: str | None = REFERENCE
    mixed: bool = False

    def make(self, material: Material) -> Document:
        """See `Page.make`."""
        made = compare(comparison.table(material.found, self.reference, mixed=self.mixed))
        if made is None:
            raise UserError("a comparison needs two networks, and there is one")
        colours = palette(group.shared.network for group in material.found.groups)
        blocks: list[Block] = [Code(material.command)] if material.command else []
        blocks += comparison_tables.blocks(made, colours)
        return Document(f"Statistics: networks compared with {made.reference}", blocks, comparison_tables.csv(made))
