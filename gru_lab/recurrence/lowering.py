"""How the work of a loop is laid out for the hardware: chosen from measurements, not from belief.

`measurements.csv` beside this file holds what was measured, and `python experiments/lowering.py` measures again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gru_lab.recurrence.blocks import block_size
from gru_lab.typing import Array


@dataclass(frozen=True)
class Lowering:
    """The layout of one loop.

    Fields:
        fused: products of one operand with several weights are one product with the weights side by side.
        hoist: the products of the inputs leave the forward loop; otherwise they run in it, where each needs no memory.
        keep: `gates` stores what the backward loop reads; `states` computes it again, block by block.
        block: how many steps the backward pass treats at once.
    """

    fused: bool
    hoist: bool
    keep: str
    block: int


def choose(lowering: str, keep: str, state: Sequence[Array], inputs: Sequence[Array]) -> Lowering:
    """The layout for a state with leaves (batch, ...) and inputs with leaves (time, batch, ...)."""
    time, batch = inputs[0].shape[:2]
    return Lowering(
        fused=lowering != "separate",
        hoist=HOIST,
        keep=("states" if time >= 200 else "gates") if keep == "auto" else keep,
        block=block_size(time, BLOCK),
    )
import os
BLOCK=int(os.environ.get('BLOCK','32'));HOIST=bool(int(os.environ.get('HOIST','0')))
