"""Spoken digits, as log-mel frames or as raw waveform."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch, InMemory, sets, speech
from gru_lab.schema import Range
from gru_lab.tasks.task import Task, register

HELD_OUT = 5  # recordings of each digit and speaker, in each held-out set


@register("spoken_digit")
@dataclass(frozen=True, kw_only=True)
class SpokenDigit(Task):
    """A spoken digit; the answer at the end is the digit.

    `form` is `log_mel`, a frame of 40 bands per 10 ms, or `raw`, 8,000 samples per second. Recordings longer than
    `seconds` are cut; shorter ones have their length. Log-mel frames have mean 0 and deviation 1 in each band over the
    training set. The split is the published one: of each digit and speaker the recordings 0 to 4 are the test set; 5 to
    9 are held out for validation. Solved: 95% right.
    Source: Jackson et al., Free Spoken Digit Dataset, 3,000 recordings of six speakers.
    """

    revision: ClassVar = 2
    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"

    form: Literal["log_mel", "raw"] = "log_mel"
    seconds: Annotated[float, Range(0.05, 10)] = 1.0

    @property
    def inputs(self) -> int:
        """The bands of a frame, or one sample."""
        return speech.BANDS if self.form == "log_mel" else 1

    @property
    def outputs(self) -> int:
        """Ten digits."""
        return 10

    @property
    def floor(self) -> float:
        """The share of the test set that the commonest digit of the training set has."""
        parts = self._parts()
        labels = sets.load(speech.SPOKEN_DIGIT)["train"]["label"]
        return float(np.mean(labels[parts["test"]] == np.bincount(labels[parts["train"]]).argmax()))

    @property
    def threshold(self) -> float:
        """95% right."""
        return 0.95

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (sets.prepare(speech.SPOKEN_DIGIT),)

    def _parts(self) -> dict[str, np.ndarray]:
        """The places of each split's recordings."""
        index = sets.load(speech.SPOKEN_DIGIT)["train"]["index"]
        group = np.minimum(index // HELD_OUT, 2)
        return {split: np.flatnonzero(group == n) for split, n in (("test", 0), ("validation", 1), ("train", 2))}

    def source(self) -> InMemory:
        """The recordings of every split."""
        data, parts = sets.load(speech.SPOKEN_DIGIT)["train"], self._parts()
        samples = int(self.seconds * speech.RATE)
        cut = [recording[:samples] for recording in data["audio"]]
        if self.form == "log_mel":
            cut = [speech.log_mel(recording) for recording in cut]
            seen = np.concatenate([cut[n] for n in parts["train"]])
            mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-6
            cut = [(frames - mean) / deviation for frames in cut]
        lengths = np.array([len(each) for each in cut], np.int32)
        padded = sets.Ragged(np.concatenate(cut), lengths).padded()

        def batch(places: np.ndarray) -> Batch:
            counted: Any = lengths[places]
            return Batch(padded[places], data["label"][places], counted)

        def unpack(batch: Batch) -> Batch:
            xs_BT = jnp.asarray(batch.inputs)
            return batch if xs_BT.ndim == 3 else batch._replace(inputs=xs_BT[..., None].astype(jnp.float32) / 32768)

        return InMemory({split: batch(places) for split, places in parts.items()}, unpack)
