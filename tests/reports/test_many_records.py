"""Ten thousand records become a table in seconds: reading and layout must not grow faster than the records."""

import os
import time

import numpy as np
import pytest

from gru_lab.reports import render
from gru_lab.reports.report import begin
from gru_lab.runs import find_records


@pytest.mark.parametrize(
    ("runs", "seeds", "seconds"), [(50, 10, 1.5), pytest.param(100, 100, 5.0, marks=pytest.mark.slow)]
)
def test_many_records_become_a_table_in_time(run, tmp_path, monkeypatch, runs, seeds, seconds):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    rng = np.random.default_rng(0)
    for n in range(runs):
        run(f"cell_{n // 10}", f"task_{n % 10}", list(rng.random(seeds)))
    started = time.process_time()  # of this process alone: others share the machine
    found = find_records([tmp_path / "runs"])
    found, table = begin(found, reference=None, mixed=False, repetition=None)
    words = render.shown(table)
    taken = time.process_time() - started
    assert sum(len(group.members) for group in found.groups) == runs * seeds and not found.broken
    assert sum(len(row.cells) for row in words.rows) == runs
    assert taken < seconds, f"{runs * seeds} records took {taken:.2f} s"
