"""The card of a cell or of a task, and the lists of all."""

import argparse
import dataclasses
import functools
import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from gru_lab.schema import UserError

CELLS = """\
The card of a cell, and the list of all.

python -m gru_lab.cells                                     one line per cell
python -m gru_lab.cells gru --hidden 128 --inputs 64        one cell: equations, fields, costs, source
python -m gru_lab.cells lstm peephole=true                  a variant of it"""
TASKS = """\
The card of a task, and the list of all.

python -m gru_lab.tasks                        one line per task
python -m gru_lab.tasks copy                   one task: an example, fields, the best guess, what counts as solved
python -m gru_lab.tasks copy length=500        a variant of it"""

FIELD = re.compile(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", re.MULTILINE)  # in a docstring: a name, or several


def main(argv: Sequence[str] | None = None) -> int:
    """Print the list of cells, or the card of one; returns the exit status."""
    parser = argparse.ArgumentParser(
        "python -m gru_lab.cells", description=CELLS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cell", nargs="?", help="a name, or module:Class for a cell from outside; all if left out")
    parser.add_argument("fields", nargs="*", metavar="field=value", help="fields of the cell")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--inputs", type=int, default=64)
    asked = parser.parse_intermixed_args(argv)
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    try:
        if asked.inputs < 1:
            raise UserError(f"--inputs is {asked.inputs}: it must be a whole number of at least 1")
        if asked.cell is None:
            console.print(table(asked.hidden, asked.inputs))
        else:
            for line in card(asked.cell, asked.hidden, asked.inputs, asked.fields):
                console.print(line, markup=False, soft_wrap=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def main_of_tasks(argv: Sequence[str] | None = None) -> int:
    """Print the list of tasks, or the card of one; returns the exit status."""
    parser = argparse.ArgumentParser(
        "python -m gru_lab.tasks", description=TASKS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", nargs="?", help="a name, or module:Class for a task from outside; all if left out")
    parser.add_argument("fields", nargs="*", metavar="field=value", help="fields of the task")
    asked = parser.parse_intermixed_args(argv)
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    try:
        if asked.task is None:
            console.print(table_of_tasks())
        else:
            for line in card_of_task(asked.task, asked.fields):
                console.print(line, markup=False, soft_wrap=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def table_of_tasks() -> Any:
    """A table of one line per task."""
    from rich.table import Table

    from gru_lab import tasks

    out = Table(title="Tasks", title_justify="left")
    for column in ("task", "", "answers", "judged by", "data"):
        out.add_column(column)
    for name in tasks.names():
        cls = tasks.get(name)
        sampled = cls.sample is not tasks.Task.sample
        answers = f"{cls.answer}, {cls.readout} step"
        data = "sampled" if sampled else "real"
        out.add_row(name, document(cls)["summary"].rstrip("."), answers, f"{cls.metric}, {cls.better}", data)
    return out


def card_of_task(name: str, settings: Sequence[str]) -> Iterator[str]:
    """The lines of one task's card."""
    from gru_lab import tasks

    task = tasks.create(name, **given(settings, "length=500"))
    parts = document(type(task))
    yield f"{name}: {parts['summary']}\n"
    yield from (f"{parts[part]}\n" for part in ("equations", "story", "Source") if parts[part])
    yield "Fields"
    for field in dataclasses.fields(task):
        value, default = getattr(task, field.name), field.default
        changed = "" if value == default else f" (default {default!r})"
        about = parts["fields"].get(field.name, "")
        yield f"  {field.name} = {value!r}{changed}" + (f": {about}" if about else "")
    readout = "after the last step" if task.readout == "last" else "at every step"
    yield f"\nAnswers: {task.answer}, {readout}; judged by {task.metric}, {task.better} is better"
    yield from numbers(task)
    if task.ladder:
        yield f"Ladder of lengths: {', '.join(map(str, task.ladder))}"


def numbers(task: Any) -> Iterator[str]:
    """Sizes and scores; of data that are not at hand, the sentence that says where they come from."""
    try:
        inputs = "two rows of symbols" if task.paired else f"{task.inputs:,} {'symbols' if task.symbols else 'numbers'}"
        yield f"Inputs: {inputs}; outputs: {task.outputs:,}"
        for what, value in (
            ("best guess without memory", task.floor), ("perfect answer", task.ceiling), ("solved", task.threshold)
        ):  # fmt: skip
            if value is not None:
                yield f"{what.capitalize()}: {task.metric} {value:.4g}"
    except UserError as why:
        yield f"Its data are not at hand: {why}"


def given(settings: Sequence[str], such_as: str) -> dict[str, Any]:
    """Words such as `length=500` as fields."""
    fields = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"{setting!r} is not field=value, such as {such_as}")
        fields[key] = parsed(value)
    return fields


def table(hidden: int, inputs: int) -> Any:
    """A table of one line per cell, at one hidden size and number of inputs."""
    from rich.table import Table

    from gru_lab import cells
    from gru_lab.cells import budget

    out = Table(title=f"Cells at {inputs} inputs, hidden={hidden}", title_justify="left")
    for column, how in (("cell", "left"), ("", "left"), ("year", "left"), ("parameters", "right"), ("", "left")):
        out.add_column(column, justify=how)  # pyright: ignore[reportArgumentType]
    out.add_column("state", justify="right")
    out.add_column("FLOPs per step", justify="right")
    for name in cells.names():
        cls, parts = cells.get(name), document(cells.get(name))
        count = budget.cost(cells.create(name, hidden=hidden), inputs)
        year = re.search(r"(19|20)\d\d", parts["Source"])
        symbolic = budget.formula(lambda i, h, cls=cls: budget.cost(cls(hidden=h), i).parameters) or ""
        short = re.split(r"[:,]", parts["summary"])[0]
        row = (name, short, year[0] if year else "", f"{count.parameters:,}", symbolic)
        out.add_row(*row, f"{count.state:,}", f"{count.flops:,}")
    return out


def card(name: str, hidden: int, inputs: int, settings: Sequence[str]) -> Iterator[str]:
    """The lines of one cell's card."""
    from gru_lab import cells
    from gru_lab.cells import budget

    cell = cells.create(name, **({"hidden": hidden} | given(settings, "peephole=true")))
    parts = document(type(cell))
    yield f"{name}: {parts['summary']}\n"
    yield parts["equations"] + "\n"
    yield from (f"{parts[part]}\n" for part in ("story", "Shapes", "Source") if parts[part])
    yield f"Witness: {type(cell).witness}\n"
    yield "Fields"
    for field in dataclasses.fields(cell):
        value, default = getattr(cell, field.name), field.default
        changed = "" if value == default else f" (default {default!r})"
        yield f"  {field.name} = {value!r}{changed}: {parts['fields'].get(field.name, '')}"

    count = budget.cost(cell, inputs)
    symbolic = {measure: f"  = {text}" if text else "" for measure, text in polynomials(cell).items()}
    yield f"\nOne layer with I = {inputs} inputs and H = {cell.hidden}, without readout"
    yield f"  parameters {count.parameters:,}{symbolic['parameters']}"
    yield f"    in matrices {count.matrices:,}, in vectors {count.vectors:,}"
    yield f"  state {count.state:,} numbers{symbolic['state']}; the layer above sees {count.outputs:,}"
    yield f"  FLOPs per step and example {count.flops:,}{symbolic['flops']}"
    yield f"  time scales at initialisation: {time_scales(cell, inputs)}"
    yield "\nRuns with"
    yield from methods(dataclasses.replace(cell, hidden=min(cell.hidden, 8)))
    yield "\nConverts to"
    yield from conversions(cell)


def polynomials(cell: Any) -> dict[str, str | None]:
    """The cost of a layer in its inputs I and units H: parameters, state and flops; None where it is not a polynomial.

    >>> from gru_lab import cells
    >>> polynomials(cells.create("rnn"))["parameters"]
    'H^2 + H I + H'
    """
    from gru_lab.cells import budget

    counted = functools.cache(lambda i, h: budget.cost(dataclasses.replace(cell, hidden=h), i))
    measures = ("parameters", "state", "flops")
    return {measure: budget.formula(lambda i, h, m=measure: getattr(counted(i, h), m)) for measure in measures}


def document(cls: type) -> dict[str, Any]:
    """A cell's docstring in parts: summary, equations, story, Shapes, Source, fields."""
    text, fields = inspect.cleandoc(cls.__doc__ or ""), {}
    for base in reversed(cls.__mro__):
        _, _, attributes = inspect.cleandoc(base.__dict__.get("__doc__") or "").partition("Attributes:\n")
        for entry in FIELD.finditer(attributes):
            fields |= dict.fromkeys(entry[1].split(", "), " ".join(entry[2].split()))
    body = text.partition("\nAttributes:")[0].partition("\n>>> ")[0]
    summary, _, rest = body.partition("\n")
    equations = "\n".join(line for line in rest.split("\n") if line.startswith("    "))
    prose = "\n".join(line for line in rest.split("\n") if not line.startswith("    ")).strip()
    match = re.fullmatch(r"(?P<story>.*?)\s*(?P<Shapes>Shapes:.*?)?\s*(?P<Source>Source:.*)?", prose, re.DOTALL)
    parts = {key: " ".join((value or "").split()) for key, value in (match.groupdict() if match else {}).items()}
    return parts | {"summary": summary, "equations": equations, "fields": fields}


def time_scales(cell: Any, inputs: int) -> str:
    """Least, median and greatest 1 / (1 - retention) over the units, at the initial state and zero input."""
    import jax
    import numpy as np

    from gru_lab.cells.initializers import GatedCell

    if not isinstance(cell, GatedCell):
        return "no gate says"
    params = cell.init(jax.random.key(0), inputs)
    kept = cell.retention(params, cell.initial_state(params), jax.numpy.zeros(inputs))
    lost = np.maximum(1 - np.asarray(kept, np.float64), 1e-9)
    low, middle, high = (np.quantile(1 / lost, q) for q in (0, 0.5, 1))
    return f"{low:.3g} to {high:.3g} steps, median {middle:.3g} ({cell.gate_init})"


def methods(cell: Any) -> Iterator[str]:
    """The methods of the recurrence that accept the cell: each is asked to trace it."""
    import jax

    from gru_lab import recurrence

    shapes = jax.eval_shape(lambda key: cell.init(key, 2), jax.random.key(0))
    xs = jax.ShapeDtypeStruct((1, 4, 2), "float32")
    for name in recurrence.names():
        method = recurrence.create(name)
        try:
            jax.eval_shape(lambda p, x, method=method: recurrence.unroll(cell, p, x, method=method), shapes, xs)
            yield f"  {type(method).__name__}()"
        except UserError as why:
            yield f"  not with {type(method).__name__}(): {why}"


def conversions(cell: Any) -> Iterator[str]:
    """The frameworks that the cell's weights can be converted to, and the reasons against the others."""
    from gru_lab import convert

    known = sorted(convert.frameworks().items())
    refusals = {name: framework.refusal(cell) for name, framework in known if name != "gru_lab"}
    yield f"  {', '.join(name for name, why in refusals.items() if why is None) or 'none'}"
    if len(set(refusals.values())) == 1 and None not in refusals.values():
        yield f"  {next(iter(refusals.values()))}"
        return
    yield from (f"  not to {name}: {why}" for name, why in refusals.items() if why)


def parsed(value: str) -> Any:
    """true, 3, 0.5 and null as such; anything else as a name."""
    try:
        return json.loads(value)
    except ValueError:
        return value
