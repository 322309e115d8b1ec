"""Windows of long series: drawn from anywhere in training, side by side in held-out parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab.data.batch import Batch
from gru_lab.data.source import Source, Split
from gru_lab.typing import Array, Key


@dataclass(frozen=True, eq=False)
class Windows(Source):
    """Windows of `length` steps of one series per split, an array (time, ...).

    `unpack` makes a batch of windows (batch, length, ...); jittable. Held-out windows begin every `stride` steps, and
    the last one ends with the series. With `per_step` each window asks for its steps 1 to `length - 1`, and a step that
    two held-out windows share counts in the first: every step but the first of the series counts once.

    >>> def ask(xs):
    ...     return Batch(xs[:, :-1], xs[:, 1:])
    >>> whole = Windows({"test": np.arange(8)}, 5, ask, stride=2, per_step=True).holdout("test", 1)
    >>> whole.targets.tolist(), whole.weights.tolist()
    ([[1, 2, 3, 4], [3, 4, 5, 6], [4, 5, 6, 7]], [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    """

    series: Mapping[str, np.ndarray]
    length: int
    unpack: Callable[[Any], Batch]
    stride: int = 1
    per_step: bool = False

    def arrays(self) -> Any:
        """The training series."""
        return jnp.asarray(self.series["train"])

    def draw(self, arrays: Any, key: Key, size: int, update: Array | int = 0) -> Batch:
        """See `Source.draw`: windows that begin anywhere, drawn with replacement."""
        starts = jax.random.randint(key, (size,), 0, len(arrays) - self.length + 1)
        return self.unpack(arrays[starts[:, None] + jnp.arange(self.length)[None]])

    def holdout(self, split: Split, size: int) -> Batch:
        """See `Source.holdout`."""
        series = self.series[split]
        last = len(series) - self.length
        starts = np.unique([*range(0, last + 1, self.stride), last])
        places = starts[:, None] + np.arange(self.length)[None]
        batch = self.unpack(series[places])
        if not self.per_step:
            return batch
        before = np.concatenate([[0], starts[:-1] + self.length - 1])  # the last step that an earlier window asks for
        weights: Any = (places[:, 1:] > before[:, None]).astype(np.float32)
        return batch._replace(weights=weights)
