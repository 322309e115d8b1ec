"""The contract of a diagnostic: a question about a recurrent layer on one batch, answered in a few numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from gru_lab.cells import Cell
from gru_lab.schema import Registry, Schema
from gru_lab.typing import Array, Params


class Layer(NamedTuple):
    """A recurrent layer with its inputs and its loss, as diagnostics see it.

    Attributes:
        cell: the cell.
        params: its parameters.
        xs: the inputs of the layer, (batch, time, inputs).
        lengths: the number of steps of each sequence that count, (batch,); all if None.
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


class Whole(NamedTuple):
    """A network without recurrent layers, with its inputs and its loss, as diagnostics see it.

    Attributes:
        xs: the vectors that enter the network, (batch, time, inputs).
        lengths: the number of steps of each sequence that count, (batch,); all if None.
        loss: maps such vectors to the loss after the last steps, a sum over the sequences.
    """

    xs: Array
    lengths: Array | None
    loss: Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True)
class Diagnostic(Schema):
    """A measurement of a layer. A subclass is a frozen dataclass, its fields are its settings.

    `usual_sequences` is the default number of sequences that it is measured on: enough for a mean, few enough for a
    small part of the training time.
    """

    group: ClassVar[str] = "diagnostic"
    usual_sequences: ClassVar[int] = 32

    def check_cell(self, cell: Cell) -> None:
        """Raise `UserError` where this cannot be measured of a cell."""

    def measure(self, layer: Layer) -> dict[str, Array]:
        """A few curves and numbers by name: pure, of fixed shapes, to be used under `jit`, `vmap` and `lax.map`.

        Raises `UserError` for a cell that `check_cell` refuses and for a batch that does not suffice.
        """
        raise NotImplementedError

    def measure_whole(self, network: Whole) -> dict[str, Array]:
        """The same of a network without recurrent layers, for a question that can be asked of its inputs."""
        raise NotImplementedError


_registry = Registry("diagnostic", Diagnostic, "gru_lab.diagnostics")
register, names, get, create, name_of = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
)
