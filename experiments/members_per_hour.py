"""How many members per hour does one population train, against as many processes and against plain PyTorch?

    python experiments/members_per_hour.py                    40 members (10 seeds x 4 rates), 400 updates each
    python experiments/members_per_hour.py --quick            4 members, 20 updates: a minute or two
    python experiments/members_per_hour.py --contenders population processes

Every member is a GRU of 64 units on the adding problem of 100 steps. The contenders, one after the other, each from a
cold start and with its own empty compile cache:

    population    one process trains all members as one population
    processes     one process per member, so many at a time as there are cores, one core each
    torch         a plain PyTorch script per member with one thread, as many at a time; left out where it is missing

All members have as many updates of batches of one size, validate as often, and none stops early. It prints a table, and
writes members_per_hour.csv to --out.
"""

import argparse
import csv
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from gru_lab.exits import leave

RATES = (3e-4, 1e-3, 3e-3, 1e-2)
LENGTH, HIDDEN, BATCH, VALIDATION = 100, 64, 32, 500
COLUMNS = ["contender", "members", "updates", "seconds", "members_per_hour", "ratio"]
TORCH = """
import sys
import torch

seed, rate, updates, every, length, hidden, batch, validation = (float(part) for part in sys.argv[1:])
torch.set_num_threads(1)
torch.manual_seed(int(seed))

def sample(n):
    values, marks = torch.rand(n, int(length)), torch.zeros(n, int(length))
    half, rows = int(length) // 2, torch.arange(n)
    marks[rows, torch.randint(half, (n,))] = 1
    marks[rows, half + torch.randint(int(length) - half, (n,))] = 1
    return torch.stack([values, marks], 2), (values * marks).sum(1)

layer, readout = torch.nn.GRU(2, int(hidden), batch_first=True), torch.nn.Linear(int(hidden), 1)
optimizer = torch.optim.Adam([*layer.parameters(), *readout.parameters()], rate)
held_out, wanted = sample(int(validation))
for n in range(int(updates)):
    inputs, targets = sample(int(batch))
    loss = torch.mean((readout(layer(inputs)[0][:, -1])[:, 0] - targets) ** 2)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if (n + 1) % int(every) == 0:
        with torch.no_grad():
            score = torch.mean((readout(layer(held_out)[0][:, -1])[:, 0] - wanted) ** 2)
print(float(score))
"""
Commands = list[list[str]]


def population(seeds: int, rates: Sequence[float], updates: int, folder: Path) -> Commands:
    """One process for all members."""
    axes = f"population.axes={{optimizer.learning_rate:[{','.join(map(str, rates))}]}}"
    return [[*_train(updates, folder), f"population.seeds={seeds}", axes]]


def processes(seeds: int, rates: Sequence[float], updates: int, folder: Path) -> Commands:
    """One process per member."""
    return [
        [
            *_train(updates, folder / f"{seed}-{rate}"),
            *("population.seeds=1", f"population.first_seed={seed}", "population.placement=map"),
            f"optimizer.learning_rate={rate}",
        ]
        for seed, rate in itertools.product(range(seeds), rates)
    ]


def torch(seeds: int, rates: Sequence[float], updates: int, folder: Path) -> Commands:
    """A plain PyTorch script per member."""
    numbers = [updates, _every(updates), LENGTH, HIDDEN, BATCH, VALIDATION]
    return [
        [sys.executable, "-c", TORCH, *map(str, [seed, rate, *numbers])]
        for seed, rate in itertools.product(range(seeds), rates)
    ]


CONTENDERS: dict[str, Callable[[int, Sequence[float], int, Path], Commands]] = {
    "population": population,
    "processes": processes,
    "torch": torch,
}


def _every(updates: int) -> int:
    return max(1, updates // 4)


def _train(updates: int, folder: Path) -> list[str]:
    """The command line of training, up to the members."""
    return [
        *(sys.executable, str(Path(__file__).with_name("train.py")), "cell=gru", f"cell.hidden={HIDDEN}"),
        *("task=adding", f"task.length={LENGTH}", f"training.updates={updates}", f"training.batch={BATCH}"),
        *(f"training.evaluate_every={_every(updates)}", f"training.validation={VALIDATION}"),
        *(f"training.test={VALIDATION}", "training.stop_when_solved=false", f"paths.runs={folder}"),
    ]


def measure(commands: Commands, at_once: int, cache: Path) -> float:
    """Seconds until all commands are done, so many at a time; one that fails ends the program with what it wrote."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": "", "XDG_CACHE_HOME": str(cache)}
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    free = list(range(at_once))

    def run(command: list[str]) -> None:
        place = free.pop()
        pinned = shutil.which("taskset") if at_once > 1 and len(cores) >= at_once else None
        prefix = [pinned, "-c", str(cores[place])] if pinned else []
        done = subprocess.run([*prefix, *command], capture_output=True, text=True, env=environment, check=False)
        free.append(place)
        if done.returncode:
            raise SystemExit(f"{' '.join(command[:3])} ... ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, commands))
    return time.perf_counter() - started


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="seeds of every rate (10)")
    parser.add_argument("--updates", type=int, default=400, help="updates of a member (400)")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="processes at a time (all cores)")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--quick", action="store_true", help="2 seeds, 2 rates, 20 updates")
    parser.add_argument("--out", type=Path, default=Path("members_per_hour"), help="folder of members_per_hour.csv")
    options = parser.parse_args()
    for name in ("seeds", "updates", "cores"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}: it must be a whole number of at least 1")
    seeds, rates, updates = (2, RATES[1:3], 20) if options.quick else (options.seeds, RATES, options.updates)
    count = seeds * len(rates)
    seconds: dict[str, float] = {}
    for name in options.contenders:
        if name == "torch" and find_spec("torch") is None:
            print("  (torch is left out: it is not installed)", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            commands = CONTENDERS[name](seeds, rates, updates, Path(folder) / "runs")
            at_once = min(options.cores, len(commands))
            seconds[name] = measure(commands, at_once, Path(folder) / "cache")
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "members_per_hour.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for name, taken in seconds.items():
            ratio = round(taken / seconds["population"], 2) if "population" in seconds else ""
            row = [name, count, updates, round(taken, 2), round(3600 * count / taken), ratio]
            table.writerow(dict(zip(COLUMNS, row, strict=True)))
            print(f"{name:12s} {count} members x {updates} updates: {taken:8.1f} s, {row[4]} members per hour, {ratio}")


if __name__ == "__main__":
    leave(main)
