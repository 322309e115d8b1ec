"""How fast is a recurrent layer here, against the layers of other libraries?

One process builds the same layer in every library that is installed, then times them in turns, round after round,
so that noise of the machine meets all alike. Figures are medians over rounds; ratios are medians of the ratios
within one round; above 1 means that gru_lab is faster. `best` figures take each contender's fastest round: where
other programs share the machine they are the ones to trust. The floor is the time of the layer's matrix products
alone, each of all time steps at once, which takes its turns with the contenders; `floors` is a contender's time over
it, by the fastest rounds.

    python experiments/speed.py                                     the whole grid: about six minutes on two cores
    python experiments/speed.py --cells gru --shapes 20,200,2,128   one entry
    python experiments/speed.py --contenders gru_lab flax           two contenders
    python experiments/speed.py --from speed/speed.csv              the figure anew, without measuring

`gru_lab, 2 devices` splits the batch over two devices of the processor; a single sequence stays on one. The summary
gives, for one device and for two, the ratios to each contender and to the fastest of each family by both readings
(medians, and fastest rounds), the ratio to the floor, and temporaries and compile time against flax.nnx.

It writes speed.csv (one line a contender, entry and direction, written as measured) and speed.png to --out.
"""

import argparse
import csv
import gc
import math
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

from speed_peers import BUILDERS, PRODUCTS, SPLIT, Contender, Shape, products

from gru_lab.exits import leave
from gru_lab.reports.speed import speed_figure
from gru_lab.reports.style import files

SHAPES: tuple[Shape, ...] = (
    (1, 64, 88, 46),
    (20, 200, 2, 128),
    (32, 128, 64, 128),
    (64, 100, 2, 64),
    (64, 200, 88, 256),
    (32, 784, 1, 128),
    (16, 1024, 32, 128),
)
ENTRY = ["cell", "batch", "time", "inputs", "hidden"]
FIGURES = ["ms", "best_ms", "ratio", "low", "high", "best_ratio", "floor_ms", "floors", "temporaries_mb", "compile_s"]
COLUMNS = [*ENTRY, "direction", "contender", *FIGURES]
OURS = {"one device": "gru_lab", "two devices": SPLIT}
FAMILIES = {
    "best JAX library": ("flax.nnx", "equinox", "keras", "haiku"),
    "best torch": ("torch (1 thread)", "torch (2 threads)"),
}


def shape_of(text: str) -> Shape:
    """`20,200,2,128` as four whole numbers."""
    numbers = tuple(int(part) for part in text.split(","))
    if len(numbers) != 4 or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be batch,time,inputs,hidden, such as 20,200,2,128")
    return numbers


def build(names: list[str], cell: str, shape: Shape) -> list[Contender]:
    """The contenders that are installed here and have that cell, and the products alone."""
    found = []
    for name in names:
        try:
            contender = BUILDERS[name](cell, shape)
        except ImportError as missing:
            print(f"  ({name} is left out: {missing})", file=sys.stderr)
            continue
        if contender is not None:
            found.append(contender)
    return [*found, products(cell, shape)]


def timed(run, least_s: float = 0.03) -> float:
    """Seconds a call, over as many calls as take `least_s`."""
    calls, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < least_s or calls == 0:
        run()
        calls += 1
    return passed / calls


def measure(contenders: list[Contender], direction: str, rounds: int, least_s: float) -> dict[str, list[float]]:
    """Seconds a call in every round, contender by contender; the order turns from round to round."""
    for contender in contenders:
        contender.run[direction]()
        contender.run[direction]()
    seconds: dict[str, list[float]] = defaultdict(list)
    for n in range(rounds):
        for k in range(len(contenders)):
            contender = contenders[(k + n) % len(contenders)]
            seconds[contender.name].append(timed(contender.run[direction], least_s))
    return seconds


def rows_of(entry: dict, contenders: list[Contender], seconds: dict[str, list[float]], direction: str) -> list[dict]:
    """One line of the table a contender."""
    ours, floor, rows = seconds[contenders[0].name], min(seconds[PRODUCTS]), []
    for contender in contenders:
        if contender.name == PRODUCTS:
            continue
        theirs = seconds[contender.name]
        ratios = sorted(t / o for t, o in zip(theirs, ours, strict=True))
        quartile = len(ratios) // 4
        rows.append(
            entry
            | {
                "direction": direction,
                "contender": contender.name,
                "ms": round(1e3 * statistics.median(theirs), 3),
                "best_ms": round(1e3 * min(theirs), 3),
                "best_ratio": round(min(theirs) / min(ours), 3),
                "ratio": round(statistics.median(ratios), 3),
                "low": round(ratios[quartile], 3),
                "high": round(ratios[-1 - quartile], 3),
                "floor_ms": round(1e3 * floor, 3),
                "floors": round(min(theirs) / floor, 3),
                "temporaries_mb": round(contender.temporaries.get(direction, math.nan) / 2**20, 2),
                "compile_s": round(contender.compile_s.get(direction, math.nan), 2),
            }
        )
    return rows


def mean(values: list[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def summary(rows: list[dict]) -> list[str]:
    """Geometric means over the entries, against each contender and against the best of each family."""
    lines = []
    for direction in dict.fromkeys(row["direction"] for row in rows):
        by_entry: dict[tuple, dict] = defaultdict(dict)
        for row in rows:
            if row["direction"] == direction:
                by_entry[tuple(row[c] for c in ENTRY)][row["contender"]] = row
        for title, ours in OURS.items():
            if any(ours in entry for entry in by_entry.values()):
                lines.append(f"{direction}, {title}: geometric means over the entries (above 1: gru_lab is faster)")
                lines += _against([(entry.get(ours, entry["gru_lab"]), entry) for entry in by_entry.values()])
    return lines


def _against(entries: list[tuple[dict, dict]]) -> list[str]:
    """The lines for pairs of our row and all rows of an entry."""
    names = dict.fromkeys(name for _, entry in entries for name in entry if name not in OURS.values())
    lines = [_line(name, [(ours, entry[name]) for ours, entry in entries if name in entry]) for name in names]
    for family, members in FAMILIES.items():
        pairs = [(ours, [entry[m] for m in members if m in entry]) for ours, entry in entries]
        lines.append(_line(family, [(ours, min(rows, key=lambda row: row["best_ms"])) for ours, rows in pairs if rows]))
    floors = [(ours["floors"], int(ours["hidden"]) >= 128 and int(ours["batch"]) >= 8) for ours, _ in entries]
    for what, chosen in (
        ("all entries", [f for f, _ in floors if f > 0]),
        ("128 units and 8 sequences or more", [f for f, large in floors if large and f > 0]),
    ):
        if chosen:
            lines.append(f"  over the products alone, {what}: {mean(chosen):.2f}, largest {max(chosen):.2f}")
    for column, label in (("temporaries_mb", "temporaries"), ("compile_s", "compile time")):
        pairs = [(ours[column], entry["flax.nnx"][column]) for ours, entry in entries if "flax.nnx" in entry]
        shares = [a / b for a, b in pairs if a > 0 and b > 0]
        if shares:
            lines.append(f"  {label} against flax.nnx: {mean(shares):.2f}, largest {max(shares):.2f}")
    return lines


def _line(name: str, pairs: list[tuple[dict, dict]]) -> str:
    """Geometric means and worst cases of their times over ours, by both readings."""
    if not pairs:
        return f"  {name:22s} absent"
    median, best = ([theirs[column] / ours[column] for ours, theirs in pairs] for column in ("ratio", "best_ms"))
    return (
        f"  {name:22s} {mean(median):6.2f} (worst {min(median):.2f}), by the fastest rounds {mean(best):.2f} "
        f"(worst {min(best):.2f}), over {len(pairs)} entries"
    )


def draw(rows: list[dict], path: Path) -> None:
    """The ratios of all contenders as a figure."""
    if figure := speed_figure(rows):
        path.write_bytes(files(figure)["png"])


def read(path: Path) -> list[dict]:
    """The lines of a table that was measured before."""
    with path.open(newline="") as file:
        return [row | {name: float(row.get(name) or "nan") for name in FIGURES} for row in csv.DictReader(file)]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["rnn", "lstm", "gru"], choices=["rnn", "lstm", "gru"])
    parser.add_argument("--shapes", nargs="+", type=shape_of, default=SHAPES, help="batch,time,inputs,hidden")
    parser.add_argument("--contenders", nargs="+", default=list(BUILDERS), choices=list(BUILDERS))
    parser.add_argument("--directions", nargs="+", default=["forward", "forward+backward"])
    parser.add_argument("--rounds", type=int, default=9, help="turns of all contenders (9)")
    parser.add_argument("--least", type=float, default=0.03, help="seconds that a contender runs in a turn (0.03)")
    parser.add_argument("--out", type=Path, default=Path("speed"), help="folder for speed.csv and speed.png")
    parser.add_argument("--from", dest="table", type=Path, metavar="CSV", help="measure nothing: draw this table anew")
    options = parser.parse_args()
    if options.table and not options.table.is_file():
        parser.error(f"{options.table} is not a file")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.table:
        rows = read(options.table)
        print("\n".join(summary(rows)))
        draw(rows, options.out / "speed.png")
        return
    import jax

    jax.config.update("jax_num_cpu_devices", 2)  # where the platform is another, it stays as it is
    names = ["gru_lab", *(name for name in options.contenders if name != "gru_lab")]

    rows: list[dict] = []
    with (options.out / "speed.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        print(
            f"{'cell':5s}{'batch x time x inputs x hidden':>31s}  {'direction':17s}{'contender':20s}{'ms':>9s}"
            f"{'best':>7s}{'ratio':>7s}{'quartiles':>14s}{'floor ms':>9s}{'floors':>7s}{'MB':>9s}{'compile s':>10s}"
        )
        for shape in options.shapes:
            for cell in options.cells:
                contenders = build(names, cell, shape)
                entry = dict(zip(ENTRY, (cell, *shape), strict=True))
                for direction in options.directions:
                    new = rows_of(
                        entry, contenders, measure(contenders, direction, options.rounds, options.least), direction
                    )
                    rows += new
                    table.writerows(new)
                    file.flush()
                    for r in new:
                        print(
                            f"{cell:5s}{' x '.join(map(str, shape)):>31s}  {direction:17s}"
                            f"{r['contender']:20s}{r['ms']:9.2f}"
                            f"{r['best_ratio']:7.2f}{r['ratio']:7.2f}{r['low']:7.2f}{r['high']:7.2f}"
                            f"{r['floor_ms']:9.2f}{r['floors']:7.2f}{r['temporaries_mb']:9.1f}{r['compile_s']:10.2f}",
                            flush=True,
                        )
                del contenders
                gc.collect()
    print("\n".join(summary(rows)))
    draw(rows, options.out / "speed.png")


if __name__ == "__main__":
    leave(main)
