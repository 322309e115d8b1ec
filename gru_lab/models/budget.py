"""Equal budgets: the hidden size at which a whole network has a given number of parameters."""

import math
from collections.abc import Callable
from functools import cache

from gru_lab.cells import Cell
from gru_lab.cells.budget import nearest_size
from gru_lab.models.model import Model, Spec, count_parameters
from gru_lab.schema import UserError

TOLERANCE = 0.02
START = 16


def hidden_for(model: Model, make: Callable[[int], Cell], spec: Spec, parameters: int) -> int:
    """The hidden size whose network has a number of trainable parameters nearest to `parameters`.

    `make(hidden)` gives the cell. All of the network counts: embedding, recurrent layers, readout, biases; for the
    cell alone there is `gru_lab.cells.budget.hidden_for`.

    Raises:
        UserError: if no hidden size comes within 2%; the nearest below and above are named.

    >>> from gru_lab import cells, models
    >>> spec = Spec(inputs=2, outputs=1, symbols=False, readout="last")
    >>> hidden_for(models.RecurrentModel(), lambda n: cells.GRU(hidden=n), spec, parameters=5000)
    39
    """

    @cache
    def count(hidden: int) -> int:
        return sum(count_parameters(model, make(hidden), spec).values())

    try:
        below = _interpolated(count, parameters)
        best = min(below, below + 1, key=lambda hidden: abs(count(hidden) - parameters))
        bracketed = count(below) <= parameters < count(below + 1)
        if bracketed and abs(count(best) - parameters) <= TOLERANCE * parameters:
            return best
    except UserError:  # no cell of one of these sizes exists
        pass
    return nearest_size(count, parameters, "parameters", TOLERANCE)


def _interpolated(count: Callable[[int], int], budget: int) -> int:
    """The largest size within a budget, after few counts, if counts are a quadratic in the size; else any size."""
    first, second = START, max(1, round(START * math.sqrt(budget / count(START))))
    size = _root((0, 0), (first, count(first)), (second, count(second)), budget)
    if not count(size) <= budget < count(size + 1):
        size = _root((first, count(first)), (second, count(second)), (size, count(size)), budget)
    return size


def _root(p: tuple[int, int], q: tuple[int, int], r: tuple[int, int], budget: int) -> int:
    """The size, rounded down, at which the quadratic through three points (size, count) meets a budget; 1 if none."""
    if len({p[0], q[0], r[0]}) < 3:
        return max(1, r[0])
    slope = (q[1] - p[1]) / (q[0] - p[0])
    a = ((r[1] - p[1]) / (r[0] - p[0]) - slope) / (r[0] - q[0])
    b = slope - a * (p[0] + q[0])
    c = p[1] - a * p[0] ** 2 - b * p[0] - budget
    inside = b * b - 4 * a * c
    low = b + math.sqrt(max(inside, 0))  # of the two forms of the root the one that also serves a = 0
    return max(1, int(-2 * c / low + 1e-9)) if low > 0 and inside >= 0 else 1
