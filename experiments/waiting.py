"""What share of an update does the core wait for data?

Of each task an update of a GRU is timed as training runs it, data included, and so is the making of its batches alone:
sampled or drawn from memory in a compiled loop, or streamed by the host. Both take turns, round after round; the share
is that of the fastest rounds. Making the batches alone adds up all their numbers, so that nothing of it is left out:
the share is rather too large than too small.

    python experiments/waiting.py                               three sets of real data: about five minutes
    python experiments/waiting.py --tasks adding copy parity    the sampling of synthetic tasks
    python experiments/waiting.py --tasks synthetic --out waiting.md

It prints a table, which --out also writes to a file, and ends with status 1 if a share is above --most.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gru_lab import Experiment, cells, tasks
from gru_lab.commandline import guarded
from gru_lab.data import Sampled, in_chunks
from gru_lab.exits import leave
from gru_lab.reports.blocks import Table
from gru_lab.reports.markdown import markdown
from gru_lab.training import Training
from gru_lab.training.train import make_program

TASKS = ["seq_mnist", "jsb_chorales", "imdb_reviews"]
HELD_OUT = 2  # sequences of the evaluation that ends a timed step


class Share(NamedTuple):
    """Seconds of one update and of its data, by the fastest rounds."""

    task: str
    kind: str
    update: float
    data: float

    @property
    def share(self) -> float:
        """The share of the update in which nothing but data is made."""
        return self.data / self.update


def measured(name: str, hidden: int, batch: int, updates: int, rounds: int) -> Share:
    """The share of one task."""
    task = tasks.create(name)
    training = Training(updates=updates, evaluate_every=updates, batch=batch, validation=HELD_OUT)
    experiment = Experiment(cells.create("gru", hidden=hidden), task, training=training)
    program = make_program(experiment)
    source = program.source
    few = jax.tree.map(lambda leaf: leaf[:HELD_OUT], source.holdout("validation", HELD_OUT))
    data = {"train": source.arrays(), "validation": in_chunks(few, HELD_OUT, np.asarray(task.weights(few)))}
    data = jax.device_put(data)
    state = program.init(jax.random.key(0), experiment.hyper)
    advance = jax.jit(program.advance)

    def stream(turn: int) -> Any:
        return source.take(0, turn * updates, updates, batch) if source.streamed else None

    def draw(turn: int) -> Any:
        return stream(turn) if source.streamed else drawn(data["train"], turn)

    @jax.jit
    def drawn(arrays: Any, turn: int) -> Any:
        def body(n: Any, total: Any) -> Any:
            update = turn * updates + n
            made = source.draw(arrays, jax.random.fold_in(jax.random.key(0), update), batch, update)
            return total + sum(jnp.sum(leaf, dtype=float) for leaf in jax.tree.leaves(made))

        return lax.fori_loop(0, updates, body, jnp.zeros(()))

    def train(turn: int) -> Any:
        return advance(state, data, stream(turn))

    seconds = {train: [], draw: []}
    for turn in range(rounds + 1):
        for run, each in seconds.items():
            each.append(timed(run, turn))
    update, alone = (min(each[1:]) / updates for each in seconds.values())
    kind = "streamed" if source.streamed else "sampled" if isinstance(source, Sampled) else "in memory"
    return Share(name, kind, update, alone)


def timed(run: Callable[[int], Any], turn: int) -> float:
    """The seconds of one call."""
    start = time.perf_counter()
    jax.block_until_ready(run(turn))
    return time.perf_counter() - start


def synthetic() -> list[str]:
    """The tasks that are sampled on the device."""
    return [name for name in tasks.names() if tasks.get(name).sample is not tasks.Task.sample]


def measure(options: argparse.Namespace) -> list[Share]:
    """Measure what the command line asks for."""
    names = synthetic() if options.tasks == ["synthetic"] else options.tasks
    for name in names:
        tasks.get(name)
    shares = []
    for name in names:
        shares.append(measured(name, options.hidden, options.batch, options.updates, options.rounds))
        each = shares[-1]
        print(f"{name}: {each.share:.1%} of {1e3 * each.update:.2f} ms", file=sys.stderr, flush=True)
    rows = [[s.task, s.kind, f"{1e3 * s.update:.2f}", f"{1e6 * s.data:.0f}", f"{s.share:.2%}"] for s in shares]
    table = markdown([Table(("task", "data", "ms per update", "us of data", "share"), rows)])
    print(table, end="")
    if options.out:
        options.out.write_text(table)
    return shares


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=TASKS, help="names of tasks, or `synthetic` for all sampled ones")
    parser.add_argument("--hidden", type=int, default=128, help="units of the GRU (128)")
    parser.add_argument("--batch", type=int, default=32, help="sequences per update (32)")
    parser.add_argument("--updates", type=int, default=20, help="updates per round (20)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after the first, which compiles (3)")
    parser.add_argument("--most", type=float, default=0.05, help="the share that is allowed (0.05)")
    parser.add_argument("--out", type=Path, help="a file for the table")
    options, shares = parser.parse_args(), []
    return guarded(lambda: shares.extend(measure(options))) or int(any(each.share > options.most for each in shares))


if __name__ == "__main__":
    leave(main)
