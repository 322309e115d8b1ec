"""The examples in the docstrings run, and print what they say."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples():
    """The modules whose docstrings have examples, and how many of their docstrings do."""
    for path in sorted((ROOT / "gru_lab").rglob("*.py")):
        nodes = [node for node in ast.walk(ast.parse(path.read_text()))
                 if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]  # fmt: skip
        if written := sum(">>>" in (ast.get_docstring(node) or "") for node in nodes):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield pytest.param(name, written, id=name)


@pytest.mark.parametrize(("name", "written"), tuple(examples()))
def test_the_examples_of_a_module_print_what_they_say(name, written):
    result = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    found = [test for test in doctest.DocTestFinder().find(importlib.import_module(name), name) if test.examples]
    for test in found:
        runner.run(test, out=result.append)
    assert len(found) == written, f"only {[test.name for test in found]} are seen by doctest"
    assert not result, "".join(result)


# A user meets these first: each has an example.
SHOWN = ("gru_lab", "gru_lab.cells", "gru_lab.tasks", "gru_lab.models", "gru_lab.recurrence", "gru_lab.convert")
ROOMS = ("gru_lab.recurrence", "gru_lab.diagnostics", "gru_lab.data.batch", "gru_lab.cells.budget")


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_of_these_rooms_has_an_example(room):
    module = importlib.import_module(room)
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    functions = [value for name in names if callable(value := getattr(module, name)) and not isinstance(value, type)]
    ours = [f for f in functions if f.__module__.startswith(room) and "Registry" not in f.__qualname__]
    lacking = [f.__name__ for f in ours if ">>>" not in (f.__doc__ or "")]
    assert ours and not lacking, f"an example is missing in {lacking}"


@pytest.mark.parametrize("name", SHOWN)
def test_every_room_opens_with_an_example(name):
    assert ">>>" in importlib.import_module(name).__doc__
