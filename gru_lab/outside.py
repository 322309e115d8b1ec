"""Classes from outside of GRU Lab: loaded by name, and known by the content of every file that they rest on.

A class of the user's own is part of a result's identity through its source: an edited file must never give back the
result of the file before. `sources` follows the imports of the class's module to every module of the user's own;
installed packages count by their version.
"""

import ast
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

from gru_lab.errors import UserError, nearest

HERE = Path(__file__).resolve().parent

_loaded: dict[str, dict[str, str]] = {}  # name of a module -> its sources when it was imported


def load(name: str, kind: str) -> Any:
    """The object that `module:Class` or `path/to/file.py:Class` names; a file edited since its import is read anew.

    Raises:
        UserError: if there is no such file, module or class, or if the file's name is that of another module.
    """
    where, _, attribute = name.rpartition(":")
    try:
        module = _of_file(Path(where), kind, name) if where.endswith(".py") else _imported(where)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's module raises when it is imported
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{kind} {name!r} cannot be imported: {said}") from None
    if not hasattr(module, attribute):
        known = [key for key, value in vars(module).items() if callable(value)]
        raise UserError(f"{kind} {name!r} is not in {where}.{nearest(attribute, known)}")
    return getattr(module, attribute)


def _of_file(path: Path, kind: str, name: str) -> ModuleType:
    """The module of a file, under the file's name; modules beside it can be imported from it."""
    path = path.expanduser().resolve()
    if not path.is_file():
        beside = [str(other.name) for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UserError(f"{kind} {name!r} cannot be loaded: there is no file {path}.{nearest(path.name, beside)}")
    if not path.stem.isidentifier():
        raise UserError(f"{kind} {name!r} cannot be loaded: {path.name} is not a name that Python can import")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.find_spec(path.stem)
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != path:
        known = sys.modules.get(path.stem)
        if spec is not None or known is not None:
            other = spec.origin if spec else getattr(known, "__file__", "this program")
            raise UserError(
                f"{kind} {name!r} cannot be loaded: {path.stem} is already the name of {other}; rename the file"
            )
    return _imported(path.stem)


def _imported(name: str) -> ModuleType:
    module = sys.modules.get(name)
    if module is not None and name in _loaded and files_of(module) != _loaded[name]:
        for stale in _loaded.pop(name):
            sys.modules.pop(stale, None)
        importlib.invalidate_caches()
    module = importlib.import_module(name)
    if is_outside(module):
        _loaded.setdefault(name, files_of(module))
    return module


def sources(cls: type) -> dict[str, str] | None:
    """The content (SHA-256) of every module of the user's own that a class rests on, by name; empty for ours.

    Installed packages that these modules import, or that the class comes from, stand beside them with their version.
    None for a class without a file, as in a notebook: what it rests on cannot be known.

    >>> sources(dict)
    {}
    """
    contents: dict[str, str] = {}
    for base in cls.__mro__:
        module, top = sys.modules.get(base.__module__), base.__module__.partition(".")[0]
        if top in ("gru_lab", *sys.stdlib_module_names):
            continue
        if module is None or not _file(module):
            return None
        contents |= files_of(module) | packages_of(module)
    return dict(sorted(contents.items()))


def location(cls: type) -> str | None:
    """The file of a class from outside; None for ours and for one without a file."""
    module = sys.modules.get(cls.__module__)
    return str(_file(module)) if module is not None and is_outside(module) and _file(module) else None


def loaded() -> dict[str, str]:
    """The files of all modules that classes from outside were loaded from, by their names."""
    files = {name: _file(sys.modules[name]) for name in _loaded if name in sys.modules}
    return {name: str(file) for name, file in files.items() if file}


def find_in(module: str, file: Path) -> None:
    """Let a module be imported from where its file was, as `package.module` from the folder of the package."""
    folder = file.parents[module.count(".") + (file.name == "__init__.py")]
    if folder.is_dir() and str(folder) not in sys.path:
        sys.path.append(str(folder))


def files_of(module: ModuleType) -> dict[str, str]:
    """The SHA-256 of a module's file, and of every module of the user's own that it imports, directly or not."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in _walk(module.__name__, _file(module))
        if path is not None and _is_users(path)
    }


def packages_of(module: ModuleType) -> dict[str, str]:
    """The installed packages that a module of the user's own imports, directly or not, with their versions."""
    distributions = packages_distributions()
    versions = {}
    for name, path in _walk(module.__name__, _file(module)):
        top = name.partition(".")[0]
        if not (path and _is_users(path)) and top != "gru_lab":
            versions |= {dist: version(dist) for dist in distributions.get(top, ())}
    return versions


def is_outside(module: ModuleType) -> bool:
    """True for a module that belongs neither to GRU Lab, nor to Python, nor to an installed package."""
    path = _file(module)
    return path is not None and _is_users(path)


def _file(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def _is_users(path: Path) -> bool:
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    system = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    return not installed and not any(path.is_relative_to(folder) for folder in (HERE, *system))


def _walk(name: str, path: Path | None) -> Iterator[tuple[str, Path | None]]:
    """A module and all that modules of the user's own import from it on, each with its file."""
    seen: dict[str, Path | None] = {}
    waiting: list[tuple[str, Path | None]] = [(name, path)]
    while waiting:
        name, path = waiting.pop()
        if name in seen:
            continue
        seen[name] = path
        yield name, path
        if path is not None and path.suffix == ".py" and _is_users(path):
            waiting += [(imported, _origin(imported)) for imported in _imports(name, path)]


def _imports(name: str, path: Path) -> Iterator[str]:
    """The modules that a file names in its import statements, wherever they stand in it."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(part for part in (*parent, base) if part)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for imported in names:
            parts = imported.split(".")
            yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _origin(name: str) -> Path | None:
    """The file of a module, imported or not; None where there is none of that name."""
    module = sys.modules.get(name)
    if module is not None:
        return _file(module)
    spec = _spec(name)
    return Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None


def _spec(name: str) -> ModuleSpec | None:
    """The place from which a module would be imported; nothing is imported, its packages neither."""
    parent = name.rpartition(".")[0]
    if not parent:
        return PathFinder.find_spec(name)
    known = sys.modules.get(parent)
    inside = known if known is not None else _spec(parent)
    folders = getattr(inside, "__path__", None) or getattr(inside, "submodule_search_locations", None)
    return PathFinder.find_spec(name, list(folders)) if folders else None


__all__ = ["find_in", "is_outside", "load", "loaded", "location", "sources"]
