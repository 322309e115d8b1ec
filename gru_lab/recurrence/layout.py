"""The layout of a loop: the passes over its step and what is stored, chosen from measurements.

`layout.csv` beside this file holds the measurements behind the numbers below; `python experiments/lowering.py`
measures them again. They were made on CPUs: the choice looks at sizes and not at the backend, so that the same program
is compiled for all of them.
"""

from dataclasses import dataclass
from typing import Literal

from gru_lab.recurrence.blocks import block_size

SMALL_BATCH = 4  # up to here the products of the inputs leave the loop: they gain the most from being many
LONG = 200  # from here on the states alone are stored: what a store saves is then spent on memory
ROWS = {"gates": (128, 1024), "states": (32, 256)}  # steps of a block at least, and rows of its products at least

Store = Literal["gates", "states"]


@dataclass(frozen=True)
class Layout:
    """The layout of one loop: the passes over its step, and what is stored. Nothing here changes numbers.

    Attributes:
        fuse: whether products of one operand with several weights are one product with the weights side by side.
        transpose: whether weights are transposed once, before the loop, rather than at every product.
        common: whether equal equations on equal operands are computed once.
        defer: whether weights get their gradients after the backward loop, each as one product over time and batch,
            rather than accumulated inside it.
        hoist: whether the work on the inputs leaves the forward loop; in the loop it needs no memory.
        store: `gates` keeps what the backward loop reads; `states` computes it again, block by block.
        block: the number of steps that the backward pass treats at once.
        remat: whether the forward pass stores the state before each block alone (checkpointing), and the backward pass
            runs the block again from there, storing what `store` says.
        unroll: how many steps the compiled loop takes at a time, as in `lax.scan`.
    """

    fuse: bool = True
    transpose: bool = True
    common: bool = True
    defer: bool = True
    hoist: bool = False
    store: Store = "gates"
    block: int = 128
    remat: bool = False
    unroll: int = 1


def choose(store: Literal["auto", "gates", "states"], time: int, batch: int, remat_every: int | None) -> Layout:
    """The layout for a number of steps and sequences; `auto` chooses what is stored by the number of steps."""
    run = time if remat_every is None else min(time, remat_every)  # steps whose gates would be kept at once
    kept: Store = store if store != "auto" else "states" if run >= LONG else "gates"
    steps, rows = ROWS[kept]
    block = block_size(time, max(steps, rows // max(batch, 1))) if remat_every is None else remat_every
    return Layout(hoist=batch <= SMALL_BATCH, store=kept, block=block, remat=remat_every is not None)
