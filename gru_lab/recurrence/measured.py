"""The times of methods over that of `sequential`, measured by `python experiments/methods.py` for `method=auto`."""

from typing import NamedTuple


class Measured(NamedTuple):
    """The time of a method, forward and backward, relative to that of `sequential`.

    Attributes:
        backend: `cpu`, `gpu` or `tpu`.
        structure: of the step, see `gru_lab.recurrence.auto.kind`.
        batch: the number of sequences.
        time: their steps.
        numbers: those of the state.
        method: its name.
        ratio: its time over that of `sequential`, by medians or by the fastest rounds, whichever is larger.
    """

    backend: str
    structure: str
    batch: int
    time: int
    numbers: int
    method: str
    ratio: float


MEASURED: tuple[Measured, ...] = (
    Measured("cpu", "matrix", 1, 256, 1, "parallel", 5.611),
    Measured("cpu", "matrix", 1, 256, 2, "parallel", 2.71),
    Measured("cpu", "units", 1, 256, 1, "parallel", 2.084),
    Measured("cpu", "affine units", 1, 256, 1, "associative", 1.768),
    Measured("cpu", "affine units", 1, 256, 1, "associative", 2.055),
    Measured("cpu", "matrix", 16, 256, 1, "parallel", 2.362),
    Measured("cpu", "matrix", 16, 256, 2, "parallel", 4.371),
    Measured("cpu", "units", 16, 256, 1, "parallel", 1.792),
    Measured("cpu", "affine units", 16, 256, 1, "associative", 0.8562),
    Measured("cpu", "affine units", 16, 256, 1, "associative", 0.9072),
    Measured("cpu", "matrix", 1, 256, 8, "parallel", 1.926),
    Measured("cpu", "matrix", 1, 256, 16, "parallel", 6.666),
    Measured("cpu", "units", 1, 256, 8, "parallel", 1.944),
    Measured("cpu", "affine units", 1, 256, 8, "associative", 2.912),
    Measured("cpu", "affine units", 1, 256, 8, "associative", 2.04),
    Measured("cpu", "matrix", 16, 256, 8, "parallel", 8.548),
    Measured("cpu", "matrix", 16, 256, 16, "parallel", 22.75),
    Measured("cpu", "units", 16, 256, 8, "parallel", 11.94),
    Measured("cpu", "affine units", 16, 256, 8, "associative", 3.563),
    Measured("cpu", "affine units", 16, 256, 8, "associative", 2.602),
    Measured("cpu", "matrix", 1, 256, 64, "parallel", 24.81),
    Measured("cpu", "matrix", 1, 256, 128, "parallel", 146.2),
    Measured("cpu", "units", 1, 256, 64, "parallel", 28.08),
    Measured("cpu", "affine units", 1, 256, 64, "associative", 4.585),
    Measured("cpu", "affine units", 1, 256, 64, "associative", 2.74),
    Measured("cpu", "matrix", 16, 256, 64, "parallel", 69.58),
    Measured("cpu", "matrix", 16, 256, 128, "parallel", 359.6),
    Measured("cpu", "units", 16, 256, 64, "parallel", 43.4),
    Measured("cpu", "affine units", 16, 256, 64, "associative", 4.291),
    Measured("cpu", "affine units", 16, 256, 64, "associative", 1.63),
    Measured("cpu", "matrix", 1, 4096, 1, "parallel", 3.371),
    Measured("cpu", "matrix", 1, 4096, 2, "parallel", 4.508),
    Measured("cpu", "units", 1, 4096, 1, "parallel", 6.473),
    Measured("cpu", "affine units", 1, 4096, 1, "associative", 1.3),
    Measured("cpu", "affine units", 1, 4096, 1, "associative", 1.514),
    Measured("cpu", "matrix", 16, 4096, 1, "parallel", 0.928),
    Measured("cpu", "matrix", 16, 4096, 2, "parallel", 2.397),
    Measured("cpu", "units", 16, 4096, 1, "parallel", 1.576),
    Measured("cpu", "affine units", 16, 4096, 1, "associative", 0.629),
    Measured("cpu", "affine units", 16, 4096, 1, "associative", 1.328),
    Measured("cpu", "matrix", 1, 4096, 8, "parallel", 1.901),
    Measured("cpu", "matrix", 1, 4096, 16, "parallel", 11.93),
    Measured("cpu", "units", 1, 4096, 8, "parallel", 21.7),
    Measured("cpu", "affine units", 1, 4096, 8, "associative", 3.877),
    Measured("cpu", "affine units", 1, 4096, 8, "associative", 2.75),
    Measured("cpu", "matrix", 16, 4096, 8, "parallel", 10.54),
    Measured("cpu", "matrix", 16, 4096, 16, "parallel", 23.29),
    Measured("cpu", "units", 16, 4096, 8, "parallel", 26.81),
    Measured("cpu", "affine units", 16, 4096, 8, "associative", 3.958),
    Measured("cpu", "affine units", 16, 4096, 8, "associative", 3.865),
    Measured("cpu", "matrix", 1, 4096, 64, "parallel", 57.79),
    Measured("cpu", "matrix", 1, 4096, 128, "parallel", 441.7),
    Measured("cpu", "units", 1, 4096, 64, "parallel", 25.52),
    Measured("cpu", "affine units", 1, 4096, 64, "associative", 2.897),
    Measured("cpu", "affine units", 1, 4096, 64, "associative", 1.311),
    Measured("cpu", "units", 16, 4096, 64, "parallel", 46.37),
    Measured("cpu", "affine units", 16, 4096, 64, "associative", 5.469),
    Measured("cpu", "affine units", 16, 4096, 64, "associative", 2.68),
    Measured("cpu", "matrix", 1, 65536, 1, "parallel", 4.615),
    Measured("cpu", "matrix", 1, 65536, 2, "parallel", 4.387),
    Measured("cpu", "units", 1, 65536, 1, "parallel", 5.435),
    Measured("cpu", "affine units", 1, 65536, 1, "associative", 1.001),
    Measured("cpu", "affine units", 1, 65536, 1, "associative", 1.918),
    Measured("cpu", "matrix", 16, 65536, 1, "parallel", 1.699),
    Measured("cpu", "matrix", 16, 65536, 2, "parallel", 3.97),
    Measured("cpu", "units", 16, 65536, 1, "parallel", 1.924),
    Measured("cpu", "affine units", 16, 65536, 1, "associative", 1.12),
    Measured("cpu", "affine units", 16, 65536, 1, "associative", 1.499),
    Measured("cpu", "matrix", 1, 65536, 8, "parallel", 2.631),
    Measured("cpu", "matrix", 1, 65536, 16, "parallel", 17.21),
    Measured("cpu", "units", 1, 65536, 8, "parallel", 19.74),
    Measured("cpu", "affine units", 1, 65536, 8, "associative", 3.986),
    Measured("cpu", "affine units", 1, 65536, 8, "associative", 3.274),
    Measured("cpu", "matrix", 16, 65536, 8, "parallel", 9.073),
)
