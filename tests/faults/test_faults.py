"""Faults of the disk as SQLite tests them: the nth call of the system fails, for every n, and nothing is lost.

`faults.c` is compiled and loaded before everything else in processes that give one command again and again
(`driver.py`): a sweep of two runs with plan, claims, layouts, logs, measurements, checkpoints and records. A command
that met a fault must say so in one sentence, or have got by; the same command then ends with the bytes of one that met
none. `FAULTS_EVERY=n` takes every nth case alone.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import ROOT, SIZES, contents

pytestmark = pytest.mark.faults

HERE = Path(__file__).parent
EVERY = int(os.environ.get("FAULTS_EVERY", "1"))
SIZE = ["-m", *SIZES, "population.seeds=1"]  # of two names the last counts
SIZE += ["callbacks.checkpoint.seconds=0", "callbacks.status.seconds=0"]
LINE = [*SIZE, "task.length=4,5", "callbacks.diagnostics.names=[gradient_flow]"]
OTHERS = {  # what else goes on from checkpoints: members that a protocol chooses and stops, streams of data, schedules
    "halved": [*SIZE, "protocol=tuned", "protocol.seeds=1", "protocol.halving=[0.5]", "optimizer.schedule=cosine",
               "protocol.axes.optimizer.learning_rate=[1e-3,1e-1]"],
    "streamed": [*SIZE, "task=listops", "task.length=20", "task.shortest=5", "task.expressions=13",
                 "optimizer.schedule=linear"],
}  # fmt: skip
WRITING = ("open", "write", "rename", "fsync", "mkdir", "link")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The compiled library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the library that makes calls fail cannot be built")
    path = tmp_path_factory.mktemp("library") / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", path, HERE / "faults.c", "-ldl"], check=True)
    return path


class Process:
    """A `driver.py` whose calls on files below a folder can be made to fail."""

    def __init__(self, library, root, line, planted=""):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "LD_PRELOAD": str(library)}
        environment |= {"FAULTS_ROOT": str(root), "FAULTS_PLANTED": planted}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py"), *line],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=root,
        )  # fmt: skip

    def begin(self, folder, **fault):
        """Give the command."""
        self.process.stdin.write(json.dumps({"folder": str(folder)} | fault) + "\n")
        self.process.stdin.flush()

    def end(self):
        """What it said and counted."""
        line = self.process.stdout.readline()
        assert line, "the process has died"
        return json.loads(line)

    def run(self, folder, **fault):
        """Give the command and wait for its end."""
        self.begin(folder, **fault)
        return self.end()


class Bench:
    """Processes of one command, what it leaves when nothing disturbs it, and the cases that were tried on it."""

    def __init__(self, library, root, processes=1, line=LINE, planted=""):
        self.root, self.number, self.injected, self.failures = root, 0, 0, []
        self.processes = [Process(library, root, line, planted) for _ in range(processes)]

    def begin(self):
        """Give the command where nothing disturbs it, to know its results and count its calls."""
        for process in self.processes:
            assert process.end() == "ready"
        for process in self.processes:  # the first one compiles
            self.straight = self.whole(process.run(self.folder()))
        process = self.processes[0]
        self.counted = process.run(self.folder())["counts"]
        assert process.run(self.folder())["counts"] == self.counted, "the same command makes the same calls"
        return self

    def folder(self):
        """A new folder."""
        self.number += 1
        self.case = self.root / f"case-{self.number}"
        return self.case

    def whole(self, result):
        """The results of a command that ended well."""
        assert result["status"] == 0 and not result["err"], result
        return results(self.case)

    def tried(self, what, first, last, must=True, wrongly=False):
        """Judge a case: the command that met a fault, and the one after it."""
        reached = first["injected"] == 1
        self.injected += reached
        if must and not reached:
            self.failures.append((what, "the fault was not reached", first))
        elif "dead" not in what and not told(first):
            self.failures.append((what, "it was not told in a sentence", first))
        elif wrongly:
            self.failures.append((what, "it was said to have gone well, and had not", first))
        elif last["status"] != 0 or "Traceback" in last["err"]:
            self.failures.append((what, "the same command does not end well", last))
        elif results(self.case) != self.straight:
            wrong = [name for name, value in self.straight.items() if results(self.case).get(name) != value]
            self.failures.append((what, f"other results in {wrong or 'what is too much'}", last))
        shutil.rmtree(self.case)
        return reached

    def close(self):
        """End the processes."""
        for process in self.processes:
            process.process.stdin.close()
            process.process.wait(60)
            process.process.stdout.close()


def told(result):
    """True if a command got by, or said one sentence per run that failed and how it ended."""
    lines = result["err"].splitlines()
    return result["status"] == 0 or (result["status"] == 2 and "Traceback" not in result["err"] and len(lines) <= 6)


def results(folder):
    """Every file of every run, but for times, plans and what was begun beside them."""
    return {
        f"{run.name}/{name}": content
        for run in sorted((folder / "default").glob("[!.]*-*"))
        for name, content in contents(run).items()
        if not Path(name).name.startswith(".")
    }


def bury(folder):
    """Let the holder of every claim be a process that has ended: that is what a killed one leaves."""
    for path in folder.rglob("claim.lock"):
        ended = subprocess.Popen(["true"])
        ended.wait()
        path.write_text(json.dumps(json.loads(path.read_text()) | {"process": ended.pid}))


def cut_power(trace):
    """Take the second half from every file that had not been synced when the process died; how many there were."""
    dirty = {}
    for line in Path(trace).read_text().splitlines():
        what, first, second = line.split("\t")
        if what == "write":
            dirty[first] = True
        elif what == "rename" and first in dirty:
            dirty[second] = dirty.pop(first)
        else:
            dirty.pop(first, None)
    for name in dirty:
        path = Path(name)
        if path.exists() and not path.name.startswith("claim.lock"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return len(dirty)


def report(capsys, bench, cases):
    """Print the figures of a suite, and fail with its failures."""
    with capsys.disabled():
        print(f"\n{cases} cases, {bench.injected} faults injected; calls of the command: {bench.counted}")
    assert bench.failures == [], f"{len(bench.failures)} of {cases} cases failed, the first one: {bench.failures[0]}"


@pytest.fixture
def bench(library, tmp_path):
    made = []

    def make(*arguments, **options):
        made.append(Bench(library, tmp_path, *arguments, **options))
        return made[-1].begin()

    yield make
    for each in made:
        each.close()


def single(bench, kind, error, mode, every=EVERY):
    """Every nth call of a kind fails, one after the other; the number of cases."""
    (process,) = bench.processes
    places = range(1, bench.counted[kind] + 1, every)
    for n in places:
        folder = bench.folder()
        first = process.run(folder, kind=kind, nth=n, error=error, mode=mode)
        wrongly = first["status"] == 0 and results(folder) != bench.straight
        bury(folder)  # a claim that could not be given back; the process that made it would have ended
        bench.tried((kind, n, errno.errorcode[error], mode), first, process.run(folder), wrongly=wrongly)
    return len(places)


@pytest.mark.parametrize("kind", [*WRITING, "read"])
def test_any_call_may_fail(kind, bench, capsys):
    bench, cases = bench(), 0
    for error in (errno.EIO, errno.ENOSPC) if kind in WRITING else (errno.EIO,):
        cases += single(bench, kind, error, "fail")
    assert bench.injected == cases == (2 if kind in WRITING else 1) * len(range(0, bench.counted[kind], EVERY))
    report(capsys, bench, cases)


def test_a_disk_may_be_full_from_any_write_on(bench, capsys):
    bench = bench()
    report(capsys, bench, single(bench, "write", errno.ENOSPC, "ever"))


@pytest.mark.parametrize("mode", ["torn", "short"])
def test_any_write_may_be_torn(mode, bench, capsys):
    bench = bench()
    report(capsys, bench, single(bench, "write", errno.EIO, mode))


def dead(bench, power, every=EVERY):
    """A process dies in any of its calls; with `power` what was not synced is lost, too."""
    (process,) = bench.processes
    places, lost = range(1, bench.counted["any"] + 1, every), 0
    trace = bench.root / "trace"
    for n in places:
        folder = bench.folder()
        first = process.run(folder, kind="any", nth=n, mode="dead", trace=str(trace))
        bury(folder)
        lost += cut_power(trace) if power else 0
        bench.tried(("any", n, "dead"), first, process.run(folder))
    assert lost > 0 or not power
    return len(places)


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
def test_a_process_may_die_in_any_call(power, bench, capsys):
    bench = bench()
    report(capsys, bench, dead(bench, power))


@pytest.mark.parametrize("line", OTHERS.values(), ids=OTHERS)
def test_a_process_may_die_wherever_members_are_chosen_or_data_streamed(line, bench, capsys):
    bench = bench(line=line)
    report(capsys, bench, dead(bench, power=True, every=3 * EVERY))


@pytest.mark.parametrize("kind", WRITING)
def test_of_two_processes_one_may_fail_in_any_call(kind, bench, capsys):
    """Both end, the other one well, whoever came first; where it had taken the run away, the case is tried again."""
    bench, cases = bench(processes=2), 0
    one, other = bench.processes
    for n in range(1, bench.counted[kind] + 1, EVERY):
        for delay in (0, 0.05, 0.2, None):  # None: the other one begins when the first has failed
            folder = bench.folder()
            one.begin(folder, kind=kind, nth=n, error=errno.EIO)
            if delay is not None:
                time.sleep(delay)
                other.begin(folder)
            first = one.end()
            if delay is None:
                other.begin(folder)
            second = other.end()
            cases += 1
            if second["status"] != 0 or second["err"]:
                bench.failures.append(((kind, n, delay), "the other process was disturbed", second))
            if bench.tried((kind, n, delay), first, one.run(folder), must=delay is None):
                break
    assert bench.injected == len(range(0, bench.counted[kind], EVERY))
    report(capsys, bench, cases)


@pytest.mark.parametrize("planted", ["not atomic", "errors passed over", "not synced"])
def test_the_cases_find_a_planted_bug(planted, bench):
    bench = bench(planted=planted)
    if planted == "not synced":
        dead(bench, power=True, every=7)
    else:
        single(bench, "write", errno.EIO, "torn" if planted == "not atomic" else "fail", every=1)
    assert bench.failures
