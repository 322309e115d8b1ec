"""How many iterations does Newton's method over time need, and does the Lyapunov exponent say so?

    python experiments/newton.py                        every fresh cell at six scales of its parameters: ten minutes
    python experiments/newton.py --cells rnn gru        two of them
    python experiments/newton.py --trained RUNS         also members that were trained with both diagnostics
    python experiments/newton.py --from newton.csv      figures anew, without measuring

It writes to --out newton.csv and newton.png: the iterations of Newton's method on white noise against the leading
Lyapunov exponent, in float64, and the gradient horizon; and of RUNS training.csv and training.png, both while members
trained. RUNS come from

    python experiments/train.py -m cell=rnn,lstm,gru task=adding 'callbacks.diagnostics.names=[newton,lyapunov]'

`structure` is what a scan multiplies: a number or a block per unit where the step is unit by unit, else a matrix. A
step that is affine in its state needs one iteration, and one to see it. `fell_back` is the share of sequences that were
finished step by step: they did not converge, or rounding errors would grow on the way.
"""

import argparse
import csv
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from rich.progress import track

from gru_lab import cells, diagnostics
from gru_lab.commandline import guarded
from gru_lab.diagnostics.dynamics import size
from gru_lab.diagnostics.newton import summary
from gru_lab.errors import UserError
from gru_lab.exits import leave
from gru_lab.recurrence import Parallel
from gru_lab.recurrence.structure import structure
from gru_lab.reports.newton import COLUMNS, fresh_figure, training, training_figure
from gru_lab.reports.style import files, using
from gru_lab.runs import find_records

SCALES = (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)
BATCH, INPUTS, HIDDEN = 4, 4, 16
METHOD = Parallel(max_iterations=256)
LARGEST = 64  # numbers of a state whose Jacobian is one matrix


@cache
def compiled(cell: cells.Cell) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """The iterations and the gradient horizon of a cell for parameters and inputs."""

    def horizon(params: Any, xs: Any) -> Any:
        norms = diagnostics.gradient_flow(cell, params, xs, lambda outputs: outputs.sum())
        return jnp.median(jax.vmap(diagnostics.horizon)(norms))

    return jax.jit(lambda params, xs: summary(diagnostics.newton(cell, params, xs, method=METHOD))), jax.jit(horizon)


def measured(name: str, scale: float, time: int) -> dict[str, Any]:
    """A fresh cell on so many steps of white noise, its parameters multiplied by a scale.

    Where the Jacobian is too large a matrix, exponent and iterations are missing.

    Raises:
        UserError: if its states are not finite.
    """
    cell = cells.create(name, hidden=HIDDEN)
    cell = cell.at_length(time) if cell.automatic else cell
    params = jax.tree.map(lambda leaf: scale * leaf, cell.init(jax.random.key(0), INPUTS))
    xs = jax.random.normal(jax.random.key(1), (BATCH, time, INPUTS))
    state = jax.tree.map(jnp.asarray, cell.initial_state(params))
    known, leaves = structure(cell.step, params, state, xs[0, 0]), jax.tree.leaves(state)
    read = [leaf for leaf, passive in zip(leaves, known.passive, strict=True) if not passive]
    blocks = len(read) > 1 or any(map(jnp.iscomplexobj, read))
    newton, horizon = compiled(cell)
    reach = float(horizon(params, xs))
    if math.isnan(reach):
        raise UserError("its states are not finite")
    about = ("matrix" if not known.unit_by_unit else "block" if blocks else "number", known.affine, reach)
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    row |= dict(zip(COLUMNS, (name, scale, *about), strict=False))
    if not known.unit_by_unit and size(cell, params) > LARGEST:
        return row
    spectrum = diagnostics.lyapunov_spectrum(cell, params, xs, k=1)
    found = {"exponent": spectrum.exponents[0], "error": spectrum.errors[0]} | newton(params, xs)
    return row | {key: round(float(value), 4) for key, value in found.items()}


def fresh(names: Sequence[str], scales: Sequence[float], time: int) -> Iterator[dict[str, Any]]:
    """All cells at all scales, one after the other; what cannot be measured is said."""
    for name in track(names, "cells", transient=True):
        for scale in scales:
            try:
                yield measured(name, scale, time)
            except UserError as error:
                print(f"  ({name} at scale {scale:g} is left out: {error})", file=sys.stderr)


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """A table."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def run(options: argparse.Namespace) -> None:
    """Measure what was asked for, or read it."""
    options.out.mkdir(parents=True, exist_ok=True)
    if options.table:
        with options.table.open(newline="") as file:
            rows = [*csv.DictReader(file)]
    else:
        for name in options.cells:
            cells.get(name)
        rows = []
        for row in fresh(options.cells, options.scales, options.length):
            rows.append(row)
            write(rows, options.out / "newton.csv")
    if rows:
        write(rows, options.out / "newton.csv")
        (options.out / "newton.png").write_bytes(files(fresh_figure(rows))["png"])
    if options.trained:
        found = training(find_records(options.trained).groups)
        write(found, options.out / "training.csv")
        with using("wide"):
            (options.out / "training.png").write_bytes(files(training_figure(found))["png"])


def main() -> int:
    """Measure what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=cells.names(), metavar="CELL", help="which (all)")
    parser.add_argument("--scales", nargs="+", type=float, default=SCALES, help="factors of all parameters (six)")
    parser.add_argument("--length", type=int, default=512, help="steps of a sequence (512)")
    parser.add_argument("--trained", nargs="+", type=Path, metavar="RUNS", default=[], help="folders of runs")
    parser.add_argument("--out", type=Path, default=Path("newton"), help="folder for tables and figures (newton)")
    parser.add_argument("--from", dest="table", type=Path, metavar="CSV", help="measure no fresh cell: read this table")
    options = parser.parse_args()
    if options.table and not options.table.is_file():
        parser.error(f"{options.table} is not a file")
    jax.config.update("jax_enable_x64", True)
    return guarded(lambda: run(options))


if __name__ == "__main__":
    leave(main)
