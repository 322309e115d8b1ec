"""The frameworks that weights come from and go to, one a file: a file that defines FRAMEWORK is one."""

import importlib
import pkgutil

from gru_lab.convert.framework import Framework
from gru_lab.schema import UserError, listed, nearest


def frameworks() -> dict[str, Framework]:
    """Every framework by name."""
    found = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return {module.FRAMEWORK.name: module.FRAMEWORK for module in found}


def get(name: str) -> Framework:
    """The framework of that name; `UserError` names the nearest if there is none."""
    known = frameworks()
    if name not in known:
        raise UserError(f"framework {name!r} is unknown: it must be {listed(sorted(known))}.{nearest(name, known)}")
    return known[name]
