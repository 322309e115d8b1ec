"""Tasks on real data: what they ask, their floors computed by other means, and no test sequence in training."""

import itertools
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import tasks
from gru_lab.data import music, sets
from gru_lab.programs import prepare

ROOT = Path(__file__).parents[2]


def holdout(task, split):
    return jax.tree.map(np.asarray, task.source().holdout(split, 1))


def test_an_image_is_read_row_by_row_and_pixel_by_pixel():
    images = sets.load(tasks.get("seq_mnist").dataset)["test"]["image"].stacked[..., 0]
    pixels, rows = (holdout(tasks.create("seq_mnist", steps=steps), "test").inputs for steps in ("pixels", "rows"))
    assert pixels.shape == (24, 784, 1) and rows.shape == (24, 28, 28)
    np.testing.assert_allclose(pixels[:, :, 0], images.reshape(24, 784) / 255, rtol=1e-6)
    np.testing.assert_allclose(rows, images / 255, rtol=1e-6)


def test_a_permutation_is_the_same_for_every_split_and_another_for_another_number():
    plain = tasks.create("seq_mnist")
    first, other = (tasks.create("permuted_mnist", permutation=n) for n in (0, 1))
    assert sorted(first.order()) == list(range(784)) and (first.order() != other.order()).any()
    for split in ("train", "validation", "test"):
        natural = holdout(plain, split).inputs[:, first.order()]
        assert (natural == holdout(first, split).inputs).all()


@pytest.mark.parametrize("name", ["seq_mnist", "seq_cifar10"])
def test_validation_images_are_training_images_held_out(name):
    source = tasks.create(name).source()
    parts = {split: {image.tobytes() for image in source.splits[split].inputs} for split in ("train", "validation")}
    assert len(parts["validation"]) == 20 and len(parts["train"]) == 220 and not parts["train"] & parts["validation"]


def test_music_asks_for_the_next_frame_and_cuts_long_training_pieces():
    task = tasks.create("jsb_chorales", window=4)
    batch = holdout(task, "train")
    rolls = [roll for roll in sets.load(task.dataset)["train"]["frames"] if len(roll) > 1]
    asked = sorted((a.tobytes(), b.tobytes()) for roll in rolls for a, b in itertools.pairwise(roll))
    seen = sorted((a.astype(np.uint8).tobytes(), b.astype(np.uint8).tobytes())
                  for xs, ys, n in zip(batch.inputs, batch.targets, batch.lengths, strict=True)
                  for a, b in zip(xs[:n], ys[:n], strict=True))  # fmt: skip
    assert asked == seen and batch.inputs.shape[1] == 4 and batch.lengths.min() >= 1
    held = holdout(task, "test")
    assert held.lengths.max() == max(map(len, sets.load(task.dataset)["test"]["frames"])) - 1


def nats(task, chance):
    """The loss of given chances by the task's own measure, as a network would be judged."""
    batch = task.source().holdout("test", 1)
    chances = jnp.asarray(chance(np.asarray(batch.inputs)))
    return float(task.measure(jnp.log(chances) - jnp.log1p(-chances), batch)["loss"].mean)


def test_the_floors_of_music_are_the_losses_of_counting():
    task = tasks.create("nottingham")
    ons, pairs = np.ones(88), np.ones((2, 88))
    frames, states = 2, np.full((2, 88), 2)
    for roll in sets.load(task.dataset)["train"]["frames"]:
        for before, after in itertools.pairwise(roll):
            ons, frames = ons + after, frames + 1
            for key in range(88):
                pairs[before[key], key] += after[key]
                states[before[key], key] += 1
    marginal = nats(task, lambda xs: np.broadcast_to(np.float32(ons / frames), xs.shape))
    markov = nats(task, lambda xs: np.float32(np.where(xs > 0, (pairs / states)[1], (pairs / states)[0])))
    assert abs(task.marginal - marginal) < 1e-3 and abs(task.floor - markov) < 1e-3 and markov < marginal


@pytest.mark.parametrize("name", ["jsb_chorales", pytest.param("piano_midi", marks=pytest.mark.slow)])
def test_no_real_test_piece_is_in_training(real_data, name):
    data = sets.load(music.SETS[name])
    train, test = ({roll.tobytes() for roll in data[split]["frames"]} for split in ("train", "test"))
    assert not train & test


def test_the_identity_of_a_run_feels_the_data_alone(tmp_path, monkeypatch):
    from gru_lab import Experiment, cells

    def identity():
        return Experiment(cells.create("gru", hidden=4), tasks.create("jsb_chorales")).identity

    first = identity()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))  # prepared anew elsewhere
    assert identity() == first
    path = tmp_path / "gru_lab" / "jsb_chorales.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert identity() != first


def test_the_script_prepares_and_says_what_it_cannot(tmp_path, monkeypatch, capsys):
    brought = os.environ["GRU_LAB_DATA"]
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    assert prepare.main(["jsb_chorales", "adding", "--from", brought]) == 0
    assert "jsb_chorales.safetensors" in capsys.readouterr().out
    assert prepare.main(["jsb_choral"]) == 2 and "Did you mean 'jsb_chorales'?" in capsys.readouterr().err
    assert prepare.main(["adding", "--from", str(tmp_path / "nowhere")]) == 2
    assert "paths.manual_dir is" in capsys.readouterr().err
