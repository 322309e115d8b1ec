"""Named arrays in one safetensors file with a checksum: what was changed on the disk is never read as whole."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gru_lab.errors import UserError
from gru_lab.runs.files import unreadable, write_atomically


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any] | None = None) -> None:
    """Write arrays and a tree of plain values about them, whole or not at all."""
    arrays = {name: np.array(array, order="C") for name, array in arrays.items()}
    text = json.dumps(about or {}, sort_keys=True)
    # One entry: the order of several would differ from file to file.
    write_atomically(path, save(arrays, {"about": f"{_checksum(arrays, text)} {text}"}))


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and what was said about them.

    Raises:
        UserError: if the file cannot be read or is not as it was written.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        checksum, _, text = metadata["about"].partition(" ")
        whole = checksum == _checksum(arrays, text)
        about = json.loads(text)
    except OSError as error:
        raise unreadable(path, error) from None
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {type(error).__name__}: {error}") from None
    if not whole:
        raise UserError(f"{path} is not as it was written: its checksum differs")
    return arrays, about


def _checksum(arrays: Mapping[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
