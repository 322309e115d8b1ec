"""What does a step of each cell cost, apart from training?

One process builds a layer of every cell, once with as many hidden units as all others and once with as many parameters,
and times them in turns, round after round, so that noise of the machine meets all alike. A cell that cannot be built at
a size is left out there, and said so.

    python experiments/cost.py                                        every cell: about 20 minutes on two cores
    python experiments/cost.py --quick                                gru, lstm, rnn at one shape: under a minute
    python experiments/cost.py --cells gru lstm mgu --hidden 128      three cells
    python experiments/cost.py --batches 1 64 --lengths 100 1000      four shapes
    python experiments/cost.py --from cost/cost.csv                   table and figure anew, without measuring

It writes cost.csv (one line per cell, sizing, shape and direction), cost.md and cost.png to --out. `us_per_step` is the
median time of a step of the whole batch; `ratio` the median over rounds of a cell's time over that of the first cell;
`flops` and `bytes` are counted in the traced program, all steps together, bytes as if nothing were fused;
`temporaries_mb` is what the compiled program asks for beside inputs, parameters and results.
"""

import argparse
import csv
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from speed import measure
from speed_peers import Contender, contender

from gru_lab import cells, unroll
from gru_lab.cells import Cell
from gru_lab.cells.budget import cost, hidden_for
from gru_lab.commandline import guarded
from gru_lab.errors import UserError
from gru_lab.exits import leave
from gru_lab.jaxprs import needed, operations, trace, traffic
from gru_lab.reports.cost import cost_figure, cost_table
from gru_lab.reports.style import files

SIZINGS = ("equal hidden size", "equal parameters")
DIRECTIONS = ("forward", "forward+backward")
QUICK = ["gru", "lstm", "rnn"]
FIGURES = ["ms", "best_ms", "us_per_step", "ratio", "low", "high", "temporaries_mb", "compile_s"]
COUNTS = ["batch", "time", "inputs", "hidden", "parameters", "flops", "bytes"]
COLUMNS = ["cell", "sizing", *COUNTS[:5], "direction", *FIGURES[:6], *COUNTS[5:], *FIGURES[6:]]


@dataclass(frozen=True)
class Layer:
    """A cell at a size; `parameters` are those of the layer."""

    name: str
    sizing: str
    cell: Cell
    parameters: int


def sized(names: Sequence[str], hidden: int, inputs: int, parameters: int | None) -> list[Layer]:
    """The cells at equal hidden size, and at equal parameters: those of the first cell if None are asked for."""
    for name in names:
        cells.get(name)
    layers: list[Layer] = []
    for name in names:
        try:
            cell = cells.create(name, hidden=hidden)
            layers.append(Layer(name, SIZINGS[0], cell, cost(cell, inputs).parameters))
        except UserError as error:
            print(f"  ({name} is left out at {SIZINGS[0]}: {error})", file=sys.stderr)
    if not layers:
        return layers
    budget = parameters or layers[0].parameters
    for name in names:
        try:
            hidden = hidden_for(lambda n, name=name: cells.create(name, hidden=n), inputs, budget)
            cell = cells.create(name, hidden=hidden)
            layers.append(Layer(name, SIZINGS[1], cell, cost(cell, inputs).parameters))
        except UserError as error:
            print(f"  ({name} is left out at {SIZINGS[1]}: {error})", file=sys.stderr)
    return layers


def built(layer: Layer, shape: tuple[int, int, int]) -> tuple[Contender, dict[str, dict[str, int]]]:
    """A layer ready to run on sequences (batch, time, inputs), and what is counted of it in each direction."""
    cell, params = layer.cell, layer.cell.init(jax.random.key(0), shape[2])
    xs = jnp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))

    def forward(params: Any, xs: Any) -> Any:
        return unroll(cell, params, xs)[1]

    def loss(params: Any, xs: Any) -> Any:
        return jnp.sin(forward(params, xs)).sum()

    programs: dict[str, Callable[..., Any]] = {DIRECTIONS[0]: forward, DIRECTIONS[1]: jax.value_and_grad(loss)}
    counts = {}
    for direction, program in programs.items():
        closed = trace(program, params, xs)
        equations = needed(closed.eqns, closed.jaxpr.outvars)
        counts[direction] = {"flops": sum(map(operations, equations)), "bytes": sum(map(traffic, equations))}
    return contender(f"{layer.name}, {layer.sizing}", programs, params, xs), counts


def rows_of(layers: Sequence[Layer], shape: tuple[int, int, int], rounds: int, least_s: float) -> list[dict[str, Any]]:
    """The lines of the table for one shape; layers of one sizing are measured against the first of them."""
    made = [built(layer, shape) for layer in layers]
    rows = []
    for direction in DIRECTIONS:
        seconds = measure([each for each, _ in made], direction, rounds, least_s)
        for layer, (each, counts) in zip(layers, made, strict=True):
            reference = next(other for other in layers if other.sizing == layer.sizing)
            base, spent = seconds[f"{reference.name}, {reference.sizing}"], seconds[each.name]
            ratios = sorted(mine / first for mine, first in zip(spent, base, strict=True))
            ms, quartile = 1e3 * statistics.median(spent), len(ratios) // 4
            rows.append(
                {"cell": layer.name, "sizing": layer.sizing}
                | dict(zip(("batch", "time", "inputs"), shape, strict=True))
                | {"hidden": layer.cell.hidden, "parameters": layer.parameters, "direction": direction}
                | {
                    "ms": round(ms, 3),
                    "best_ms": round(1e3 * min(spent), 3),
                    "us_per_step": round(1e3 * ms / shape[1], 3),
                }
                | {"ratio": round(statistics.median(ratios), 3)}
                | {"low": round(ratios[quartile], 3), "high": round(ratios[-1 - quartile], 3)}
                | counts[direction]
                | {"temporaries_mb": round(each.temporaries[direction] / 2**20, 3)}
                | {"compile_s": round(each.compile_s[direction], 2)}
            )
    return rows


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a table that was measured before."""
    kinds = dict.fromkeys(FIGURES, float) | dict.fromkeys(COUNTS, int)
    with path.open(newline="") as file:
        return [{name: kinds.get(name, str)(text) for name, text in row.items()} for row in csv.DictReader(file)]


def keep(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write table and figure, and print the table."""
    table = cost_table(rows)
    print(table)
    (folder / "cost.md").write_text(table)
    (folder / "cost.png").write_bytes(files(cost_figure(rows))["png"])


def run(options: argparse.Namespace) -> None:
    """Measure what was asked for, or read it."""
    if options.table:
        options.out.mkdir(parents=True, exist_ok=True)
        keep(read(options.table), options.out)
        return
    names = options.cells or (QUICK if options.quick else ["gru", *(name for name in cells.names() if name != "gru")])
    batches = options.batches or ([8] if options.quick else [1, 32])
    lengths = options.lengths or ([64] if options.quick else [64, 256])
    layers = sized(names, options.hidden, options.inputs, options.parameters)
    if not layers:
        raise UserError(f"--hidden is {options.hidden}: none of {', '.join(names)} can be built of that size")
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with (options.out / "cost.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for batch in batches:
            for time in lengths:
                print(f"{len(layers)} layers, {batch} sequences of {time} steps", file=sys.stderr, flush=True)
                new = rows_of(layers, (batch, time, options.inputs), options.rounds, options.least)
                rows += new
                table.writerows(new)
                file.flush()
    keep(rows, options.out)


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)


def main() -> int:
    """Measure what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cells", nargs="+", help="names of cells, the first of which is the measure (gru, and all others)"
    )
    parser.add_argument("--hidden", type=count, default=64, help="the equal hidden size (64)")
    parser.add_argument("--parameters", type=count, help="the equal number of parameters (those of the first cell)")
    parser.add_argument("--inputs", type=count, default=32, help="inputs of the layer (32)")
    parser.add_argument("--batches", nargs="+", type=count, help="sequences at once (1 32)")
    parser.add_argument("--lengths", nargs="+", type=count, help="steps of a sequence (64 256)")
    parser.add_argument("--rounds", type=count, default=7, help="turns of all cells (7)")
    parser.add_argument("--least", type=float, default=0.02, help="seconds that a cell runs in a turn (0.02)")
    parser.add_argument("--quick", action="store_true", help="gru, lstm and rnn, 8 sequences of 64 steps")
    parser.add_argument("--out", type=Path, default=Path("cost"), help="folder of cost.csv, cost.md and cost.png")
    parser.add_argument("--from", dest="table", type=Path, metavar="CSV", help="measure nothing: draw this table anew")
    options = parser.parse_args()
    if options.table and not options.table.is_file():
        parser.error(f"{options.table} is not a file")
    return guarded(lambda: run(options))


if __name__ == "__main__":
    leave(main)
