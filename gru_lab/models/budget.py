"""Equal budgets: the sizes with which a whole network has a given number of parameters."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from gru_lab.cells import Cell
from gru_lab.cells.budget import nearest_size
from gru_lab.models.model import Model, Spec, count_parameters, name_of
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

    return _size(count, parameters, "hidden")


def sized(model: Model, spec: Spec) -> Model:
    """A model without a cell whose fields of `sized_by` that are `auto` follow its budget; unchanged without a budget.

    The first of them is the largest within the budget while the others stay `auto`, and so on; the last one takes what
    is left, so that it comes nearest.

    Raises:
        UserError: if no size comes within 2%; the nearest below and above are named.

    >>> from gru_lab import models
    >>> spec = Spec(inputs=2, outputs=1, symbols=False, readout="last")
    >>> made = sized(models.TransformerModel(parameters=5000), spec)
    >>> made.width, made.units, sum(count_parameters(made, None, spec).values())
    (13, 41, 4980)
    """
    free = [name for name in model.sized_by if getattr(model, name) == "auto"]
    budget = model.parameters
    if budget is None or not free:
        return model

    def total(model: Model) -> int:
        return sum(count_parameters(model, None, spec).values())

    for name in free[:-1]:
        model = replace(model, **{name: _within(_counts(total, model, name), budget)})
    try:
        last = _size(_counts(total, model, free[-1]), budget, free[-1])
        finer = replace(model, **{free[-1]: last})
    except UserError as error:
        if abs(total(model) - budget) > TOLERANCE * budget:
            raise UserError(
                f"model.parameters is {budget}: for model={name_of(model)} {error}, and without it {total(model):,}"
            ) from None
        return model
    return min(model, finer, key=lambda made: abs(total(made) - budget))


def _counts(total: Callable[[Model], int], model: Model, name: str) -> Callable[[int], int]:
    """The number of parameters of a model by the value of a field."""
    return cache(lambda size: total(replace(model, **{name: size})))


def _within(count: Callable[[int], int], budget: int) -> int:
    """The largest size within a budget, or 1."""
    size = _interpolated(count, budget)
    while size > 1 and count(size) > budget:
        size -= 1
    while count(size + 1) <= budget:
        size += 1
    return size


def _size(count: Callable[[int], int], parameters: int, name: str) -> int:
    """The size nearest to a number of parameters."""
    try:
        below = _interpolated(count, parameters)
        best = min(below, below + 1, key=lambda size: abs(count(size) - parameters))
        bracketed = count(below) <= parameters < count(below + 1)
        if bracketed and abs(count(best) - parameters) <= TOLERANCE * parameters:
            return best
    except UserError:  # nothing of one of these sizes exists
        pass
    return nearest_size(count, parameters, "parameters", TOLERANCE, name)


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
