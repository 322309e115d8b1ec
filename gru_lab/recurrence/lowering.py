"""How the work of a loop is laid out for the hardware: chosen from measurements, not from belief.

`lowering.csv` beside this file holds the measurements behind the numbers below;
`python experiments/lowering.py` measures them again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gru_lab.recurrence.blocks import block_size

SMALL_BATCH = 4  # up to here the products of the inputs leave the loop: they gain the most from being many
LONG = 200  # from here on the states alone are stored: what a store saves is then spent on memory
ROWS = {"gates": (128, 1024), "states": (32, 256)}  # steps of a block at least, and rows of its products at least


@dataclass(frozen=True)
class Lowering:
    """The layout of one loop.

    Attributes:
        fused: products of one operand with several weights are one product with the weights side by side.
        hoist: the work on the inputs leaves the forward loop; otherwise it runs in it, where it needs no memory.
        keep: `gates` stores what the backward loop reads; `states` computes it again, block by block.
        block: how many steps the backward pass treats at once.
    """

    fused: bool
    hoist: bool
    keep: str
    block: int


def choose(lowering: str, keep: str, inputs: Sequence[Any]) -> Lowering:
    """The layout for inputs with leaves (time, batch, ...), where the user leaves it to us."""
    time, batch = inputs[0].shape[:2]
    keep = keep if keep != "auto" else "states" if time >= LONG else "gates"
    steps, rows = ROWS[keep]
    about = max(steps, rows // max(batch, 1))
    return Lowering(lowering != "separate", batch <= SMALL_BATCH, keep, block_size(time, about))
