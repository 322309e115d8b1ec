"""Two marked steps in a sequence, as the papers of the adding problem place them."""

from typing import Literal

import jax
import jax.numpy as jnp

from gru_lab.typing import Array, Key

Convention = Literal["arjovsky2016", "bai2018"]


def two_marks(k_first: Key, k_second: Key, batch: int, length: int, convention: Convention) -> Array:
    """True at two different steps of each sequence, (batch, length).

    `arjovsky2016`: one in each half, as Tallec & Ollivier 2018 have it, too. `bai2018`: anywhere.
    """
    if convention == "arjovsky2016":
        first_B = jax.random.randint(k_first, (batch,), 0, length // 2)
        second_B = jax.random.randint(k_second, (batch,), length // 2, length)
    else:
        first_B = jax.random.randint(k_first, (batch,), 0, length)
        second_B = (first_B + jax.random.randint(k_second, (batch,), 1, length)) % length
    steps = jnp.arange(length)[None]
    return (steps == first_B[:, None]) | (steps == second_B[:, None])
