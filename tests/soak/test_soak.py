"""300 runs in one process: memory, open files and threads stay where they are after the first ones.

`SOAK_RUNS=100` makes fewer of them.
"""

import gc
import os
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny import experiment, run

from gru_lab.training.callbacks.checkpoint import Checkpoint
from gru_lab.training.callbacks.diagnostics import Diagnostics

pytestmark = pytest.mark.soak

RUNS = int(os.environ.get("SOAK_RUNS", "300"))
WARM = 0.2  # the share of the runs after which nothing may grow any more
GROWTH = 40_000  # bytes per run: a thousandth of what a program of this size takes


def resident():
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured():
    """Memory, open files and threads of this process, Python's and others'."""
    gc.collect()
    threads = len(list(Path("/proc/self/task").iterdir()))
    return resident(), len(os.listdir("/proc/self/fd")), threads, threading.active_count()


def soaked(folder, runs, also=lambda: None):
    """What is measured after each of so many runs: (runs, 4)."""
    callbacks, table = [Checkpoint(seconds=0), Diagnostics(names=("gradient_flow",))], []
    for n in range(runs):
        result = run(experiment(first_seed=2 * n), folder / str(n), callbacks)
        assert len(result.records) == 2
        also()
        jax.clear_caches()
        table.append(measured())
    return np.array(table, float)


def slope(table, warm=WARM):
    """Growth of each column per run once all is warm, by least squares."""
    late = table[int(len(table) * warm) :]
    return np.polyfit(np.arange(len(late)), late, 1)[0]


def test_nothing_grows_over_many_runs(tmp_path, capsys):
    table = soaked(tmp_path, RUNS)
    per_run = slope(table)
    with capsys.disabled():
        begin, end = table[int(RUNS * WARM)], table[-1]
        print(
            f"\n{RUNS} runs: memory {begin[0] / 1e6:.0f} MB after {int(RUNS * WARM)}, {end[0] / 1e6:.0f} MB "
            f"({per_run[0] / 1e3:+.1f} kB per run); open files {begin[1]:.0f}, {end[1]:.0f}; "
            f"threads {begin[2]:.0f}, {end[2]:.0f}"
        )
    assert per_run[0] < GROWTH and abs(per_run[1:]).max() < 0.02


@pytest.mark.parametrize("what", ["memory", "files", "threads"])
def test_a_planted_leak_is_seen(what, tmp_path):
    kept, stop = [], threading.Event()

    def leak():
        if what == "memory":
            kept.append(np.ones(250_000))  # 2 MB: more than the noise of few runs
        elif what == "files":
            kept.append(open(os.devnull))  # noqa: SIM115
        else:
            kept.append(threading.Thread(target=stop.wait, daemon=True))
            kept[-1].start()

    try:
        per_run = slope(soaked(tmp_path, 30, leak), warm=0.5)
    finally:
        stop.set()
        for each in kept:
            getattr(each, "close", lambda: None)()
    assert per_run[0] >= GROWTH if what == "memory" else per_run[1 if what == "files" else 2] > 0.5
