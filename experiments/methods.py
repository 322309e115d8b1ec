"""Which method runs a cell fastest: one step after the other, Newton's method over time, or one parallel scan?

    python experiments/methods.py              over an hour on two cores; also rewrites this backend's part of the table
                                               of `method=auto`, gru_lab/recurrence/measured.py
    python experiments/methods.py --quick      two shapes, and that table stays as it is
    python experiments/methods.py --from T.csv figure and table anew, without measuring

Methods of one cell and shape run in turns, forward and backward. `ms` is a median; `ratio` the median over rounds of a
method's time over that of `sequential`, `best_ratio` the ratio of the fastest rounds; `temporaries_mb` what the
compiled program asks for; `error` the largest difference of a state from the plain loop, relative to the largest state.
What would take more than a stated number of products or bytes is not tried. An entry that methods.csv in --out holds is
not measured again.
"""

import argparse
import csv
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import speed
import speed_peers
from rich.progress import track

from gru_lab import cells, unroll
from gru_lab.cells.budget import cost
from gru_lab.exits import leave
from gru_lab.recurrence import Associative, Method, Parallel, Reference, Sequential, measured
from gru_lab.recurrence.auto import kind
from gru_lab.recurrence.structure import structure
from gru_lab.reports.methods import methods_figure
from gru_lab.reports.style import files, using

CELLS = ("gru", "lstm", "indrnn", "mingru", "rglru")
TIMES, SIZES, BATCHES = (256, 4_096, 65_536), (1, 8, 64), (1, 16)
LONGEST = tuple((1, 1_000_000, 4, hidden) for hidden in (1, 8))
SHAPES = (*((b, t, 4, h) for t in TIMES for h in SIZES for b in BATCHES), *LONGEST)
QUICK = ((1, 64, 4, 1), (2, 128, 4, 4))
PRODUCTS, NUMBERS = 3e10, 3e8  # multiplications and numbers of all Jacobians: more is not tried
COLUMNS = ["backend", "cell", "structure", "batch", "time", "inputs", "hidden", "numbers", "method"]
COLUMNS += ["ms", "ratio", "best_ratio", "temporaries_mb", "error"]
DIRECTION = "forward+backward"


def methods(known: Any, numbers: int, shape: speed_peers.Shape) -> dict[str, Method]:
    """What is tried at a shape."""
    batch, time = shape[:2]
    width = 1 if known.unit_by_unit else numbers
    tried: dict[str, Method] = {"sequential": Sequential()}
    if batch * time * numbers * width * width <= PRODUCTS and batch * time * numbers * width <= NUMBERS:
        tried |= {"associative": Associative()} if known.affine else {"parallel": Parallel()}
    return tried


def rows(entries: Sequence[tuple[str, speed_peers.Shape]], rounds: int) -> Iterator[dict[str, Any]]:
    """A line per cell, shape and method."""
    for name, shape in track(entries, "entries", transient=True):
        *_, inputs, hidden = shape
        cell = cells.create(name, hidden=hidden)
        params = cell.init(jax.random.key(0), inputs)
        known = structure(cell.step, params, jax.tree.map(jnp.asarray, cell.initial_state(params)), jnp.zeros(inputs))
        numbers, xs = cost(cell, inputs).state, jnp.asarray(speed_peers.data(shape)[0])
        tried = methods(known, numbers, shape)
        if len(tried) == 1:
            continue
        layers = [speed_peers.gru_lab(name, shape, method, called) for called, method in tried.items()]
        seconds = speed.measure(layers, DIRECTION, rounds, 0.01)
        exact = np.asarray(unroll(cell, params, xs, method=Reference())[1])
        for layer in layers:
            mine, first = seconds[layer.name], seconds["sequential"]
            states = np.asarray(unroll(cell, params, xs, method=tried[layer.name])[1])
            yield dict(zip(COLUMNS, (jax.default_backend(), name, kind(known), *shape, numbers), strict=False)) | {
                "method": layer.name,
                "ms": f"{1e3 * statistics.median(mine):.4g}",
                "ratio": f"{statistics.median(t / o for t, o in zip(mine, first, strict=True)):.4g}",
                "best_ratio": f"{min(mine) / min(first):.4g}",
                "temporaries_mb": f"{layer.temporaries[DIRECTION] / 2**20:.3g}",
                "error": f"{np.abs(states - exact).max() / max(np.abs(exact).max(), 1e-30):.2g}",
            }


def keep(lines: Sequence[dict[str, Any]]) -> None:
    """Rewrite the table of `method=auto` for the backends of these lines."""
    path = Path(str(measured.__file__))
    new = [
        measured.Measured(
            row["backend"], row["structure"], int(row["batch"]), int(row["time"]), int(row["numbers"]), row["method"],
            max(float(row["ratio"]), float(row["best_ratio"])),
        )
        for row in lines if row["method"] != "sequential"
    ]  # fmt: skip
    others = [row for row in measured.MEASURED if row.backend not in {row.backend for row in new}]
    body = "".join(f"    Measured{tuple(row)!r},\n".replace("'", '"') for row in (*others, *new))
    head = path.read_text("utf-8").partition("MEASURED")[0]
    path.write_text(f"{head}MEASURED: tuple[Measured, ...] = (\n{body})\n", "utf-8")


def write(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """A table."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=CELLS, metavar="CELL", help="which (five)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of all methods (5)")
    parser.add_argument("--quick", action="store_true", help="two shapes, and the table of method=auto stays as it is")
    parser.add_argument("--out", type=Path, default=Path("methods"), help="folder of methods.csv and methods.png")
    parser.add_argument("--from", dest="table", type=Path, metavar="CSV", help="measure nothing: figure and table anew")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.table or options.out / "methods.csv"
    lines: list[dict[str, Any]] = []
    if table.exists():
        with table.open(newline="") as file:
            lines = [*csv.DictReader(file)]
    if not options.table:
        known = {(line["cell"], *(int(line[name]) for name in ("batch", "time", "inputs", "hidden"))) for line in lines}
        shapes = QUICK if options.quick else SHAPES
        entries = [(name, shape) for shape in shapes for name in options.cells if (name, *shape) not in known]
        for line in rows(entries, options.rounds):
            lines.append(line)
            write(lines, options.out / "methods.csv")
    if not options.quick:
        keep(lines)
    with using("wide"):
        (options.out / "methods.png").write_bytes(files(methods_figure(lines))["png"])


if __name__ == "__main__":
    leave(main)
