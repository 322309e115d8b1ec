"""Polyphonic music: the notes of the next frame, on four sets of piano rolls."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch, InMemory, music, sets
from gru_lab.schema import Size
from gru_lab.tasks.task import Task, register


@dataclass(frozen=True, kw_only=True)
class Music(Task):
    """The keys that sound at each step; the answer at each step is the set of keys that sound at the next one.

        step   1        2        3
        keys   C E G    C E G    C F A        answer after step 2: C F A

    The loss is the negative log-likelihood in nats per frame: the cross-entropies of the 88 keys summed, the mean over
    all predicted frames, so that a long piece counts more than a short one. The first frame of a piece is not
    predicted. Pieces longer than `window` frames are cut for training; held-out pieces are read whole.
    Source: Boulanger-Lewandowski et al. 2012, arXiv:1206.6392, for the sets, their splits and the measure; Chung et al.
    2014, arXiv:1412.3555, and Bai et al. 2018, arXiv:1803.01271, for this form of the task.

    Attributes:
        window: the frames of a piece in training; longer ones are cut.
    """

    revision: ClassVar = 2
    answer: ClassVar = "labels"
    readout: ClassVar = "every"
    dataset: ClassVar[sets.DataSet]

    window: Size = 200

    @property
    def inputs(self) -> int:
        """One number per key."""
        return music.KEYS

    @property
    def outputs(self) -> int:
        """One label per key."""
        return music.KEYS

    @property
    def marginal(self) -> float:
        """The loss on the test set if each key sounds as often as in the training set, whatever sounds now."""
        data = sets.load(self.dataset)
        frames = np.concatenate([roll[1:] for roll in data["train"]["frames"]])
        odds = (frames.sum(axis=0) + 1) / (len(frames) + 2)
        return _nats(data["test"]["frames"], lambda now: np.broadcast_to(odds, now.shape))

    @property
    def floor(self) -> float:
        """The loss on the test set of a first-order Markov chain per key, which sees whether the key sounds now."""
        data = sets.load(self.dataset)
        now, following = (np.concatenate([roll[part] for roll in data["train"]["frames"]])
                          for part in (slice(-1), slice(1, None)))  # fmt: skip
        odds = np.stack([(following * (now == state)).sum(axis=0) + 1 for state in (0, 1)])
        odds = odds / np.stack([(now == state).sum(axis=0) + 2 for state in (0, 1)])
        return _nats(data["test"]["frames"], lambda now: np.where(now == 1, odds[1], odds[0]))

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (sets.prepare(self.dataset),)

    def source(self) -> InMemory:
        """The pieces of every split; bytes until they are drawn."""
        data = {split: [*columns["frames"]] for split, columns in sets.load(self.dataset).items()}
        data["train"] = [
            roll[start : start + self.window + 1]
            for roll in data["train"]
            for start in range(0, max(1, len(roll) - 1), self.window)
        ]

        def unpack(batch: Batch) -> Batch:
            rolls_BTK = jnp.asarray(batch.inputs).astype(jnp.float32)
            return batch._replace(inputs=rolls_BTK[:, :-1], targets=rolls_BTK[:, 1:])

        return InMemory({split: _kept(rolls) for split, rolls in data.items()}, unpack)


def _nats(rolls: sets.Ragged, probability: Callable[[np.ndarray], np.ndarray]) -> float:
    """The mean over all frames but the first of each roll, given the probability of each key after each frame."""
    total = count = 0.0
    for roll in rolls:
        chance, following = probability(roll[:-1]), roll[1:]
        total -= np.log(np.where(following == 1, chance, 1 - chance)).sum()
        count += len(following)
    return float(total / count)


def _kept(rolls: list[np.ndarray]) -> Batch:
    """Rolls with zeros behind them; pieces of a single frame have nothing to predict."""
    rolls = [roll for roll in rolls if len(roll) > 1]
    lengths: Any = np.array([len(roll) for roll in rolls], np.int32)
    frames = sets.Ragged(np.concatenate(rolls), lengths).padded()
    return Batch(frames, np.zeros(len(rolls), np.int32), lengths - 1)


@register("jsb_chorales")
@dataclass(frozen=True, kw_only=True)
class JsbChorales(Music):
    """Chorales by J. S. Bach, 229 / 76 / 77 pieces.

    On the test set the frequencies of the keys give 11.09 nats per frame, the Markov chains 10.49.
    """

    dataset: ClassVar = music.SETS["jsb_chorales"]


@register("nottingham")
@dataclass(frozen=True, kw_only=True)
class Nottingham(Music):
    """Folk tunes with chords, 694 / 173 / 170 pieces.

    On the test set the frequencies of the keys give 10.26 nats per frame, the Markov chains 5.15.
    """

    dataset: ClassVar = music.SETS["nottingham"]


@register("musedata")
@dataclass(frozen=True, kw_only=True)
class MuseData(Music):
    """Orchestral and piano classical music: 524 / 135 / 124 pieces of up to 4,273 frames.

    On the test set the frequencies of the keys give 11.51 nats per frame, the Markov chains 8.56.
    """

    dataset: ClassVar = music.SETS["musedata"]


@register("piano_midi")
@dataclass(frozen=True, kw_only=True)
class PianoMidi(Music):
    """Classical piano music: 87 / 12 / 25 pieces of up to 3,857 frames.

    On the test set the frequencies of the keys give 11.05 nats per frame, the Markov chains 8.26.
    """

    dataset: ClassVar = music.SETS["piano_midi"]
