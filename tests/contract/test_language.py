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
FILLERS = {"one", "own", "found", "told", "thing", "things", "stuff", "it", "they", "this", "that", "these", "those"}
COUNTED = "one|two|three|nats|FLOPs|numbers|bytes|arrays|products?|layers?|matrix|matrices|bias|a (?:line|letter|curve)"
SHARED = "step|gate|unit|head|time step|iteration|entry|member|column|seed|network|figure|file"
DISTRIBUTED = rf"\b(?:{COUNTED}) an? (?:{SHARED})\b"

PUBLIC = {("reports/pages/page.py", "found")}  # `Material.found`, which pages of users read


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


def breaches(text, kept=frozenset()):
    """What a module says against the rules, in two lists: of its prose, and of its names, `kept` apart."""
    tree = ast.parse(text)
    prose = [
        f"line {line}: a docstring begins with {first[0]!r}"
        for line, docstring in docstrings(tree)
        if (first := re.match(r"\w+", docstring)) and (first[0] in QUESTIONS or docstring.split("\n")[0].endswith("?"))
    ]
    for number, line in enumerate(text.splitlines(), 1):
        prose += [f"line {number}: 'shall'"] * bool(re.search(r"\bshall\b", line, re.IGNORECASE))
        prose += [f"line {number}: {m[0]!r} must be with 'per'" for m in re.finditer(DISTRIBUTED, line)]
    given = [(line, name) for line, name in names(tree) if name.strip("_") in FILLERS and name not in kept]
    return prose, [f"line {line}: {name!r} is a filler" for line, name in given]


@pytest.mark.parametrize("module", MODULES)
def test_prose_and_names_keep_the_rules(module):
    prose, fillers = breaches(MODULES[module].read_text(), {name for path, name in PUBLIC if path == module})
    assert not prose + fillers, f"{module}: {'; '.join(prose + fillers)}"


def test_the_rules_see_what_they_forbid():
    prose, fillers = breaches('"""How it is done."""\n\none = 1  # two layers a step, as it shall be\n')
    assert len(prose) == 3 and len(fillers) == 1
