"""Speech: the splits, frames of a known tone, and recordings that are not what they must be."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
import specimens
from scipy.io import wavfile

from gru_lab import UserError, tasks
from gru_lab.data import sets, speech


def tone(hertz, rate=speech.RATE, seconds=0.5, kind=np.int16):
    wave = io.BytesIO()
    steps = np.arange(int(rate * seconds))
    wavfile.write(wave, rate, (8000 * np.sin(2 * np.pi * hertz * steps / rate)).astype(kind))
    return wave.getvalue()


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_a_tone_is_loudest_in_the_band_of_its_frequency(hertz, rate):
    frames = speech.log_mel(speech.read_wave(tone(hertz, rate), "tone", rate), rate)
    assert frames.shape == (1 + (4000 - 200) // 80, 40)
    mel = 2595 * np.log10(1 + hertz / 700)
    place = mel / (2595 * np.log10(1 + rate / 2 / 700)) * 41 - 1  # between the middles of the bands
    assert (abs(frames.argmax(axis=1) - place) <= 1).all()


def test_a_short_recording_has_one_frame():
    assert speech.log_mel(np.ones(50, np.int16)).shape == (1, 40)


def test_log_mel_frames_are_standardised_on_the_training_set():
    parts = tasks.create("spoken_digit").source().splits
    seen = np.concatenate([xs[:n] for xs, n in zip(parts["train"].inputs, parts["train"].lengths, strict=True)])
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(seen.std(axis=0), 1, atol=1e-3)
    assert [len(parts[split].targets) for split in ("train", "validation", "test")] == [50, 50, 50]


def test_a_raw_recording_is_cut_and_scaled():
    source = tasks.create("spoken_digit", form="raw", seconds=0.25).source()
    kept, seen = source.splits["test"], source.holdout("test", 1)
    assert seen.inputs.shape == (50, 2000, 1) and int(seen.lengths.max()) == 2000 and int(seen.lengths.min()) < 2000
    np.testing.assert_allclose(np.asarray(seen.inputs)[..., 0] * 32768, kept.inputs, atol=1e-2)


@pytest.mark.slow
def test_real_digits_have_the_published_split(real_data):
    data = sets.load(speech.SPOKEN_DIGIT)["train"]
    parts = tasks.create("spoken_digit").parts()
    assert [len(parts[split][1]) for split in ("train", "validation", "test")] == [2400, 300, 300]
    held_out = {sound.tobytes() for sound in parts["test"][0]}
    assert {int(n) for n, sound in zip(data["index"], data["audio"], strict=True) if sound.tobytes() in held_out} == {
        *range(5)
    }
    assert (np.bincount(parts["test"][1]) == 30).all()
    sounds = {split: {sound.tobytes() for sound in recordings} for split, (recordings, _) in parts.items()}
    assert not sounds["test"] & (sounds["train"] | sounds["validation"])


@pytest.mark.parametrize(("wave", "why"), [
    (tone(300, rate=16000), "7_ann_0.wav has 16,000 samples per second where 8,000 are expected"),
    (tone(300, kind=np.float32), "7_ann_0.wav is not a recording of one channel with 16 bits"),
    (tone(300)[:30], r"7_ann_0.wav \(30 bytes\) is damaged or not a WAV file"),
    (None, "recordings.tar.gz holds no recording named as in 7_jackson_32.wav"),
])  # fmt: skip
def test_a_wrong_recording_is_refused_and_nothing_is_left(tmp_path, monkeypatch, wave, why):
    folder = tmp_path / "spoken_digit"
    folder.mkdir()
    with tarfile.open(folder / "recordings.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("recordings/7_ann_0.wav" if wave else "other.wav")
        member.size = len(wave or b"")
        archive.addfile(member, io.BytesIO(wave or b""))
    sums = hashlib.sha256((folder / "recordings.tar.gz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{sums}  recordings.tar.gz\n")
    monkeypatch.setenv("GRU_LAB_DATA", str(tmp_path))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    with pytest.raises(UserError, match=why):
        sets.prepare(speech.SPOKEN_DIGIT)
    assert not [path for path in (tmp_path / "tfds").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_commands_are_split_by_their_lists_and_noise_is_cut_into_seconds_of_silence():
    parts = tasks.create("speech_commands").parts()
    labels = {split: np.bincount(each, minlength=12).tolist() for split, (_, each) in parts.items()}
    assert labels["train"] == [6] * 10 + [3, 12]  # 40,000 samples of noise: three seconds that overlap
    assert labels["validation"] == [2] * 10 + [3, 4]
    assert labels["test"] == [1] * 10 + [1, 2]
    sounds = {split: {sound.tobytes() for sound in recordings} for split, (recordings, _) in parts.items()}
    assert not sounds["train"] & sounds["validation"] and not sounds["test"] & (sounds["train"] | sounds["validation"])
    quiet = [len(sound) for sound, label in zip(*parts["train"], strict=True) if label == speech.SILENCE]
    assert quiet == [16000] * 3


def test_commands_are_log_mel_frames_or_samples_at_their_own_rate():
    batch = tasks.create("speech_commands").source().splits["train"]
    assert batch.inputs.shape == (75, 98, 40) and set(batch.lengths.tolist()) == {28, 58, 98}
    raw = tasks.create("speech_commands", form="raw", seconds=0.5).source().splits["train"]
    assert raw.inputs.shape == (75, 8000)


def test_an_archive_without_its_lists_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GRU_LAB_DATA", str(tmp_path))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    wave = tone(300, 16000)
    archives = [{"yes/0.wav": wave}, {"validation_list.txt": b"", "testing_list.txt": b"", "yes/1.wav": tone(300)}]
    for archive, why in zip(archives, ["lacks validation_list.txt", "yes/1.wav has 8,000 samples"], strict=True):
        (tmp_path / "speech_commands").mkdir(exist_ok=True)
        for file, files in zip(speech.SPEECH_COMMANDS.files, (archive, {"yes/0.wav": wave}), strict=True):
            (tmp_path / "speech_commands" / file.name).write_bytes(specimens.archived(files))
        sums = [
            f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}"
            for p in (tmp_path / "speech_commands").glob("*.gz")
        ]
        (tmp_path / "speech_commands" / "SHA256SUMS").write_text("\n".join(sums))
        with pytest.raises(UserError, match=why):
            sets.prepare(speech.SPEECH_COMMANDS)
