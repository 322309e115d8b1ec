"""Set the line numbers of the links in CONTRIBUTING.md to where their names are defined.

    python scripts/links.py            # after code moved; tests/contract/test_contributing.py checks them

A link is [`name`](path#L12): line 12 of the file defines the function or class `name`. The name of the file itself
stands for line 1.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "CONTRIBUTING.md"
LINK = re.compile(r"\[`(?P<name>[^`]+)`\]\((?P<path>[^)#]+)#L(?P<line>\d+)\)")


def line_of(name: str, path: str) -> int | None:
    """The line that defines a function or class; 1 for the name of the file; None if there is none of that name."""
    if not (ROOT / path).is_file():
        return None
    kinds = (ast.FunctionDef, ast.ClassDef)
    nodes = [node for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))) if isinstance(node, kinds)]
    defined = next((node.lineno for node in nodes if node.name == name), None)
    return defined or (1 if name == Path(path).stem else None)


def kept(text: str) -> str:
    """The page with the line of every link set; a link whose name is not defined stays as it is."""
    return LINK.sub(lambda m: f"[`{m['name']}`]({m['path']}#L{line_of(m['name'], m['path']) or m['line']})", text)


if __name__ == "__main__":
    PAGE.write_text(kept(PAGE.read_text("utf-8")))
