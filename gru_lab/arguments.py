"""The arguments of a command line as Hydra's overrides, and the combinations of their values that a sweep asks for."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from gru_lab.config import FAMILIES, outside, stored
from gru_lab.errors import UserError, listed, nearest

SWEEP = ("-m", "--multirun")
OURS = (*SWEEP, "--cfg", "-c", "--resolve", "-h", "--help")
HYDRAS = ("--hydra-help", "--version", "--info", "-i", "--shell-completion", "-sc")  # they read the process's arguments
LONGEST = 200  # letters of an argument that are shown
UNREADABLE = "{!r} cannot be read: write name=value, with quotes around odd characters"


def parsed(arguments: Sequence[str]) -> list[Any]:
    """The overrides as Hydra understands them.

    Values are rewritten to `++name=value`: whether a name is known is for the dataclasses to say, in one sentence.
    """
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.types import Glob

    loader = GlobalHydra.instance().config_loader()
    groups = loader.list_groups("")
    overrides = []
    for argument in arguments:
        if argument in SWEEP:
            continue
        if argument.startswith("-"):
            known = (*OURS, *HYDRAS)
            raise UserError(f"{argument} is unknown: it must be {listed(known)}.{nearest(argument, known)}")
        if "=" not in argument and not argument.startswith("~"):
            raise UserError(f"{argument!r} says nothing: write name=value, as in cell={argument}")
        override = _read(argument, loader)
        name = override.key_or_group
        if isinstance(override.value(), Glob):  # an earlier command of this process may have brought others
            argument = _globbed(name, override.value(), loader)
        elif name in (*FAMILIES, "network") and override.value() is not None:
            chosen = [override.value()] if not override.is_sweep_override() else list(override.sweep_iterator())
            for option in map(str, chosen):
                if ":" in option:
                    for group, known, node, package in outside(name, option):
                        ConfigStore.instance().store(group=group, name=known, node=node, package=package)
                    argument = argument.replace(option, stored(option))
        if name.split("/")[0].split(".")[0] != "hydra" and not argument.startswith("~"):
            argument = argument.lstrip("+")
            empty = name in groups and not override.is_sweep_override() and override.value() is None
            argument = f"~{name}" if empty else argument if name in groups else f"++{argument}"
        overrides.append(_read(argument, loader))
    _check_chosen_once(overrides)
    return overrides


def _globbed(group: str, glob: Any, loader: Any) -> str:
    """The argument of a glob, without what lies outside; options in folders of a group are found as well."""
    folders = loader.list_groups(group) if any("/" in pattern for pattern in glob.include) else []
    inner = [f"{folder}/{option}" for folder in folders for option in loader.get_group_options(f"{group}/{folder}")]
    if chosen := glob.filter(inner):
        return f"{group}={','.join(chosen)}"
    return f"{group}=glob([{','.join(glob.include)}],exclude=[{','.join([*glob.exclude, '*:*'])}])"


def _check_chosen_once(overrides: Sequence[Any]) -> None:
    """Raise `UserError` where a network is chosen, and its cell or model again."""
    lines = {override.key_or_group: override.input_line for override in overrides if not override.is_delete()}
    for group in ("cell", "model"):
        if group in lines and "network" in lines and lines["network"] != "network=null":
            raise UserError(
                f"{lines['network']} chooses a network, and {lines[group]} its {group} again: give one of them"
            )


def _read(argument: str, loader: Any) -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create(loader).parse_overrides([argument])[0]
    except (HydraException, ValueError, RecursionError):  # a number of thousands of digits, brackets in brackets
        shown = argument if len(argument) <= LONGEST else f"{argument[:LONGEST]}..."
        raise UserError(UNREADABLE.format(shown)) from None


def combinations(overrides: Sequence[Any], sweep: bool) -> Iterator[list[str]]:
    """The overrides of every job: all combinations of values if they `sweep`; of two values of a name the last counts.

    Raises:
        UserError: if several values are given and no sweep is asked for, or if values cannot be counted.
    """
    sweeping = [override.input_line for override in overrides if override.is_sweep_override()]
    if sweeping and not sweep:
        raise UserError(f"{sweeping[0].lstrip('+')!r} gives several values: add -m to run them all")
    values = {}  # by name: of two values of one name the last counts
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            values[key] = [override.input_line]
        elif override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise UserError(f"{override.input_line.lstrip('+')!r} names no values: separate them by commas")
    return map(list, itertools.product(*values.values()))


__all__ = ["HYDRAS", "SWEEP", "UNREADABLE", "combinations", "parsed"]
