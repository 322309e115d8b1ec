"""Measures the layouts between which `gru_lab.recurrence.lowering` chooses.

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

from gru_lab.recurrence import Sequential, sequential
from gru_lab.recurrence.lowering import Lowering, choose

SHAPES = ((1, 64, 88, 46), (8, 100, 32, 64), (20, 200, 2, 128), (64, 100, 2, 64), (64, 200, 88, 256), (32, 784, 1, 128))
LAYOUTS = {
    "gates": Lowering(True, False, "gates", 10**9),
    "gates, blocks of 32": Lowering(True, False, "gates", 32),
    "states, blocks of 32": Lowering(True, False, "states", 32),
    "states, blocks of 32, separate": Lowering(False, False, "states", 32),
    "gates, hoisted": Lowering(True, True, "gates", 10**9),
    "gates, separate": Lowering(False, False, "gates", 10**9),
}
COLUMNS = ["backend", "cell", "batch", "time", "inputs", "hidden", "layout", "ms", "ratio", "temporaries_mb"]


def contender(name: str, layout: Lowering | None, cell: str, shape: speed_peers.Shape) -> speed_peers.Contender:
    """A layer with that layout, or with the one that `auto` takes."""
    jax.clear_caches()  # a layout is no argument of what is compiled
    sequential.choose = choose if layout is None else lambda *_: layout
    try:
        return speed_peers.gru_lab(cell, shape, Sequential(), name)
    finally:
        sequential.choose = choose


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(sequential.__file__).with_name("lowering.csv"))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with options.out.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for shape in SHAPES:
            for cell in ("rnn", "lstm", "gru"):
                layouts = {"auto": None, **LAYOUTS}
                all_ = [contender(name, layout, cell, shape) for name, layout in layouts.items()]
                seconds = speed.measure(all_, "forward+backward", options.rounds, 0.03)
                for one in all_:
                    ratios = [t / a for t, a in zip(seconds[one.name], seconds["auto"], strict=True)]
                    row = dict(zip(COLUMNS[2:6], shape, strict=True)) | {
                        "backend": jax.default_backend(),
                        "cell": cell,
                        "layout": one.name,
                        "ms": round(1e3 * statistics.median(seconds[one.name]), 3),
                        "ratio": round(statistics.median(ratios), 3),
                        "temporaries_mb": round(one.temporaries["forward+backward"] / 2**20, 2),
                    }
                    table.writerow(row)
                    file.flush()
                    print(*row.values(), flush=True)


if __name__ == "__main__":
    main()
