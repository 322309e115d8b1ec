"""Our own format: any cell, its parameters by our names, and its settings."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import numpy as np

from gru_lab import cells
from gru_lab.cells import Cell
from gru_lab.convert.framework import Framework
from gru_lab.convert.stack import Stack
from gru_lab.schema import UserError, listed

_CELL = "cell.json"


@dataclass(frozen=True)
class GRULab(Framework):
    """Names such as `layer_0/forward/W_r`; `cell.json` holds the cell's name and fields as the bytes of a JSON text."""

    def refusal(self, cell: Cell) -> str | None:
        """Every cell can be held."""
        return None

    def dump(self, stack: Stack) -> dict[str, np.ndarray]:
        """The stack's parameters and its cell."""
        described = json.dumps({"name": cells.name_of(stack.cell), **asdict(stack.cell)})
        arrays = {_CELL: np.frombuffer(described.encode(), np.uint8)}
        for n, layer in enumerate(stack.layers):
            for d, params in enumerate(layer):
                for name, array in params.items():
                    side = ("forward", "backward")[d]
                    arrays[f"layer_{n}/{side}/{name}"] = np.asarray(array)
        return arrays

    def load(self, arrays: Mapping[str, np.ndarray], cell: str | None = None, prefix: str = "", **fields: Any) -> Stack:
        """See `Framework.load`; the cell is the file's own."""
        named = {name.removeprefix(prefix): np.asarray(a) for name, a in arrays.items() if name.startswith(prefix)}
        if _CELL not in named:
            raise UserError(f"weights lack {prefix}{_CELL}, which names the cell: there are {listed(sorted(arrays))}")
        try:
            described = json.loads(named.pop(_CELL).tobytes())
            made = cells.create(described.pop("name"), **described)
        except (ValueError, AttributeError, KeyError) as error:
            raise UserError(f"weights {prefix}{_CELL} is not a description of a cell: {error}") from None
        if cell is not None and cell != cells.name_of(made):
            raise UserError(f"cell {cell!r} was asked for: these weights are of a {cells.name_of(made)}")
        sides = [side for side in ("forward", "backward") if any(f"/{side}/" in name for name in named)]
        depth = len({name.split("/")[0] for name in named})
        layers, width = [], _inputs(made, named)
        for n in range(depth):
            shapes = jax.eval_shape(lambda key, i=width: made.init(key, i), jax.random.key(0))
            layers.append(tuple(_layer(named, f"layer_{n}/{side}/", prefix, shapes) for side in sides))
            state = jax.eval_shape(made.initial_state, shapes)
            width = jax.eval_shape(made.read, state).size * len(sides)
        if named:
            raise UserError(f"weights hold {prefix}{next(iter(named))}, which a {cells.name_of(made)} does not have")
        return Stack(made, tuple(layers))

    def compute(self, stack: Stack, arrays: dict[str, Any], xs: Any) -> Any:
        """See `Framework.compute`."""
        return self.load(arrays).run(xs)


def _inputs(cell: Cell, named: Mapping[str, np.ndarray]) -> int:
    """The inputs of the first layer: the axis in which shapes for 1 and 2 inputs differ."""
    shapes, wider = (jax.eval_shape(lambda key, i=i: cell.init(key, i), jax.random.key(0)) for i in (1, 2))
    for name, shape in shapes.items():
        array = next((array for path, array in named.items() if path == f"layer_0/forward/{name}"), None)
        axes = [n for n, (a, b) in enumerate(zip(shape.shape, wider[name].shape, strict=True)) if a != b]
        if array is not None and axes and array.ndim > axes[0]:
            return array.shape[axes[0]]
    return 1


def _layer(named: dict[str, np.ndarray], path: str, prefix: str, shapes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    params = {}
    for name, wanted in shapes.items():
        if path + name not in named:
            raise UserError(f"weights lack {prefix}{path}{name}: there are {listed(sorted(named))}")
        params[name] = named.pop(path + name)
        if params[name].shape != wanted.shape or params[name].dtype.kind not in "fV":
            has = f"{params[name].dtype} {params[name].shape}"
            raise UserError(f"weights {prefix}{path}{name} are {has}: they must be floats {wanted.shape}")
    return params


FRAMEWORK = GRULab(name="gru_lab", tables={})
