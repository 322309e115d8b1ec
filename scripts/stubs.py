"""Write the stubs from which an editor knows the classes of the families: `from gru_lab.cells import GRU`.

    python scripts/stubs.py            # after a class was added; tests/contract/test_public_face.py checks them

A package imports its classes when they are first asked for, so that a new class is one new file. A type checker cannot
follow that: it reads `__init__.pyi`, which this program writes.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "gru_lab/cells",
    "gru_lab/models",
    "gru_lab/tasks",
    "gru_lab/training/callbacks",
    "gru_lab/training/optimizers",
    "gru_lab/training/protocols",
    "gru_lab/training/remedies",
)


def stub(package: str) -> str:
    """The text of the stub of a package: what its `__init__.py` imports, and the registered classes of its modules."""
    lines = set()
    for node in ast.parse((ROOT / package / "__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names if alias.asname is None]
            lines |= {f"from {node.module} import {name} as {name}" for name in names}
    for path in (ROOT / package).glob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(registers(decorator) for decorator in node.decorator_list):
                lines.add(f"from {package.replace('/', '.')}.{path.stem} import {node.name} as {node.name}")
    return "\n".join(["# Made by scripts/stubs.py.", "", *sorted(lines, key=isorted), ""])


def isorted(line: str) -> tuple[str, int, str]:
    """The place of `from module import name as name` as ruff sorts imports: constants, classes, functions."""
    _, module, _, name, *_ = line.split()
    return module, 0 if name.isupper() else 1 if name[0].isupper() else 2, name


def registers(decorator: ast.expr) -> bool:
    """True if a decorator is `@register(name)`."""
    return isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "register"


def main() -> None:
    """Write every stub."""
    for package in PACKAGES:
        (ROOT / package / "__init__.pyi").write_text(stub(package))


if __name__ == "__main__":
    main()
