"""How do the time and memory of a recurrent layer grow with the length of the sequence?

One process measures forward+backward of a loss of the last output at lengths 128, 256, ... 16,384, in turns, with
all steps stored and with `remat_every` near the square root of the length. It prints the table and the exponents of
the fitted power laws time ~ length^a and temporaries ~ length^b, and writes scaling.csv and scaling.png to --out.
Temporaries are what the compiled program asks for beside inputs, parameters and gradients.

    python experiments/scaling.py                       gru: half a minute on two cores
    python experiments/scaling.py --cells rnn lstm gru  the three
"""

import argparse
import csv
import math
import statistics
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import speed
import speed_peers

from gru_lab import cells, unroll
from gru_lab.exits import leave
from gru_lab.recurrence import Sequential

COLUMNS = ["cell", "batch", "inputs", "hidden", "method", "time", "ms", "us_per_step", "temporaries_mb"]
METHODS = {
    "all stored": lambda time: Sequential(),
    "remat_every sqrt(T)": lambda time: Sequential(remat_every=round(math.sqrt(time))),
}


def contender(name: str, cell: str, shape: speed_peers.Shape, method: Sequential) -> speed_peers.Contender:
    """A layer whose loss looks at the last output alone, so that nothing but the method needs memory over time."""
    batch, time, inputs, hidden = shape
    layer = cells.create(cell, hidden=hidden)
    params, xs = layer.init(jax.random.key(0), inputs), jnp.ones((batch, time, inputs))

    def loss(params: dict, xs: jax.Array) -> jax.Array:
        final, _ = unroll(layer, params, xs, method=method)
        return jax.vmap(layer.read)(final).sum()

    program = jax.jit(jax.value_and_grad(loss)).lower(params, xs).compile()
    run = {"forward+backward": lambda: jax.block_until_ready(program(params, xs))}
    usage = program.memory_analysis()
    return speed_peers.Contender(name, run, {}, {"forward+backward": usage.temp_size_in_bytes if usage else 0})


def exponent(rows: list[dict], column: str) -> float:
    """The slope of log(column) against log(time), by least squares."""
    time, value = (np.log([row[name] for row in rows]) for name in ("time", column))
    return float(np.polyfit(time, value, 1)[0])


def draw(rows: list[dict], path: Path) -> None:
    """Time and temporaries against the length, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    for axis, column, label in zip(
        axes, ("ms", "temporaries_mb"), ("forward+backward [ms]", "temporaries [MB]"), strict=True
    ):
        for cell, method in dict.fromkeys((row["cell"], row["method"]) for row in rows):
            own = [row for row in rows if (row["cell"], row["method"]) == (cell, method)]
            slope = exponent(own, column)
            axis.plot(
                [r["time"] for r in own],
                [r[column] for r in own],
                "o-",
                label=f"{cell}, {method}: exponent {slope:.2f}",
            )
        axis.set(xscale="log", yscale="log", xlabel="length of the sequence [steps]", ylabel=label)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["gru"], choices=["rnn", "lstm", "gru"])
    parser.add_argument("--shape", type=int, nargs=3, default=(8, 16, 64), metavar=("BATCH", "INPUTS", "HIDDEN"))
    parser.add_argument("--lengths", type=int, nargs="+", default=[2**k for k in range(7, 15)])
    parser.add_argument("--rounds", type=int, default=7, help="turns of all lengths (7)")
    parser.add_argument("--out", type=Path, default=Path("speed"), help="folder for scaling.csv and scaling.png")
    options = parser.parse_args()
    batch, inputs, hidden = options.shape
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with (options.out / "scaling.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for cell in options.cells:
            all_, about = [], {}
            for method, make in METHODS.items():
                for time in options.lengths:
                    name = f"{method}, {time}"
                    about[name] = {"method": method, "time": time}
                    all_.append(contender(name, cell, (batch, time, inputs, hidden), make(time)))
            seconds = speed.measure(all_, "forward+backward", options.rounds, 0.05)
            for one in all_:
                ms = 1e3 * statistics.median(seconds[one.name])
                row = {"cell": cell, "batch": batch, "inputs": inputs, "hidden": hidden} | about[one.name]
                row |= {"ms": round(ms, 3), "us_per_step": round(1e3 * ms / row["time"], 3)}
                row |= {"temporaries_mb": round(one.temporaries["forward+backward"] / 2**20, 3)}
                rows.append(row)
                table.writerow(row)
                file.flush()
                print(*(f"{value:>20}" if name == "method" else f"{value:>9}" for name, value in row.items()))
            for method in METHODS:
                own = [row for row in rows if (row["cell"], row["method"]) == (cell, method)]
                time, memory = exponent(own, "ms"), exponent(own, "temporaries_mb")
                print(f"{cell}, {method}: time ~ T^{time:.3f}, temporaries ~ T^{memory:.3f}", flush=True)
    draw(rows, options.out / "scaling.png")


if __name__ == "__main__":
    leave(main)
