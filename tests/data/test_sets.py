"""Data sets from a user's files: real ones with their published counts, and files that are not what they must be."""

import gzip
import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import specimens

from gru_lab import UserError
from gru_lab.composition import compose
from gru_lab.data import files, images, music, sets

ROOT = Path(__file__).parents[2]


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """A folder of specimens of the test's own, and nothing prepared."""
    folder = tmp_path / "brought"
    specimens.write(folder)
    monkeypatch.setenv("GRU_LAB_DATA", str(folder))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return folder


def unlisted(folder):
    """Without its list of digests a folder counts as the published set."""
    (folder / "SHA256SUMS").unlink()


def left(tmp_path):
    """What a preparation that failed has left behind, beside its lock."""
    return [path for path in (tmp_path / "tfds").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_images_arrive_as_their_files_have_them(brought):
    data = sets.load(images.MNIST)
    raw = gzip.decompress((brought / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    pixels = np.frombuffer(raw, np.uint8).reshape(-1, 28, 28, 1)
    want = sorted((image.tobytes(), n % 10) for n, image in enumerate(pixels))
    test = data["test"]
    got = sorted((image.tobytes(), int(label)) for image, label in zip(test["image"], test["label"], strict=True))
    assert got == want and len(data["train"]["image"]) == specimens.TRAIN


def test_a_colour_image_is_read_colour_by_colour(brought):
    test = sets.load(images.CIFAR10)["test"]
    packed = images._read_cifar({"": (brought / "cifar10" / "cifar-10-binary.tar.gz").read_bytes()})["test"]
    reds = {np.asarray(example["image"])[:, :, 0].tobytes() for _, example in packed}
    assert {image[:, :, 0].tobytes() for image in test["image"]} == reds and test["image"].stacked.shape[-1] == 3
    rng = np.random.RandomState(2)
    rng.randint(0, 256, (specimens.TRAIN, 3072))
    first = rng.randint(0, 256, (specimens.TEST, 3072))[0].astype(np.uint8)
    assert first[:1024].tobytes() in reds  # the file has all of red first


def test_the_same_data_give_the_same_file_wherever_they_come_from(brought, tmp_path, monkeypatch):
    said = []
    first = sets.prepare(images.MNIST, said.append).read_bytes()
    (tmp_path / "tfds" / "gru_lab" / "mnist.safetensors").unlink()
    again = sets.prepare(images.MNIST, said.append).read_bytes()  # from the folder that TFDS prepared
    assert first == again and "files of yours" in said[0] and "the prepared folder" in said[1]
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        array = images._idx(gzip.decompress((brought / "mnist" / name).read_bytes()), name)
        (brought / "mnist" / name).write_bytes(gzip.compress(specimens.idx(array[::-1]), 1))
    unlisted(brought / "mnist")
    loose = sets.DataSet(**{**vars(images.MNIST), "files": tuple(files.File(f.name) for f in images.MNIST.files)})
    assert sets.prepare(loose).read_bytes() == first  # compressed otherwise, in another order


def test_processes_that_prepare_at_once_do_it_once(brought):
    said = []
    threads = [threading.Thread(target=sets.prepare, args=(music.SETS["nottingham"], said.append)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 1


def test_without_files_and_without_a_network_it_says_at_once_what_to_bring(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("GRU_LAB_DATA", str(tmp_path))
    asked = []
    monkeypatch.setattr(sets, "reachable", asked.append)
    with pytest.raises(UserError) as told:
        sets.prepare(images.MNIST)
    assert asked == ["storage.googleapis.com"]
    assert f"cannot be reached: put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz into {tmp_path}/mnist/" in str(told.value)  # fmt: skip # noqa: E501
    monkeypatch.delenv("GRU_LAB_DATA")
    why = "TFDS has no download of it: put Piano_midi.mat into FOLDER/poly_music/, and set GRU_LAB_DATA to FOLDER"
    with pytest.raises(UserError, match=why):
        sets.prepare(music.SETS["piano_midi"])
    assert left(tmp_path) == []


def test_a_command_line_names_the_folder(brought, tmp_path, monkeypatch):
    monkeypatch.setenv("GRU_LAB_DATA", str(tmp_path / "elsewhere"))
    (job,) = compose("train", ["task=jsb_chorales", f"paths.manual_dir={brought}"])
    assert job.experiment.identity and files.manual_dir() == brought
    with pytest.raises(UserError, match=r"paths.manual_dir is .*nowhere': there is no such folder"):
        compose("train", [f"paths.manual_dir={tmp_path}/nowhere"])


def test_a_host_that_does_not_exist_is_not_reachable():
    assert not sets.reachable("host.invalid")


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-200])


def other_content(path):
    path.write_bytes(gzip.compress(specimens.idx(np.zeros((3, 28, 28)))))


DAMAGES = {
    "cut short": (cut_short, False, r"train-images-idx3-ubyte.gz \([\d,]+ bytes\) is damaged or cut short"),
    "empty": (lambda path: path.write_bytes(b""), False, r"train-images-idx3-ubyte.gz is empty"),
    "too small": (other_content, True, r"holds 2,368 bytes where the published file holds 47,040,016"),
    "unlisted": (other_content, False, r"has the SHA-256 \w{16}\.\.\. where SHA256SUMS has \w{16}\.\.\."),
    "missing": (lambda path: path.unlink(), False, r"and lacks train-images-idx3-ubyte.gz: put all of them there"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_is_named_and_nothing_is_left(brought, tmp_path, kind):
    damage, published, why = DAMAGES[kind]
    damage(brought / "mnist" / "train-images-idx3-ubyte.gz")
    if published:
        unlisted(brought / "mnist")
    with pytest.raises(UserError, match=why):
        sets.prepare(images.MNIST)
    assert left(tmp_path) == []


def listed_anew(folder):
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}" for p in folder.glob("*.*")]
    (folder / "SHA256SUMS").write_text("\n".join(sums))


@pytest.mark.parametrize(("cells", "why"), [
    ({"traindata": [np.zeros((4, 88))], "validdata": [np.zeros((4, 88))]}, "lacks testdata"),
    ({name: [np.zeros((4, 80))] for name in music.SPLITS.values()}, "sequence 0 of traindata is not a roll"),
    (None, r"JSB_Chorales.mat \(3 bytes\) is damaged or not a MATLAB file"),
])  # fmt: skip
def test_a_wrong_music_file_is_refused_and_nothing_is_left(brought, tmp_path, cells, why):
    from scipy.io import savemat

    path = brought / "poly_music" / "JSB_Chorales.mat"
    path.write_bytes(b"abc")
    if cells is not None:
        arrays = {name: np.empty((1, 1), object) for name in cells}
        for name, (roll,) in cells.items():
            arrays[name][0, 0] = roll
        savemat(path, arrays)
    listed_anew(brought / "poly_music")
    with pytest.raises(UserError, match=why):
        sets.prepare(music.SETS["jsb_chorales"])
    assert left(tmp_path) == []


def test_a_kept_file_that_was_damaged_is_named(brought):
    path = sets.prepare(music.SETS["jsb_chorales"])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"jsb_chorales.safetensors is damaged .*: remove it, and it is made anew"):
        sets.load(music.SETS["jsb_chorales"])


def test_a_prepared_folder_that_lacks_a_split_is_refused(brought, tmp_path):
    part = sets.DataSet(**{**vars(images.MNIST), "splits": ("train", "validation", "test")})
    with pytest.raises(UserError, match="lacks the split validation: remove it"):
        sets.prepare(part)
    assert not (tmp_path / "tfds" / "gru_lab" / "mnist.safetensors").exists()


def test_nothing_of_tensorflow_is_imported(brought):
    source = """
import sys
from gru_lab.data import music, sets
sets.load(music.SETS["jsb_chorales"])
assert "tensorflow_datasets" in sys.modules and "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", source], check=True, cwd=ROOT, capture_output=True)


COUNTS = {  # sequences and frames per split, as the folder's README has them
    "jsb_chorales": ((229, 76, 77), (13807, 4602, 4725)),
    "nottingham": ((694, 173, 170), (176561, 45513, 44463)),
    "musedata": ((524, 135, 124), (245202, 82755, 64339)),
    "piano_midi": ((87, 12, 25), (75911, 8540, 19036)),
}


@pytest.mark.parametrize(
    "name", [*list(COUNTS)[:2], *(pytest.param(name, marks=pytest.mark.slow) for name in list(COUNTS)[2:])]
)
def test_real_music_has_the_published_counts(real_data, name):
    data = sets.load(music.SETS[name])
    rolls = [data[split]["frames"] for split in music.SPLITS]
    assert (tuple(map(len, rolls)), tuple(int(each.lengths.sum()) for each in rolls)) == COUNTS[name]


@pytest.mark.slow
def test_real_mnist_has_the_published_counts_and_mean(real_data):
    data = sets.load(images.MNIST)
    train, test = data["train"], data["test"]
    assert (len(train["label"]), len(test["label"])) == (60000, 10000)
    pixels = train["image"].values / 255
    assert abs(pixels.mean() - 0.1307) < 1e-4 and abs(pixels.std() - 0.3081) < 1e-4
    assert not {image.tobytes() for image in train["image"]} & {image.tobytes() for image in test["image"]}
