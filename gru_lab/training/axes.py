"""Axes: continuous hyper-parameters by path, each with the values that it takes."""

import itertools
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gru_lab.errors import UserError

Axes = Mapping[str, tuple[float, ...]]


def axes_of(where: str, tree: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """The leaves of a nested mapping under their dotted names, each a tuple of different numbers; null leaves one out.

    >>> axes_of("population.axes", {"optimizer": {"learning_rate": [0.1, 0.01]}})
    {'optimizer.learning_rate': (0.1, 0.01)}

    Raises:
        UserError: for a leaf that is not a list of numbers; `where` is the field that holds the axes.
    """
    return dict(_leaves(where, tree, ""))


def _leaves(where: str, tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _leaves(where, value, f"{path}.")
        elif value is not None:
            values = value if isinstance(value, (list, tuple)) else [value]
            if not values or any(isinstance(x, bool) or not isinstance(x, (int, float)) for x in values):
                raise UserError(f"{where}.{path} is {value!r}: it must be a list of numbers")
            if any(abs(x) > sys.float_info.max for x in values):
                raise UserError(f"{where}.{path} holds a number beyond all floats")
            yield path, tuple(dict.fromkeys(float(x) for x in values))


def settings(axes: Axes) -> list[dict[str, float]]:
    """Every combination of the values on the axes.

    >>> settings({"a": (1.0, 2.0), "b": (3.0,)})
    [{'a': 1.0, 'b': 3.0}, {'a': 2.0, 'b': 3.0}]
    """
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
