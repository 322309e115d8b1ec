"""Files of weights: safetensors, npz, PyTorch's .pt, .pth and .ckpt, Keras's .weights.h5 and .keras.

Nothing is ever unpickled.
"""

# The other framework need not be installed (it comes with the extra `parity`):
# pyright: reportMissingImports=false

import io
import os
import pickle
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gru_lab.archives import check_zip
from gru_lab.schema import UserError, listed

Arrays = dict[str, np.ndarray]
MOST = 2**32  # bytes of weights in a file, unpacked


def read(path: str | Path) -> Arrays:
    """The arrays of a file by name; the format is told by the ending.

    Raises:
        UserError: if there is no such file, or it is not what its ending claims.
    """
    path = Path(path)
    reader, _ = _format(path)
    if not path.is_file():
        raise UserError(f"{path} is {'a folder' if path.is_dir() else 'not a file'}: name a file of weights")
    try:
        check_zip(path, MOST)
        arrays = reader(path)
    except UserError:
        raise
    except ImportError as error:
        raise UserError(f"{path} needs a package that is not installed: {error}") from None
    except Exception as error:  # every reader has errors of its own for a broken file
        raise UserError(f"{path} is truncated or not a {path.suffix} file of weights: {_line(error)}") from None
    if not arrays:
        raise UserError(f"{path} holds no arrays")
    return arrays


def write(path: str | Path, arrays: Arrays) -> None:
    """Write the arrays, whole or not at all; the format is told by the ending.

    Raises:
        UserError: if the path is a folder, or cannot be written.
    """
    path = Path(path)
    _, writer = _format(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file to write")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem}.", dir=path.parent)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    os.close(handle)
    try:
        writer(Path(name), arrays)
        os.replace(name, path)
    except ImportError as error:
        raise UserError(f"{path} needs a package that is not installed: {error}") from None
    finally:
        Path(name).unlink(missing_ok=True)


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:160]


def _read_safetensors(path: Path) -> Arrays:
    from safetensors.numpy import load_file

    return load_file(path)


def _write_safetensors(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def _read_npz(path: Path) -> Arrays:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _write_npz(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def _read_pt(path: Path) -> Arrays:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        foreign = re.search(r"GLOBAL (\S+) was not an allowed global", str(error))
        if foreign is None:
            raise
        raise UserError(
            f"{path} holds {foreign[1]}, and only tensors and plain values are read: save `model.state_dict()` alone"
        ) from None
    return {
        str(name): _array(tensor.detach().cpu()) for name, tensor in _state_dict(path, content, torch.Tensor).items()
    }


def _array(tensor: Any) -> np.ndarray:
    """The values of a tensor; bfloat16, which NumPy lacks, as the float32 that are equal to them."""
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _state_dict(path: Path, content: Any, tensor: type) -> Mapping[str, Any]:
    """The mapping of names to tensors that a file is, or that it holds under `state_dict` or as the only such mapping.

    Frameworks around PyTorch save it beside the optimiser's state and their settings.
    """

    def named(value: Any) -> bool:
        return isinstance(value, Mapping) and bool(value) and all(isinstance(each, tensor) for each in value.values())

    if named(content):
        return content
    parts = content.items() if isinstance(content, Mapping) else ()
    inside = {str(name): value for name, value in parts if named(value)}
    if len(inside) > 1 and "state_dict" not in inside:
        raise UserError(f"{path} holds several state_dicts, {listed(inside)}: save one of them alone")
    if not inside:
        raise UserError(f"{path} holds no state_dict: save `model.state_dict()`")
    return inside.get("state_dict", next(iter(inside.values())))


def _write_pt(path: Path, arrays: Arrays) -> None:
    import torch

    torch.save({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, path)


def _read_h5(path: Any) -> Arrays:
    import h5py

    arrays: Arrays = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if (size := item.nbytes + sum(array.nbytes for array in arrays.values())) > MOST:
                raise UserError(f"{name} unpacks to {size:,} bytes, and at most {MOST:,} are read")
            arrays[name] = item[...]

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return arrays


def _read_keras(path: Path) -> Arrays:
    with zipfile.ZipFile(path) as archive:
        return _read_h5(io.BytesIO(archive.read("model.weights.h5")))


def _write_h5(path: Path, arrays: Arrays) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def _write_keras(path: Path, arrays: Arrays) -> None:
    raise UserError(f"{path.suffix} files hold a whole model: write .weights.h5 and load it with model.load_weights")


_FORMATS: dict[str, tuple[Callable[[Path], Arrays], Callable[[Path, Arrays], None]]] = {
    ".safetensors": (_read_safetensors, _write_safetensors),
    ".npz": (_read_npz, _write_npz),
    ".pt": (_read_pt, _write_pt),
    ".pth": (_read_pt, _write_pt),
    ".ckpt": (_read_pt, _write_pt),
    ".h5": (_read_h5, _write_h5),
    ".keras": (_read_keras, _write_keras),
}


def _format(path: Path) -> tuple[Callable[[Path], Arrays], Callable[[Path, Arrays], None]]:
    if path.suffix not in _FORMATS:
        raise UserError(f"{path} has the ending {path.suffix!r}: it must be {listed(_FORMATS)}")
    return _FORMATS[path.suffix]
