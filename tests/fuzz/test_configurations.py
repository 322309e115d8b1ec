"""Random command lines through composing, checking and a tiny run: one sentence, or records that hold together.

Fields and values follow the annotations of every class that is registered: a new one is tried without an edit here.
"""

import dataclasses
import itertools
import os
import shutil
import tempfile
import types
import typing
import warnings
from collections import Counter
from pathlib import Path

import jax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import one_sentence
from tiny import run, trained

from gru_lab import UserError, tasks
from gru_lab.composition import compose
from gru_lab.config import FAMILIES
from gru_lab.data import Sampled
from gru_lab.schema import _hints
from gru_lab.training import Population, Training

pytestmark = pytest.mark.fuzz

EXAMPLES = int(os.environ.get("EXAMPLES", "100"))
SMALL = {"training.updates": 2, "training.evaluate_every": 1, "training.batch": 4, "training.validation": 6,
         "training.test": 6, "population.seeds": 2}  # fmt: skip
HUGE = [0, -1, 1, 2, 7, 1000, 2**31 - 1, 2**31, 2**63, 10**30]
GROUPS = ("task", "model", "method", "optimizer", "remedy", "protocol")
NAMES = {group: FAMILIES[group].names() for group in (*GROUPS, "cell")}
NAMES["task"] = tuple(n for n in tasks.names() if type(getattr(tasks.get(n), "source", None)) is types.FunctionType
                      and tasks.get(n).sample is not tasks.Task.sample)  # fmt: skip
TOLD = Counter()


def values(hint, whole):
    """Values for an annotation, some of them wrong; with `whole` numbers of any size."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return values(args[0], whole)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(arg, whole) for arg in args])
    if origin is typing.Literal:
        return st.sampled_from([*args, args[0]])
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.sampled_from(HUGE) if whole else st.integers(1, 6)
    if hint is float:
        wide = st.sampled_from([-1.0, 0.0, 1e-300, 1e300, 1.0])
        return st.one_of(wide, st.floats(1e-4, 1.0)) if whole else st.floats(1e-4, 0.9)
    if hint is type(None) or hint is None:
        return st.none()
    if origin is tuple:
        return st.lists(values(args[0], whole), max_size=3)
    return st.sampled_from(["x", 1, None, []]) if whole else st.none()


def said(value):
    """A value on a command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    return f"[{','.join(map(said, value))}]" if isinstance(value, list) else str(value)


@st.composite
def lines(draw, whole):
    """A command line of some choices and fields."""
    chosen = {group: draw(st.sampled_from(NAMES[group])) for group in GROUPS if draw(st.integers(0, 2)) == 0}
    chosen.setdefault("task", draw(st.sampled_from(NAMES["task"])))
    needs = FAMILIES["model"].get(chosen.get("model", "recurrent")).needs_cell
    chosen["cell"] = draw(st.sampled_from(NAMES["cell"])) if needs or draw(st.integers(0, 9)) == 0 else "null"
    fields = dict(SMALL)
    classes = {group: FAMILIES[group].get(name) for group, name in chosen.items() if name != "null"}
    for group, cls in itertools.chain(classes.items(), [("training", Training), ("population", Population)]):
        named = [field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")]
        hints = {name: hint for name in named if typing.get_origin(hint := _hints(cls)[name]) is not dict}
        for name, hint in hints.items():
            if draw(st.integers(0, 5)) == 0 and (whole or f"{group}.{name}" not in SMALL):
                fields[f"{group}.{name}"] = draw(values(hint, whole))
    if not whole:
        fields |= {"cell.hidden": draw(st.integers(1, 5))} if chosen["cell"] != "null" else {}
        fields.pop("population.placement", None)
        if "length" in _hints(classes["task"]):
            fields["task.length"] = draw(st.integers(2, 24))
    line = [f"{group}={name}" for group, name in chosen.items()]
    return line + [f"{path}={said(value)}" for path, value in fields.items()]


def composed(line, folder):
    """The jobs of a line; None where it is refused, in one sentence."""
    try:
        return compose("train", [*line, f"paths.runs={folder}"])
    except UserError as error:
        one_sentence(error)
        TOLD["refused"] += 1
        return None


def tried(examples, whole, action, capsys):
    """Try an action on random lines, each in a folder of its own."""
    TOLD.clear()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(lines(whole))
    def each(line):
        folder = Path(tempfile.mkdtemp(prefix="gru-lab-fuzz-"))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                action(line, folder)
        finally:
            shutil.rmtree(folder)

    each()
    with capsys.disabled():
        print(f"\n{dict(TOLD)} of {examples} lines")


def test_a_random_line_is_composed_or_refused_in_one_sentence(capsys):
    def action(line, folder):
        if composed(line, folder) is not None:
            TOLD["composed"] += 1
        assert list(folder.iterdir()) == []

    tried(5 * EXAMPLES, True, action, capsys)


def test_a_random_configuration_trains_and_is_kept(capsys):
    def action(line, folder):
        jobs = composed(line, folder)
        if jobs is None:
            return
        (job,) = jobs
        try:
            result = run(job.experiment, job.folder)
        except UserError as error:
            one_sentence(error)
            TOLD["refused when it began"] += 1
            return
        TOLD["trained"] += 1
        TOLD["diverged"] += any(record.status == "diverged" for record in result.records)
        assert len(result.records) == len(job.experiment.members(result.selection.hyper))
        assert trained(run(job.experiment, job.folder)) == [], "a finished run is kept"
        if TOLD["trained"] % 20 == 0:
            jax.clear_caches()

    tried(EXAMPLES, False, action, capsys)


def test_sampled_tasks_alone_are_tried():
    assert len(NAMES["task"]) > 10 and all(isinstance(tasks.create(n).source(), Sampled) for n in NAMES["task"])


def test_a_planted_bug_is_found(monkeypatch, capsys):
    def careless(self):
        assert self.batch % self.accumulate == 0

    monkeypatch.setattr(Training, "check", careless)
    with pytest.raises((AssertionError, ExceptionGroup)):
        tried(100, True, composed, capsys)
