"""A process that gives one command again and again, each time with another fault; to be started with `faults.c` loaded.

It reads a line of JSON per command and answers with one. What pure functions give (traced and compiled programs, a
layout, a held-out set) is kept for the next command, so that thousands of cases are affordable: everything else of it
happens anew, from the plan of the sweep to the last record.
"""

import contextlib
import ctypes
import importlib
import io
import json
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path

from gru_lab.commandline import guarded, train
from gru_lab.composition import compose
from gru_lab.config import Paths
from gru_lab.launchers import launch

running = importlib.import_module("gru_lab.training.run")  # `gru_lab.training.run` is the function
working = importlib.import_module("gru_lab.training.work")
KINDS = ("open", "read", "write", "rename", "fsync", "mkdir", "link", "any")
MODES = ("fail", "torn", "short", "dead", "ever")


class Driver:
    """One command, and the library that makes its calls fail."""

    def __init__(self, line):
        self.library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        for name in ("faults_count", "faults_injected"):
            getattr(self.library, name).restype = ctypes.c_long
        self.library.faults_arm.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
        self.jobs = compose("train", line)
        self.programs, self.training = {}, running._Training
        running._Training = self._with_programs
        keep_pure()

    def _with_programs(self, experiment, *rest):
        return self.training(experiment, *rest, programs=self.programs.setdefault(experiment.identity, {}))

    def command(self, folder, kind="any", nth=0, error=5, mode="fail", trace=None):
        """Train the jobs in a folder; what was said and counted."""
        jobs = [replace(job, paths=Paths(runs=folder)) for job in self.jobs]
        said, errors, status = io.StringIO(), io.StringIO(), None
        self.library.faults_trace(trace.encode() if trace else None)
        self.library.faults_arm(KINDS.index(kind), nth, error, MODES.index(mode))
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
                status = guarded(lambda: launch(jobs, train))
        except BaseException:
            errors.write(traceback.format_exc())
        finally:
            self.library.faults_disarm()
            self.library.faults_trace(None)
        counts = {name: self.library.faults_count(n) for n, name in enumerate(KINDS)}
        return {
            "status": status,
            "out": said.getvalue(),
            "err": errors.getvalue(),
            "counts": counts,
            "injected": self.library.faults_injected(),
        }


def keep_pure():
    """Keep what pure functions of an experiment give: traced and lowered programs, layouts, held-out sets."""

    def kept(function):
        known = {}

        def call(first, *rest):
            key = (getattr(first, "identity", None) or first.experiment.identity, *rest)
            if key not in known:
                known[key] = function(first, *rest)
            return known[key]

        return call

    working.make_program, working.Work.holdout = kept(working.make_program), kept(working.Work.holdout)
    working.Work.drawing = kept(working.Work.drawing)
    running.layout_for, running.most_members = kept(running.layout_for), kept(running.most_members)
    beginning, begun = working.beginning, {}

    def once(program, members):
        key = (id(program), *(member.name for member in members))
        if key not in begun:
            begun[key] = beginning(program, members)
        return begun[key]

    working.beginning = once


def plant(name):
    """A bug, to see that the cases find it."""
    from gru_lab.runs import files, log, record, store

    if name == "not atomic":  # files are written in their place

        def write(path, content):
            Path(path).write_bytes(content.encode() if isinstance(content, str) else content)

        for module in (files, record, store, log, running):
            module.write_atomically = write
        sys.modules["gru_lab.runs.arrays"].write_atomically = write
    elif name == "errors passed over":  # a line that could not be written is taken for written
        append = log.Log.append

        def careless(self, line):
            with contextlib.suppress(OSError):
                append(self, line)

        log.Log.append = careless
    elif name == "not synced":
        os.fsync = lambda fd: None
    elif name:
        raise ValueError(name)


if __name__ == "__main__":
    plant(os.environ.get("FAULTS_PLANTED", ""))
    driver = Driver(sys.argv[1:])
    print(json.dumps("ready"), flush=True)
    for asked in sys.stdin:
        print(json.dumps(driver.command(**json.loads(asked))), flush=True)
