"""Speech, as log-mel frames or as raw waveform: spoken digits and Speech Commands."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np

from gru_lab.data import Batch, InMemory, sets, speech
from gru_lab.schema import Range
from gru_lab.tasks.task import Task, register

HELD_OUT = 5  # recordings of each digit and speaker, in each held-out set

Recordings = tuple[Iterable[np.ndarray], np.ndarray]  # samples, labels


@dataclass(frozen=True, kw_only=True)
class Speech(Task):
    """A spoken word; the answer at the end is the word.

    `form` is `log_mel`, a frame of 40 bands per 10 ms, or `raw`, a sample per step. Recordings longer than `seconds`
    are cut; shorter ones have their length. Log-mel frames have mean 0 and deviation 1 in each band over the training
    set.

    Attributes:
        form: a step is a frame of 40 bands, or a sample.
        seconds: where longer recordings are cut.
    """

    answer: ClassVar = "class"
    metric: ClassVar = "accuracy"
    better: ClassVar = "higher"
    dataset: ClassVar[sets.DataSet]
    rate: ClassVar[int]

    form: Literal["log_mel", "raw"] = "log_mel"
    seconds: Annotated[float, Range(0.05, 10)] = 1.0

    def parts(self) -> dict[str, Recordings]:
        """The recordings of each split."""
        raise NotImplementedError

    @property
    def inputs(self) -> int:
        """The bands of a frame, or one sample."""
        return speech.BANDS if self.form == "log_mel" else 1

    @property
    def floor(self) -> float:
        """The share of the test set that the commonest word of the training set has."""
        (_, train), (_, test) = (self.parts()[split] for split in ("train", "test"))
        return float(np.mean(test == np.bincount(train).argmax()))

    def files(self) -> tuple[Path, ...]:
        """See `Task.files`."""
        return (sets.prepare(self.dataset),)

    def source(self) -> InMemory:
        """The recordings of every split."""
        return self._source

    @cached_property
    def _source(self) -> InMemory:
        samples, parts = int(self.seconds * self.rate), self.parts()
        cut = {split: [recording[:samples] for recording in recordings] for split, (recordings, _) in parts.items()}
        if self.form == "log_mel":
            cut = {split: [speech.log_mel(each, self.rate) for each in part] for split, part in cut.items()}
            seen = np.concatenate(cut["train"])
            mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-6
            cut = {split: [(frames - mean) / deviation for frames in part] for split, part in cut.items()}

        def batch(split: str) -> Batch:
            lengths: Any = np.array([len(each) for each in cut[split]], np.int32)
            return Batch(sets.Ragged(np.concatenate(cut[split]), lengths).padded(), parts[split][1], lengths)

        def unpack(batch: Batch) -> Batch:
            xs_BT = jnp.asarray(batch.inputs)
            return batch if xs_BT.ndim == 3 else batch._replace(inputs=xs_BT[..., None].astype(jnp.float32) / 32768)

        return InMemory({split: batch(split) for split in parts}, unpack)


@register("spoken_digit")
@dataclass(frozen=True, kw_only=True)
class SpokenDigit(Speech):
    """A spoken digit at 8,000 samples per second.

    The split is the published one: of each digit and speaker the recordings 0 to 4 are the test set; 5 to 9 are held
    out for validation. Solved: 95% right.
    Source: Jackson et al., Free Spoken Digit Dataset, 3,000 recordings of six speakers.
    """

    revision: ClassVar = 2
    dataset: ClassVar = speech.SPOKEN_DIGIT
    rate: ClassVar = speech.RATE

    @property
    def outputs(self) -> int:
        """Ten digits."""
        return 10

    @property
    def threshold(self) -> float:
        """95% right."""
        return 0.95

    def parts(self) -> dict[str, Recordings]:
        """See `Speech.parts`."""
        data = sets.load(self.dataset)["train"]
        group = np.minimum(data["index"] // HELD_OUT, 2)
        places = {split: np.flatnonzero(group == n) for split, n in (("test", 0), ("validation", 1), ("train", 2))}
        return {split: ([data["audio"][n] for n in each], data["label"][each]) for split, each in places.items()}


@register("speech_commands")
@dataclass(frozen=True, kw_only=True)
class SpeechCommands(Speech):
    """One of ten words, silence, or another word, at 16,000 samples per second, at most a second long.

    The set's second version in the splits of TFDS: about 85,500, 10,100 and 4,900 recordings, of which most in
    training are other words. Ten gigabytes of memory are needed. Tested on generated archives of the same layout
    alone, as no real file was at hand. Solved: 88% right, what the convolutional network of the set's author reached.
    Source: Warden 2018, arXiv:1804.03209.
    """

    dataset: ClassVar = speech.SPEECH_COMMANDS
    rate: ClassVar = speech.COMMANDS_RATE

    @property
    def outputs(self) -> int:
        """Ten words, silence, and all others."""
        return len(speech.WORDS) + 2

    @property
    def threshold(self) -> float:
        """88% right."""
        return 0.88

    def parts(self) -> dict[str, Recordings]:
        """See `Speech.parts`."""
        return {split: (columns["audio"], columns["label"]) for split, columns in sets.load(self.dataset).items()}
