"""The frameworks that weights come from and go to, one per file: a module that defines FRAMEWORK."""

import importlib
import pkgutil

from gru_lab.convert.framework import Framework
from gru_lab.schema import UserError, listed, nearest


def frameworks() -> dict[str, Framework]:
    """Every framework by name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return {module.FRAMEWORK.name: module.FRAMEWORK for module in modules}


def get(name: str) -> Framework:
    """The framework of that name; `UserError` names the nearest if there is none."""
    known = frameworks()
    if name not in known:
        raise UserError(f"framework {name!r} is unknown: it must be {listed(sorted(known))}.{nearest(name, known)}")
    return known[name]
