"""`python -m gru_lab.recurrence CELL [field=value ...]`: how a cell's step is split, for people.

python -m gru_lab.recurrence gru
python -m gru_lab.recurrence lstm hidden=128 peephole=true --inputs 10 --batch 32
python -m gru_lab.recurrence tune gru hidden=64 --inputs 2 --batch 32 --time 100    time the layouts of its loop, and
                                                                keep the fastest for method.layout=tuned
python -m gru_lab.recurrence --counts tests/contract/recurrence_counts.json     write the counts of all cells anew
"""

import argparse
import json
import sys
from pathlib import Path

import jax

from gru_lab import cells
from gru_lab.exits import leave
from gru_lab.recurrence.report import pinned, report
from gru_lab.recurrence.tuning import entry, measured
from gru_lab.runs import layouts
from gru_lab.schema import UserError


def main() -> None:
    """Print the report; exit status 2 and one sentence for a wrong argument."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", nargs="?", help="a registered name, or module:Class")
    parser.add_argument("fields", nargs="*", metavar="field=value", help="settings of the cell")
    parser.add_argument("--inputs", type=int, default=8, help="features of one input (8)")
    parser.add_argument("--batch", type=int, default=32, help="sequences at once (32)")
    parser.add_argument("--time", type=int, default=100, help="with tune: steps of a sequence (100)")
    parser.add_argument("--counts", type=Path, metavar="FILE", help="write what the loops of all cells do, and stop")
    options = parser.parse_intermixed_args()
    if options.counts:
        write_counts(options.counts)
        return
    tuning = options.cell == "tune"
    if tuning:
        options.cell, options.fields = next(iter(options.fields), None), options.fields[1:]
    if options.cell is None:
        parser.error("name a cell")
    for name in ("inputs", "batch", "time"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}: it must be a whole number of at least 1")
    try:
        cell = cells.create(options.cell, **dict(map(_field, options.fields)))
        if tuning:
            tune(cell, options.batch, options.time, options.inputs)
            return
        params = jax.eval_shape(lambda: cell.init(jax.random.key(0), options.inputs))
        print(report(cell, params, options.inputs, options.batch))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def tune(cell: cells.Cell, batch: int, time: int, inputs: int) -> None:
    """Time the layouts of a cell's loop, print them, and keep the fastest in the user's cache folder."""
    seconds = measured(cell, batch, time, inputs)
    for name, (_, taken) in seconds.items():
        print(f"{1e3 * taken:10.3f} ms  {name}")
    best = min(seconds, key=lambda name: seconds[name][1])
    file = layouts.keep(entry(cell, batch, time, inputs, seconds[best][0]))
    print(f"{best!r} is kept in {file}, for method.layout=tuned")


def write_counts(path: Path) -> None:
    """Write the counts of every cell, one per line, with the version of JAX that they were counted with."""
    entries = {"jax": jax.__version__} | {name: pinned(name) for name in cells.names()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    path.write_text(f"{{\n{lines}\n}}\n")


def _field(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{text!r} is not a setting: write field=value, such as hidden=128")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


if __name__ == "__main__":
    leave(main)
