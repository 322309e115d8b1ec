"""The layout of a loop: the passes over its step, and what is stored for the backward pass.

The choice rests on what is the same everywhere, bytes and FLOPs, and on the memory at hand; it looks at sizes and not
at the backend, so that the same program is compiled for all of them. `layout.csv` beside this file holds measurements
on CPUs, from which the constants below come; `python experiments/lowering.py` measures them again.
"""

from dataclasses import dataclass
from typing import Literal

from gru_lab.recurrence.blocks import block_size

SMALL_BATCH = 4  # up to here the kernels of a step are what it takes: input work leaves the loop, stores stay out of it
MEMORY = 2**28  # bytes that a loop may store where the caller names none
LITTLE = 2**25  # bytes up to which a store is not measured against the products that it spares
WORTH = 50  # FLOPs of products that a stored byte must spare beyond that: below, memory is what a loop waits for
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


def candidates(
    store: Literal["auto", "gates", "states"], time: int, batch: int, remat_every: int | None, unroll: int
) -> tuple[Layout, ...]:
    """The layouts for a number of steps and sequences, the first of which that fits is taken, else the last.

    >>> [layout.store for layout in candidates("auto", time=100, batch=8, remat_every=None, unroll=1)]
    ['gates', 'states']
    """
    small = batch <= SMALL_BATCH
    stores: tuple[Store, ...] = (store,) if store != "auto" else ("states",) if small else ("gates", "states")
    chosen = []
    for kept in stores:
        steps, rows = ROWS[kept]
        block = block_size(time, max(steps, rows // max(batch, 1))) if remat_every is None else remat_every
        remat = remat_every is not None
        chosen.append(Layout(hoist=small, store=kept, block=block, remat=remat, unroll=unroll))
    return tuple(chosen)


def fits(stored: int, residuals: int, spared: int, memory: int) -> bool:
    """True where residuals are stored, rather than computed again from the states.

    Args:
        stored: bytes of states and residuals together.
        residuals: bytes of the residuals.
        spared: FLOPs of the products that would have to be computed again.
        memory: bytes that may be stored.
    """
    return stored <= memory and (residuals <= LITTLE or spared >= WORTH * residuals)
