"""Small experiments that tests share: the same program is compiled once, so keep to the sizes that are here."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from gru_lab import Experiment, cells, tasks
from gru_lab import run as run_experiment
from gru_lab.commandline import main, train
from gru_lab.runs import Record
from gru_lab.schema import build
from gru_lab.training import Population, Training, optimizers
from gru_lab.training.callbacks import Callback, Listener

ROOT = Path(__file__).parents[1]
TRAINING = {"updates": 4, "evaluate_every": 2, "batch": 4, "validation": 8, "test": 8, "chunk": 8}
SIZES = [f"training.{name}={value}" for name, value in TRAINING.items()]
SIZES += ["cell=rnn", "cell.hidden=3", "task.length=4", "population.seeds=2", "population.placement=map"]

CELL = '''
from dataclasses import dataclass
import jax.numpy as jnp
from gru_lab.cells import Cell

@dataclass(frozen=True)
class Minimal(Cell):
    """h' = tanh(x W + rate h)"""
    rate: float = 0.5

    def init(self, key, inputs):
        return {"W": jnp.ones((inputs, self.hidden)) / 9}

    def step(self, params, h, x):
        return jnp.tanh(x @ params["W"] + self.rate * h)
'''


def experiment(cell="rnn", task=None, seeds=2, first_seed=0, placement="map", axes=None, role="report", **options):
    """`rnn` on `adding`, two seeds one after the other; other options are fields of training or of the experiment."""
    sizes = TRAINING | {name: options.pop(name) for name in [*options] if hasattr(Training(), name)}
    return Experiment(
        cells.create(cell, hidden=3) if isinstance(cell, str) else cell,
        task or tasks.create("adding", length=4),
        training=build(Training, sizes),
        population=Population(seeds=seeds, first_seed=first_seed, placement=placement, axes=axes or {}, role=role),
        **options,
    )


def adam(**fields):
    """Adam with some fields."""
    return optimizers.create("adam", **fields)


def run(ours, sweep, callbacks=(), **options):
    """`gru_lab.run` that says nothing."""
    return run_experiment(ours, sweep, callbacks, say=options.pop("say", lambda sentence: None), **options)


def trained(result):
    """The names of the members that were trained just now."""
    return [member.name for member in result.trained]


def numbers(record):
    """What a record holds, without what the clock and the machine decide."""
    content = json.loads((record.folder / "record.json").read_text())
    return {name: value for name, value in content.items() if name not in ("timing", "checksum", "device")}


def contents(folder):
    """Every file under a folder by name: its bytes, of records what `numbers` gives; not what was moved aside."""
    return {
        str(path.relative_to(folder)): numbers(Record.load(path)) if path.name == "record.json" else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "old-" not in str(path.relative_to(folder))
    }


def command(*arguments):
    """`experiments/train.py` with arguments, in this process; its exit status."""
    return main("train", train, "", [*SIZES, *arguments])


def python(source, *arguments, folder):
    """Another process that runs some source; not waited for."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", source, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )


class Killed(BaseException):
    """What no program catches, as SIGKILL."""


def stopper(at_place, moment, error, count=1):
    """A callback that stops the program at a moment, after or before those of other places."""

    class Stops(Listener):
        def stop(self, now, calls=[0]):  # noqa: B006 (of this class alone)
            calls[0] += now == moment
            if now == moment and calls[0] == count:
                raise error

        begin = lambda self: self.stop("begin")  # noqa: E731
        evaluated = lambda self: self.stop("evaluated")  # noqa: E731
        finish = lambda self: self.stop("finish")  # noqa: E731

    @dataclasses.dataclass(frozen=True)
    class Stopper(Callback):
        place = at_place

        def listen(self, work):
            return Stops(work)

    return Stopper()
