"""Networks without a state: inputs become vectors, layers look at all steps at once, a linear readout answers."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from gru_lab.data import at_end
from gru_lab.models.model import Network, Spec
from gru_lab.recurrence import Method, Sequential
from gru_lab.typing import Array, Float, Int, Key


class Feedforward(Network):
    """A causal network without a state: its outputs at a step depend on no later step.

    A subclass makes `readout` and writes `encode` and `body`. Since nothing looks ahead, the padding behind a sequence
    changes nothing in front of it, so that `lengths` serve the readout alone.
    """

    spec: Spec
    readout: nnx.Linear

    def encode(self, inputs: Any) -> Float[Array, "B T X"]:
        """The vectors that enter the first layer, one per step."""
        raise NotImplementedError

    def body(
        self, xs: Float[Array, "B T X"], key: Key | None, rates: Mapping[str, Array | float]
    ) -> Float[Array, "B T O"]:
        """The outputs of the last layer; for `key` and `rates` see `Network.__call__`."""
        raise NotImplementedError

    def from_encoded(
        self,
        xs: Float[Array, "B T X"],
        lengths: Int[Array, " B"] | None = None,
        *,
        key: Key | None = None,
        rates: Mapping[str, Array | float] | None = None,
    ) -> Float[Array, "B ..."]:
        """The network's outputs from the vectors that `encode` gives."""
        hs_BTO = self.body(xs, key, rates or {})
        return self.readout(at_end(hs_BTO, lengths) if self.spec.readout == "last" else hs_BTO)

    def __call__(
        self,
        inputs: Any,
        lengths: Int[Array, " B"] | None = None,
        *,
        key: Key | None = None,
        rates: Mapping[str, Array | float] | None = None,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B ..."]:
        """See `Network.__call__`; there are no recurrent layers for `method` to run."""
        return self.from_encoded(self.encode(inputs), lengths, key=key, rates=rates)


def joined(inputs: Any) -> Float[Array, "B T I"]:
    """A pytree of inputs as vectors: the numbers that all leaves have of a step, side by side.

    >>> joined({"x": jnp.ones((2, 5, 3)), "seen": jnp.ones((2, 5))}).shape
    (2, 5, 4)
    """
    leaves = [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(inputs)]
    return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves, axis=-1)
