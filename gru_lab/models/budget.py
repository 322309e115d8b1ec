"""Equal budgets: the hidden size at which a whole network has a given number of parameters."""

from collections.abc import Callable

from gru_lab.cells import Cell
from gru_lab.cells.budget import nearest_size
from gru_lab.models.network import Model, Shape, count_parameters

TOLERANCE = 0.02


def hidden_for(make: Callable[[int], Cell], model: Model, shape: Shape, parameters: int) -> int:
    """The hidden size whose network has a number of trainable parameters nearest to `parameters`.

    `make(hidden)` gives the cell. All of the network counts: embedding, recurrent layers, readout, biases; for the
    cell alone there is `gru_lab.cells.budget.hidden_for`.

    Raises:
        UserError: if no hidden size comes within 2%; the nearest below and above are named.
    """

    def count(hidden: int) -> int:
        return sum(count_parameters(make(hidden), model, shape).values())

    return nearest_size(count, parameters, "parameters", TOLERANCE)
