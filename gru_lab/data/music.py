"""Polyphonic music: four sets of piano rolls, which the user brings as MATLAB files."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from gru_lab.data.files import File
from gru_lab.data.sets import Contents, DataSet, Example
from gru_lab.errors import UserError

KEYS = 88
SPLITS = {"train": "traindata", "validation": "validdata", "test": "testdata"}


def _read(contents: Contents) -> dict[str, Iterator[tuple[Any, Example]]]:
    """The rolls of each split of a MATLAB file with the cell arrays `traindata`, `validdata` and `testdata`."""
    from scipy.io import loadmat

    ((name, data),) = contents.items()
    try:
        held = loadmat(io.BytesIO(data))
    except Exception as error:  # SciPy raises what its parser meets
        raise UserError(f"{name} ({len(data):,} bytes) is damaged or not a MATLAB file: {error}") from None
    missing = [cell for cell in SPLITS.values() if cell not in held]
    if missing:
        raise UserError(f"{name} lacks {missing[0]}: it must hold traindata, validdata and testdata")

    def rolls(cell: str) -> Iterator[tuple[Any, Example]]:
        for n, roll in enumerate(held[cell].ravel()):
            if roll.ndim != 2 or roll.shape[1] != KEYS or not len(roll) or not np.isin(roll, (0, 1)).all():
                raise UserError(f"{name}: sequence {n} of {cell} is not a roll of 0 and 1 for {KEYS} keys")
            yield n, {"frames": np.ascontiguousarray(roll, np.uint8)}

    return {split: rolls(cell) for split, cell in SPLITS.items()}


def _features() -> Any:
    import tensorflow_datasets as tfds

    return {"frames": tfds.features.Tensor(shape=(None, KEYS), dtype=np.uint8)}


def _music(name: str, file: str, size: int, sha256: str) -> DataSet:
    return DataSet(
        name=name,
        version="1.0.0",
        folder="poly_music",
        files=(File(file, size, sha256),),
        features=_features,
        read=_read,
        splits=tuple(SPLITS),
        arrays=lambda example: {"frames": np.asarray(example["frames"], np.uint8)},
    )


SETS = {
    each.name: each
    for each in (
        _music(
            "jsb_chorales",
            "JSB_Chorales.mat",
            96095,
            "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
        ),
        _music(
            "nottingham", "Nottingham.mat", 371688, "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea"
        ),
        _music("musedata", "MuseData.mat", 947219, "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff"),
        _music(
            "piano_midi", "Piano_midi.mat", 223732, "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34"
        ),
    )
}
