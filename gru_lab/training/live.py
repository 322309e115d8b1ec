"""Diagnostics of the members of a run: the last recurrent layer, on the first sequences of the validation set."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gru_lab.diagnostics import Diagnostic, Layer
from gru_lab.models import Network
from gru_lab.tasks import Batch, Task
from gru_lab.training.train import Program
from gru_lab.typing import Array

SEQUENCES = 32  # enough for a mean, few enough for a small part of the training time
DIGITS = 5  # that a line of metrics keeps
FEW = 8  # entries of a curve that a tracker is told one by one

Measured = dict[str, dict[str, Any]]  # diagnostic -> name of a curve or number -> its values


def last_layer(network: Network, task: Task, batch: Batch) -> Layer:
    """The last recurrent layer of a network, what it sees of a batch, and the loss of its last outputs."""
    layer, xs_BTI = network.layers[-1], network.below_last(batch.inputs, batch.lengths)
    last = batch._replace(targets=batch.targets[:, -1]) if task.readout == "every" else batch

    def loss(outputs_BO: Array) -> Array:  # a sum over sequences: each one's gradient stands for itself
        return task.loss(network.after_last(outputs_BO, xs_BTI, batch.lengths), last) * len(batch.inputs)

    return Layer(network.cell, layer.weights, xs_BTI, batch.lengths, loss)


def measurement(
    task: Task, program: Program, diagnostic: Diagnostic, sequences: int = SEQUENCES
) -> Callable[[Any, dict[str, Any]], dict[str, Array]]:
    """What a diagnostic measures of one member's parameters, as a pure function of them and of the data."""

    def measure(params: Any, data: dict[str, Any]) -> dict[str, Array]:
        batch = jax.tree.map(lambda leaf: leaf[:sequences], data["validation"])
        return diagnostic.measure(last_layer(program.network(params), task, batch))

    return measure


def entry(measured: Measured, live: np.ndarray) -> Measured:
    """The entry `diagnostics` of a line of metrics: lists over members, null for members that had stopped before."""
    return jax.tree.map(
        lambda values: [_rounded(value) if on else None for value, on in zip(values, live, strict=True)], measured
    )


def _rounded(values: Array) -> Any:
    rounded = np.vectorize(lambda value: float(f"{value:.{DIGITS}g}"), otypes=[float])(np.asarray(values, np.float64))
    return rounded.tolist()


def scalars(measured: Measured) -> dict[str, list[float | None]]:
    """An `entry` as columns over members: `gates/z_above_0.9`; of a long curve the values 0, 1, 2, 4, 8, ..."""
    columns = {}
    for diagnostic, parts in measured.items():
        for name, members in parts.items():
            curves = [None if values is None else np.ravel(values) for values in members]
            size = max((curve.size for curve in curves if curve is not None), default=0)
            for n in range(size):
                if size <= FEW or n & (n - 1) == 0:
                    column = f"{diagnostic}/{name}" + (f"[{n}]" if size > 1 else "")
                    columns[column] = [None if curve is None else float(curve[n]) for curve in curves]
    return columns
