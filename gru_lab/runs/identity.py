"""The identity of a run: a card that names all that can change a number of it, and the fingerprint of that card."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax

from gru_lab import outside
from gru_lab.errors import UserError
from gru_lab.runs.record import SCHEMA
from gru_lab.schema import Schema

LETTERS = 8


def card(config: Mapping[str, Any], parts: Iterable[Schema], files: Iterable[Path], nonce: str | None) -> dict:
    """The content of `config.yaml`: the configuration, and what else decides about the numbers.

    `parts` are the objects that take part: each class counts by its revision, a class from outside by the content of
    every file that it rests on. `files` are the data files that the task reads. `nonce` is anything that is never the
    same twice, for what cannot be known; a class without a file brings one too.

    Raises:
        UserError: if a data file cannot be read.
    """
    revisions: dict[str, int] = {}
    sources: dict[str, str] = {}
    for part in parts:
        for cls in type(part).__mro__:
            if issubclass(cls, Schema) and cls is not Schema:
                revisions[cls.__name__] = vars(cls).get("revision", 1)
        contents = outside.sources(type(part))
        if contents is None:
            nonce = nonce or once()
        else:
            sources |= contents
    content = {
        "schema": SCHEMA,
        "config": dict(config),
        "revisions": dict(sorted(revisions.items())),
        "sources": dict(sorted(sources.items())),
        "data": _digests([Path(path) for path in files]),
        "numerics": numerics(),
    }
    return content | ({"once": nonce} if nonce else {})


def _digests(files: list[Path]) -> dict[str, str]:
    """The content of files by their names, to which a number is added where several have the same."""
    digests: dict[str, str] = {}
    for path in files:
        name, number = path.name, 1
        while name in digests:
            number += 1
            name = f"{path.name} ({number})"
        digests[name] = digest(path)
    return digests


def fingerprint(card: Mapping[str, Any]) -> str:
    """Eight letters that change with anything that a card names."""
    return hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()[:LETTERS]


def once() -> str:
    """A text that no other call gives."""
    import uuid

    return uuid.uuid4().hex


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"the data file {path} cannot be read: {error.strerror}") from None


def numerics() -> dict[str, Any]:
    """The settings of JAX that change numbers."""
    config: Any = jax.config
    return {
        "x64": bool(config.jax_enable_x64),
        "matmul_precision": config.jax_default_matmul_precision,
        "random_generator": config.jax_default_prng_impl,
        "partitionable_random": bool(config.jax_threefry_partitionable),
    }
