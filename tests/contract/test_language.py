"""The mechanical rules of the project's prose, over every module of gru_lab.

A docstring names the thing and does not ask a question; *must*, not *shall*; a variable is named for what it holds.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "gru_lab"
MODULES = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.py"))}
QUESTIONS = {"What", "How", "Which", "Whether", "Where", "When", "Who", "Whose", "Why", "Do", "Does", "Is", "Are"}
FILLERS = {"one", "own", "found", "told", "thing", "things", "stuff"}
COUNTED = "one|two|three|nats|FLOPs|numbers|bytes|arrays|products?|layers?|matrix|matrices|bias|a (?:line|letter|curve)"
SHARED = "step|gate|unit|head|time step|iteration|entry|member|column|seed|network|figure|file"
DISTRIBUTED = rf"\b(?:{COUNTED}) an? (?:{SHARED})\b"

# Not yet brought to these rules. Nothing is added here: a module that is clean leaves the list.
UNCLEAN: tuple[str, ...] = ()
UNCLEAN_NAMES = ("training/", "runs/", "outside.py", "launch.py", "reports/")


def docstrings(tree):
    """Every docstring with its line."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


def names(tree):
    """Every name that the module gives, with its line: variables, arguments, functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.lineno, node.name


def breaches(text):
    """What a module says against the rules, in two lists: of its prose, and of its names."""
    tree = ast.parse(text)
    prose = [
        f"line {line}: a docstring begins with {first[0]!r}"
        for line, docstring in docstrings(tree)
        if (first := re.match(r"\w+", docstring)) and (first[0] in QUESTIONS or docstring.split("\n")[0].endswith("?"))
    ]
    for number, line in enumerate(text.splitlines(), 1):
        prose += [f"line {number}: 'shall'"] * bool(re.search(r"\bshall\b", line, re.IGNORECASE))
        prose += [f"line {number}: {m[0]!r} must be with 'per'" for m in re.finditer(DISTRIBUTED, line)]
    return prose, [f"line {line}: {name!r} is a filler" for line, name in names(tree) if name.strip("_") in FILLERS]


@pytest.mark.parametrize("module", MODULES)
def test_prose_and_names_keep_the_rules(module):
    prose, fillers = breaches(MODULES[module].read_text())
    seen = ([] if module.startswith(UNCLEAN) else prose) + ([] if module.startswith(UNCLEAN_NAMES) else fillers)
    assert not seen, f"{module}: {'; '.join(seen)}"


@pytest.mark.parametrize(("unclean", "kind"), [(UNCLEAN, 0), (UNCLEAN_NAMES, 1)], ids=["prose", "names"])
def test_a_room_that_is_clean_leaves_the_list(unclean, kind):
    for room in unclean:
        known = [breaches(path.read_text()) for module, path in MODULES.items() if module.startswith(room)]
        assert any(both[kind] for both in known), f"{room} is clean: take it off the list"


def test_the_rules_see_what_they_forbid():
    prose, fillers = breaches('"""How it is done."""\n\none = 1  # two layers a step, as it shall be\n')
    assert len(prose) == 3 and len(fillers) == 1
