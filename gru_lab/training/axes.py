"""Axes: continuous hyper-parameters by path, with values that are listed or drawn at random.

    population.axes.optimizer.learning_rate=[1e-3,3e-3]
    population.axes.optimizer.learning_rate={loguniform:[1e-4,1e-1],n:16}

Listed axes make a grid. Drawn axes vary together: n points, each with a value of its own on every drawn axis, so that n
members try n different values of each (random search; Bergstra & Bengio, JMLR 13, 2012).
"""

import itertools
import math
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gru_lab.errors import UserError, listed, nearest

LAWS = ("uniform", "loguniform")
FIELDS = (*LAWS, "n", "seed")
MOST = 1_000_000  # points that are drawn

Axes = Mapping[str, tuple[float, ...]]


class Drawn(tuple[float, ...]):
    """The values of an axis that were drawn, one per point."""


def axes_of(where: str, tree: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """The leaves of a nested mapping under their dotted names, each a tuple of numbers; null leaves one out.

    >>> axes_of("population.axes", {"optimizer": {"learning_rate": [0.1, 0.01]}})
    {'optimizer.learning_rate': (0.1, 0.01)}

    Raises:
        UserError: for what is neither numbers nor a law, or if drawn axes have different numbers of points; `where` is
            the field that holds the axes.
    """
    axes = dict(_leaves(where, tree, ""))
    counts = {len(values): path for path, values in axes.items() if isinstance(values, Drawn)}
    if len(counts) > 1:
        (n, first), (m, second), *_ = counts.items()
        raise UserError(f"{where}.{first} has n={n}, and {where}.{second} n={m}: they must be equal")
    return axes


def bounds_of(where: str, tree: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """The bounds of axes along which a search draws values as it goes, under their dotted names; null leaves one out.

    >>> bounds_of("protocol.axes", {"optimizer": {"learning_rate": {"loguniform": [1e-4, 0.1]}}})
    {'optimizer.learning_rate': {'loguniform': [0.0001, 0.1]}}

    Raises:
        UserError: for what is not a law with two bounds; `where` is the field that holds the axes.
    """
    laws: dict[str, dict[str, list[float]]] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and not {*FIELDS} & {*value}:
            inside = bounds_of(f"{where}.{name}", value)
            laws |= {f"{name}.{path}": law for path, law in inside.items()}
        elif isinstance(value, Mapping):
            kind, low, high = _law(f"{where}.{name}", value, LAWS)
            laws[name] = {kind: [low, high]}
        elif value is not None:
            raise UserError(
                f"{where}.{name} is {value!r}: it must be bounds between which values are searched, as in "
                "{loguniform:[1e-4,1e-1]}"
            )
    return laws


def _leaves(where: str, tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Drawn):
            yield path, value
        elif isinstance(value, Mapping) and {*LAWS, "n"} & {*value}:
            yield path, _drawn(f"{where}.{path}", path, value)
        elif isinstance(value, Mapping):
            yield from _leaves(where, value, f"{path}.")
        elif value is not None:
            values = value if isinstance(value, (list, tuple)) else [value]
            yield path, tuple(dict.fromkeys(_numbers(f"{where}.{path}", values)))


def _drawn(where: str, path: str, law: Mapping[str, Any]) -> Drawn:
    """The values of one axis: `n` draws between two bounds, of six digits, always the same for a path and a seed."""
    kind, low, high = _law(where, law, FIELDS)
    count, seed = law.get("n"), law.get("seed", 0)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UserError(f"{where}.n is {count!r}: it must be a whole number of at least 1")
    if count > MOST:
        raise UserError(f"{where}.n is {count}: it must be at most {MOST}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"{where}.seed is {seed!r}: it must be a whole number of at least 0")
    draws = np.random.default_rng([seed, zlib.crc32(path.encode())])
    log = kind == "loguniform"
    values = draws.uniform(math.log(low) if log else low, math.log(high) if log else high, count)
    values = np.exp(values) if log else values
    return Drawn(float(f"{value:.6g}") for value in values)


def _law(where: str, law: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, float, float]:
    """The one law of an axis with some fields, and its bounds."""
    for name in law:
        if name not in fields:
            raise UserError(f"{where}.{name} is unknown: an axis has {listed(fields)}.{nearest(name, fields)}")
    kinds = [name for name in LAWS if name in law]
    if len(kinds) != 1:
        raise UserError(f"{where} is {dict(law)!r}: it must have one of {listed(LAWS)}")
    [kind] = kinds
    bounds = law[kind]
    if not isinstance(bounds, (list, tuple)) or len(bounds) != 2:
        raise UserError(f"{where}.{kind} is {bounds!r}: it must be two numbers, as in [1e-4,1e-1]")
    low, high = _numbers(f"{where}.{kind}", bounds)
    if not low < high or (kind == "loguniform" and low <= 0):
        both = ", and both above 0" if kind == "loguniform" else ""
        raise UserError(f"{where}.{kind} is {bounds!r}: the second number must be larger{both}")
    return kind, low, high


def settings(axes: Axes) -> list[dict[str, float]]:
    """Every setting that axes ask for: all combinations of listed values, with each of the points that were drawn.

    >>> settings({"a": (1.0, 2.0), "b": Drawn([3.0, 4.0]), "c": Drawn([5.0, 6.0])})[:2]
    [{'a': 1.0, 'b': 3.0, 'c': 5.0}, {'a': 1.0, 'b': 4.0, 'c': 6.0}]
    """
    together = {path: values for path, values in axes.items() if isinstance(values, Drawn)}
    points = [dict(zip(together, values, strict=True)) for values in zip(*together.values(), strict=True)] or [{}]
    grid = {path: values for path, values in axes.items() if path not in together}
    made = [
        {path: {**dict(zip(grid, values, strict=True)), **point}[path] for path in axes}
        for values in itertools.product(*grid.values())
        for point in points
    ]
    return list({tuple(setting.items()): setting for setting in made}.values())


def _numbers(where: str, values: Any) -> list[float]:
    if not values or any(isinstance(x, bool) or not isinstance(x, (int, float)) for x in values):
        raise UserError(f"{where} is {values!r}: it must be a list of numbers")
    if any(abs(x) > sys.float_info.max for x in values):
        raise UserError(f"{where} holds a number beyond all floats")
    return [float(x) for x in values]


__all__ = ["Axes", "Drawn", "axes_of", "bounds_of", "settings"]
