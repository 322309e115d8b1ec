"""The tasks ask what their papers ask: answers recomputed from the inputs by other means."""

import itertools

import jax
import numpy as np
import pytest

from gru_lab import UserError, tasks


@pytest.mark.parametrize("convention", ["arjovsky2016", "bai2018"])
def test_adding_targets_are_the_marked_sums(convention):
    task = tasks.create("adding", length=9, convention=convention)
    batch = task.sample(jax.random.key(0), 500)
    numbers, marks = np.asarray(batch.inputs[..., 0]), np.asarray(batch.inputs[..., 1])
    places = [np.flatnonzero(row) for row in marks]
    assert all(len(place) == 2 for place in places)
    if convention == "arjovsky2016":
        assert all(first < 4 <= second for first, second in places)
    sums = [row[place].sum() for row, place in zip(numbers, places, strict=True)]
    np.testing.assert_allclose(batch.targets[:, 0], sums, rtol=1e-6)
    assert {int(p) for place in places for p in place} == set(range(9))  # every place is marked at times


def test_adding_floor_is_the_error_of_always_answering_one():
    task = tasks.create("adding", length=4)
    targets = np.asarray(task.sample(jax.random.key(0), 200_000).targets)
    assert abs(np.mean((targets - 1) ** 2) - task.floor) < 1e-3


def test_copy_targets_repeat_the_items_after_the_delimiter():
    task = tasks.create("copy", length=7, items=3, alphabet=4)
    batch = task.sample(jax.random.key(0), 50)
    inputs, targets = np.asarray(batch.inputs), np.asarray(batch.targets)
    assert inputs.shape == (50, 7 + 2 * 3)
    assert (inputs[:, :3] >= 1).all() and (inputs[:, :3] <= 4).all()
    delimiter = np.flatnonzero((inputs == 5).all(axis=0))
    assert delimiter.tolist() == [3 + 7 - 1]  # T - 1 blanks stand between the items and the delimiter
    np.testing.assert_array_equal(targets[:, -3:], inputs[:, :3])
    assert not targets[:, :-3].any() and not np.delete(inputs[:, 3:], 6, axis=1).any()


def test_copy_floor_is_the_published_baseline():
    published = {100: 0.1733, 200: 0.0945, 300: 0.0650, 500: 0.0400, 1000: 0.0204, 2000: 0.0103}  # Arjovsky 2016
    for length, value in published.items():
        assert abs(tasks.create("copy", length=length).floor - value) < 1e-4


@pytest.mark.parametrize("relevant", [2, 3])
def test_temporal_order_classes_are_the_order_of_the_relevant_symbols(relevant):
    task = tasks.create("temporal_order", length=100, relevant=relevant)
    batch = task.sample(jax.random.key(0), 400)
    orders = list(itertools.product("XY", repeat=relevant))
    ranges = {2: [(10, 20), (50, 60)], 3: [(10, 20), (33, 43), (66, 76)]}[relevant]
    for row, label, length in zip(*map(np.asarray, (batch.inputs, batch.targets, batch.lengths)), strict=True):
        assert 100 <= length <= 110
        assert row[0] == task.E and row[length - 1] == task.B and (row[length:] == task.E).all()
        places = np.flatnonzero((row == task.X) | (row == task.Y))
        assert len(places) == relevant
        assert all(low <= place <= high for place, (low, high) in zip(places, ranges, strict=True))
        assert tuple("XY"[row[place] - task.X] for place in places) == orders[label]
    assert set(np.asarray(batch.targets)) == set(range(2**relevant))
    assert set(np.asarray(batch.lengths)) == set(range(100, 111))


def test_digits_are_the_images_of_scikit_learn_split_without_overlap():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    source = tasks.create("digits").source()
    sets = [source.holdout(split, 5) for split in ("train", "validation", "test")]
    assert [part.inputs.shape for part in sets] == [(1197, 64, 1), (300, 64, 1), (300, 64, 1)]
    rows = [
        (tuple(np.round(np.asarray(image[:, 0]) * 16)), int(n))
        for part in sets
        for image, n in zip(part.inputs, part.targets, strict=True)
    ]
    assert sorted(rows) == sorted((tuple(p), int(n)) for p, n in zip(pixels, labels, strict=True))


def test_permuted_digits_hold_the_same_grey_values_elsewhere():
    plain, permuted = (
        tasks.create("digits", permuted=flag).source().holdout("test", 1).inputs for flag in (False, True)
    )
    assert not np.array_equal(plain, permuted)
    np.testing.assert_array_equal(np.sort(plain, axis=1), np.sort(permuted, axis=1))


@pytest.mark.parametrize(
    ("name", "fields"),
    [("adding", {"length": 1}), ("copy", {"length": 0}), ("copy", {"alphabet": 1}), ("temporal_order", {"length": 9})],
)
def test_tasks_too_short_are_refused(name, fields):
    with pytest.raises(UserError, match=f"task.{next(iter(fields))} is"):
        tasks.create(name, **fields)


def test_random_labels_are_floored_by_what_the_last_vector_tells():
    task = tasks.create("random_labels", sequences=300, steps=2, width=3)
    batch = task.source().holdout("train", 300)
    rights = 0
    for last in itertools.product((-1.0, 1.0), repeat=3):
        labels = np.asarray(batch.targets)[(np.asarray(batch.inputs)[:, -1] == last).all(axis=1)]
        rights += max((labels == 0).sum(), (labels == 1).sum())
    assert task.floor == rights / 300 and len({row.tobytes() for row in np.asarray(batch.inputs)}) <= 64
    other = tasks.create("random_labels", sequences=300, steps=2, width=3, draw=1).source().holdout("train", 300)
    assert not np.array_equal(batch.targets, other.targets)
