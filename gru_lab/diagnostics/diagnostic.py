"""The contract of a diagnostic: a question about one recurrent layer on one batch, answered in a few numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from gru_lab.cells import Cell
from gru_lab.schema import Registry, Schema
from gru_lab.typing import Array, Params


class Layer(NamedTuple):
    """What is looked at: one recurrent layer and what it sees.

    Attributes:
        cell: the cell.
        params: its parameters.
        xs: the inputs of the layer, (batch, time, inputs).
        lengths: how many steps of each sequence count, (batch,); all if None.
        loss: maps the outputs after the last steps (batch, outputs) to one number, a sum over the sequences.
    """

    cell: Cell
    params: Params
    xs: Array
    lengths: Array | None
    loss: Callable[[Array], Array]

    def first(self, sequences: int) -> "Layer":
        """The layer on the first so many sequences of its batch."""
        lengths = None if self.lengths is None else self.lengths[:sequences]
        return self._replace(xs=self.xs[:sequences], lengths=lengths)


@dataclass(frozen=True)
class Diagnostic(Schema):
    """A measurement of a layer. A subclass is a frozen dataclass, its fields are its settings."""

    group: ClassVar[str] = "diagnostic"

    def check_cell(self, cell: Cell) -> None:
        """Raise `UserError` where this cannot be asked of a cell."""

    def measure(self, layer: Layer) -> dict[str, Array]:
        """A few curves and numbers by name: pure, of fixed shapes, to be used under `jit`, `vmap` and `lax.map`.

        Raises `UserError` for a cell that `check_cell` refuses and for a batch that does not suffice.
        """
        raise NotImplementedError


_registry = Registry("diagnostic", Diagnostic, "gru_lab.diagnostics")
register, names, get, create, name_of = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
)
