"""Measures the layouts between which `gru_lab.recurrence.layout` chooses.

    python experiments/lowering.py             six minutes on two cores; rewrites the package's table
    python experiments/lowering.py --out t.csv another file

Every line is one layout of one cell and shape: milliseconds of forward+backward, and the ratio to the layout that
`auto` takes, each the median over rounds in which all layouts run in turns.
"""

import argparse
import csv
import statistics
from pathlib import Path

import jax
import speed
import speed_peers

from gru_lab.exits import leave
from gru_lab.recurrence import Sequential, layout
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.sequential import LaidOut

SHAPES = ((1, 64, 88, 46), (8, 100, 32, 64), (20, 200, 2, 128), (64, 100, 2, 64), (64, 200, 88, 256), (32, 784, 1, 128))
WHOLE = 10**9  # one block
LAYOUTS = {
    "auto": Sequential(),
    "gates": LaidOut(layout=Layout(block=WHOLE)),
    "gates, blocks of 32": LaidOut(layout=Layout(block=32)),
    "states, blocks of 32": LaidOut(layout=Layout(store="states", block=32)),
    "states, blocks of 32, separate": LaidOut(layout=Layout(fuse=False, store="states", block=32)),
    "gates, hoisted": LaidOut(layout=Layout(hoist=True, block=WHOLE)),
    "gates, separate": LaidOut(layout=Layout(fuse=False, block=WHOLE)),
}
COLUMNS = ["backend", "cell", "batch", "time", "inputs", "hidden", "layout", "ms", "ratio", "temporaries_mb"]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(layout.__file__).with_name("layout.csv"))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with options.out.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for shape in SHAPES:
            for cell in ("rnn", "lstm", "gru"):
                layers = [speed_peers.gru_lab(cell, shape, method, name) for name, method in LAYOUTS.items()]
                seconds = speed.measure(layers, "forward+backward", options.rounds, 0.03)
                for layer in layers:
                    ratios = [t / a for t, a in zip(seconds[layer.name], seconds["auto"], strict=True)]
                    row = dict(zip(COLUMNS[2:6], shape, strict=True)) | {
                        "backend": jax.default_backend(),
                        "cell": cell,
                        "layout": layer.name,
                        "ms": round(1e3 * statistics.median(seconds[layer.name]), 3),
                        "ratio": round(statistics.median(ratios), 3),
                        "temporaries_mb": round(layer.temporaries["forward+backward"] / 2**20, 2),
                    }
                    table.writerow(row)
                    file.flush()
                    print(*row.values(), flush=True)


if __name__ == "__main__":
    leave(main)
