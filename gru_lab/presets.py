"""The presets of `configs/`: settings of a paper or of its authors under a name, one YAML file per preset."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Preset:
    """One YAML file of a group.

    Attributes:
        name: the name of the file, which a command line chooses it by.
        base: the option whose fields it changes.
        fields: the fields that it sets.
    """

    name: str
    base: str
    fields: Mapping[str, Any]


def configs() -> Path:
    """The folder of the YAML files: beside the package in a checkout, inside it once installed."""
    package = Path(__file__).parent
    return package / "configs" if (package / "configs").is_dir() else package.parent / "configs"


@cache
def presets(group: str) -> tuple[Preset, ...]:
    """All presets of a group, by name.

    >>> next(preset for preset in presets("cell") if preset.name == "irnn")
    Preset(name='irnn', base='rnn', fields={'nonlinearity': 'relu', 'initializer': 'identity'})
    """
    import yaml

    known = []
    for path in sorted((configs() / group).glob("*.yaml")):
        content = yaml.safe_load(path.read_text("utf-8"))
        base, *_ = content.pop("defaults")
        known.append(Preset(path.stem, base, content))
    return tuple(known)
