"""Tracks of detected objects: the next box, from a user's file and from sampled objects that bounce."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gru_lab.data import Batch, InMemory, files, mot
from gru_lab.schema import NonNegative, Positive, Probability, Range
from gru_lab.tasks.task import Task, register
from gru_lab.typing import Array, Key

SHARES = (0.7, 0.85)  # where validation and test begin
JUDGED = 4096  # sampled sequences on which constant velocity is judged


class Past(NamedTuple):
    """The latest detection up to each step, its change since the one before, and the change per step that follows.

    `latest (B, T, 4)`, `change (B, T, 4)` where there is a detection, else 0; `ahead (B, T, 4)` is how far constant
    velocity goes from the latest detection to the next step.
    """

    latest: Array
    change: Array
    ahead: Array


def past_of(boxes_BT4: Array, seen_BT: Array) -> Past:
    """The past at each step; every track must begin with a detection."""
    steps_BT = jnp.broadcast_to(jnp.arange(seen_BT.shape[1]), seen_BT.shape)
    last_BT = lax.cummax(jnp.where(seen_BT, steps_BT, 0), axis=1)
    before_BT = jnp.take_along_axis(last_BT, jnp.maximum(last_BT - 1, 0), axis=1)
    latest_BT4 = jnp.take_along_axis(boxes_BT4, last_BT[..., None], axis=1)
    change_BT4 = latest_BT4 - jnp.take_along_axis(boxes_BT4, before_BT[..., None], axis=1)
    between_BT = jnp.maximum(last_BT - before_BT, 1)
    gone_BT = (steps_BT + 1 - last_BT) / between_BT
    return Past(latest_BT4, jnp.where(seen_BT[..., None], change_BT4, 0), change_BT4 * gone_BT[..., None])


@dataclass(frozen=True, kw_only=True)
class Tracks(Task):
    """The boxes of an object, a frame per step; the answer at each step is how far the next box is from the latest one.

    Inputs (9,): the latest box (middle x, middle y, width, height), its change since the detection before it, and 1 if
    this frame has a detection, else 0 and a change of 0. The loss is the mean squared error of the four numbers, each
    in units of the deviation of such changes. The floor is that of constant velocity, which goes on by the last change.
    """

    answer: ClassVar = "real"
    readout: ClassVar = "every"

    @property
    def inputs(self) -> int:
        """The latest box, its change, and whether there is a detection."""
        return 9

    @property
    def outputs(self) -> int:
        """The change of the four numbers of a box."""
        return 4


@register("tracks")
@dataclass(frozen=True, kw_only=True)
class MotTracks(Tracks):
    """Tracks of a user's file in the format of MOTChallenge, which detectors such as YOLO write with a tracker.

        frame, id, left, top, width, height      1, 7, 912.0, 484.0, 97.0, 109.0

    `file` is a path, or a name in the folder that GRU_LAB_DATA names. A track is cut where more than `gap` frames lack
    a detection, and into pieces of at most `window` frames. The first 70% of the pieces, in the order of their first
    frames, are for training, 15% for validation, 15% for testing. Frames without a next detection ask for nothing.
    Source of the format: Milan et al. 2016, arXiv:1603.00831.

    Attributes:
        file: a path, or a name in the folder that GRU_LAB_DATA names.
        gap: the most frames without a detection within a track.
        window: the most frames of a piece of a track.
    """

    revision: ClassVar = 2

    file: Path = Path("tracks.txt")
    gap: Annotated[int, Range(0)] = 10
    window: Annotated[int, Range(3)] = 100

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (files.user_file(self.file, "task.file"),)

    @cached_property
    def _splits(self) -> dict[str, tuple[Batch, np.ndarray]]:
        """The batch of each split, and what constant velocity answers."""
        pieces = []
        for boxes, seen in mot.read_tracks(self.files()[0], self.gap):
            for start in range(0, len(seen), self.window):
                begin = start + int(seen[start:].argmax())
                part = slice(begin, start + self.window)
                if seen[part].sum() >= 3:
                    pieces.append((boxes[part], seen[part]))
        begin, end = (int(len(pieces) * share) for share in SHARES)
        parts = {"train": pieces[:begin], "validation": pieces[begin:end], "test": pieces[end:]}
        for split, part in parts.items():
            if not part:
                self.refuse("file", f"its {len(pieces)} tracks are too few: {split} has none of them")
        train = np.concatenate([boxes[seen] for boxes, seen in parts["train"]])
        changes = np.concatenate([np.diff(boxes[seen], axis=0) for boxes, seen in parts["train"]])
        middle, extent, unit = train.mean(axis=0), train.std() + 1e-6, changes.std(axis=0) + 1e-6
        return {split: _asked(part, middle, extent, unit) for split, part in parts.items()}

    @property
    def floor(self) -> float:
        """The loss of constant velocity on the test part."""
        batch, answers = self._splits["test"]
        return float(self.loss(jnp.asarray(answers), batch).mean)

    def source(self) -> InMemory:
        """The tracks of every split."""
        return InMemory({split: batch for split, (batch, _) in self._splits.items()})


def _asked(pieces: list[tuple[np.ndarray, np.ndarray]], middle: Any, extent: Any, unit: Any) -> tuple[Batch, Any]:
    """Pieces of tracks as a batch, and the answers of constant velocity."""
    lengths: Any = np.array([len(seen) for _, seen in pieces], np.int32)
    boxes, seen = np.zeros((len(pieces), lengths.max(), 4)), np.zeros((len(pieces), lengths.max()), bool)
    for n, (piece, there) in enumerate(pieces):
        boxes[n, : len(there)], seen[n, : len(there)] = piece, there
    boxes = boxes.astype(np.float32)
    past = past_of(jnp.asarray(boxes), jnp.asarray(seen))
    latest, change, ahead = (np.asarray(each)[:, :-1] for each in past)
    inputs = np.concatenate([(latest - middle) / extent, change / unit, seen[:, :-1, None]], axis=-1)
    targets = np.where(seen[:, 1:, None], (boxes[:, 1:] - latest) / unit, 0)
    weights: Any = seen[:, 1:].astype(np.float32)
    return Batch(np.float32(inputs), np.float32(targets), lengths - 1, weights), np.float32(ahead / unit)


@register("bouncing_digits")
@dataclass(frozen=True, kw_only=True)
class BouncingDigits(Tracks):
    """A digit's box moves straight through the unit square and bounces off its walls; detections of it are not perfect.

        truth        .50  .55  .60  .65        middle x, at a speed of .05 per frame
        detections   .51  .56   -   .24        noise, a gap, clutter: answer the truth, not the clutter

    A detection has Gaussian `noise`, is missing in `gaps` of the frames, and in `clutter` of them is a box that stands
    elsewhere. The first frame has a detection of the digit itself. Both velocities of a digit are uniform up to
    `speed`, which is also the unit of the answer: the true next box, seen from the latest detection.
    The moving digits follow Srivastava et al. 2015, arXiv:1502.04681; the detections are ours.

    Attributes:
        length: the number of frames.
        speed: the largest velocity along an axis, in widths of the square per frame.
        noise: standard deviation of a detection.
        gaps: the share of frames without a detection.
        clutter: the share of frames with a box that stands elsewhere.
    """

    length: Annotated[int, Range(3)] = 40
    speed: Positive = 0.05
    noise: NonNegative = 0.005
    gaps: Annotated[float, Range(0, 0.9)] = 0.2
    clutter: Probability = 0.1

    @property
    def floor(self) -> float:
        """The loss of constant velocity, on 4,096 sequences."""
        batch, answers = self._drawn(jax.random.key(0), JUDGED)
        return float(self.loss(answers, batch).mean)

    def sample(self, key: Key, batch: int) -> Batch:
        """Fresh sequences."""
        return self._drawn(key, batch)[0]

    def truth(self, key: Key, batch: int) -> Array:
        """The true boxes (batch, length + 1, 4)."""
        k_size, k_place, k_speed = jax.random.split(key, 3)
        sizes_B2 = jax.random.uniform(k_size, (batch, 2), minval=0.1, maxval=0.25)
        room_B12 = (1 - sizes_B2)[:, None]
        starts_B12 = jax.random.uniform(k_place, (batch, 1, 2)) * room_B12
        speeds_B12 = jax.random.uniform(k_speed, (batch, 1, 2), minval=-self.speed, maxval=self.speed)
        way_BT2 = (starts_B12 + speeds_B12 * jnp.arange(self.length + 1.0)[None, :, None]) % (2 * room_B12)
        middles_BT2 = jnp.where(way_BT2 > room_B12, 2 * room_B12 - way_BT2, way_BT2) + sizes_B2[:, None] / 2
        return jnp.concatenate([middles_BT2, jnp.broadcast_to(sizes_B2[:, None], middles_BT2.shape)], axis=-1)

    def _drawn(self, key: Key, batch: int) -> tuple[Batch, Array]:
        """Fresh sequences, and what constant velocity answers."""
        k_truth, k_noise, k_gap, k_clutter, k_where = jax.random.split(key, 5)
        truth_BT4 = self.truth(k_truth, batch)
        shape = truth_BT4.shape[:2]
        first = jnp.arange(shape[1])[None] == 0
        seen_BT = first | (jax.random.uniform(k_gap, shape) >= self.gaps)
        false_BT = ~first & (jax.random.uniform(k_clutter, shape) < self.clutter)
        boxes_BT4 = truth_BT4 + self.noise * jax.random.normal(k_noise, truth_BT4.shape)
        largest = jnp.array([0.9, 0.9, 0.25, 0.25])
        elsewhere_BT4 = jax.random.uniform(k_where, truth_BT4.shape, minval=0.1, maxval=largest)
        boxes_BT4 = jnp.where(false_BT[..., None], elsewhere_BT4, boxes_BT4)
        latest, change, ahead = (each[:, :-1] for each in past_of(boxes_BT4, seen_BT))
        flags_BT1 = seen_BT[:, :-1, None].astype(latest.dtype)
        inputs = jnp.concatenate([2 * latest - 1, change / self.speed, flags_BT1], axis=-1)
        return Batch(inputs, (truth_BT4[:, 1:] - latest) / self.speed), ahead / self.speed
