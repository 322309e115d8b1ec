"""Equal budgets: the hidden size at which a network has a given number of parameters."""

from collections.abc import Callable

from gru_lab.cells import Cell
from gru_lab.models.network import Model, Shape, count_parameters
from gru_lab.schema import UserError

TOLERANCE = 0.02
LARGEST = 2**16


def hidden_for(make: Callable[[int], Cell], model: Model, shape: Shape, parameters: int) -> int:
    """The hidden size whose network has a number of trainable parameters nearest to `parameters`.

    `make(hidden)` gives the cell. All of the network counts: embedding, recurrent layers, readout, biases.

    Raises:
        UserError: if no hidden size comes within 2%; the nearest below and above are named.
    """

    def count(hidden: int) -> int:
        return sum(count_parameters(make(hidden), model, shape).values())

    low, high = 0, 1  # count(low) < parameters <= count(high), found by doubling and then halving
    while count(high) < parameters and high < LARGEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < parameters else (low, middle)
    sizes = {hidden: count(hidden) for hidden in (low, high) if hidden}
    best = min(sizes, key=lambda hidden: abs(sizes[hidden] - parameters))
    if abs(sizes[best] - parameters) > TOLERANCE * parameters:
        near = " and ".join(f"{count:,} (hidden {hidden})" for hidden, count in sizes.items())
        raise UserError(f"model.parameters is {parameters}: no hidden size comes within 2%, the nearest have {near}")
    return best
