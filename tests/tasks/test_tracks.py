"""Next boxes: the past by other means, sampled objects whose truth is known, and wrong files."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import UserError, tasks
from gru_lab.tasks.tracks import past_of


@pytest.fixture
def table(tmp_path):
    """A task on a file of the user's with given rows."""

    def task(rows, **fields):
        path = tmp_path / "mine.txt"
        path.write_text(rows if isinstance(rows, str) else "".join(",".join(map(str, row)) + "\n" for row in rows))
        return tasks.create("tracks", file=path, **fields)

    return task


def straight(track, frames, speed=3):
    return [(frame, track, 100 + speed * frame, 50 - frame, 20, 40, 0.9) for frame in frames]


def test_the_past_is_that_of_going_through_the_frames():
    rng = np.random.default_rng(0)
    boxes, seen = rng.random((5, 12, 4), np.float32), rng.random((5, 12)) > 0.4
    seen[:, 0] = True
    past = past_of(jnp.asarray(boxes), jnp.asarray(seen))
    for n in range(5):
        known = []
        for t in range(12):
            known += [t] * int(seen[n, t])
            last, before = known[-1], known[-2] if len(known) > 1 else known[-1]
            change = boxes[n, last] - boxes[n, before]
            np.testing.assert_allclose(past.latest[n, t], boxes[n, last])
            np.testing.assert_allclose(past.change[n, t], change * seen[n, t], rtol=1e-6)
            ahead = change / max(last - before, 1) * (t + 1 - last)
            np.testing.assert_allclose(past.ahead[n, t], ahead, rtol=1e-5, atol=1e-7)


def test_bouncing_digits_stay_inside_and_turn_at_the_walls_alone():
    task = tasks.create("bouncing_digits", length=60)
    boxes = np.asarray(task.truth(jax.random.key(0), 200))
    middles, sizes = boxes[..., :2], boxes[..., 2:]
    assert (middles - sizes / 2 >= -1e-6).all() and (middles + sizes / 2 <= 1 + 1e-6).all()
    speeds = np.diff(middles, axis=1)
    turned = np.abs(np.diff(speeds, axis=1)) > 1e-5
    near = np.minimum(middles - sizes / 2, 1 - middles - sizes / 2)[:, 1:-1] <= task.speed + 1e-6
    assert 0 < turned.mean() < 0.2 and not (turned & ~near).any() and (sizes == sizes[:, :1]).all()


def test_the_answer_leads_from_the_latest_detection_to_the_truth():
    task = tasks.create("bouncing_digits", noise=0, clutter=0)
    key = jax.random.key(3)
    batch, truth = task.sample(key, 50), task.truth(jax.random.split(key, 5)[0], 50)
    latest = (batch.inputs[..., :4] + 1) / 2
    np.testing.assert_allclose(latest + task.speed * batch.targets, truth[:, 1:], atol=1e-5)
    seen = np.asarray(batch.inputs[..., 8]) == 1
    assert seen[:, 0].all() and abs(seen[:, 1:].mean() - 0.8) < 0.05
    np.testing.assert_allclose(latest[seen], truth[:, :-1][seen], atol=1e-5)


def test_constant_velocity_errs_at_walls_gaps_and_clutter():
    def floor(**fields):
        return tasks.create("bouncing_digits", **fields).floor

    perfect = {"noise": 0.0, "gaps": 0.0, "clutter": 0.0}
    assert floor(**perfect) < floor(**perfect | {"gaps": 0.3}) < floor(**perfect | {"clutter": 0.1})
    task = tasks.create("bouncing_digits", **perfect, speed=1e-4)  # hardly a wall is met: the first step is all
    assert abs(task.floor - 2 / 3 / 4 / 40) < 4e-4  # two of four numbers change, with a variance of a third


def test_a_straight_track_is_foreseen_through_its_gaps(table):
    frames = [1, 2, 3, 5, 6, 10, 11, 12]
    task = table(
        [row for track in range(20) for row in straight(track, [f + 30 * track for f in frames], track % 5 - 2)]
    )
    source = task.source()
    batch = source.splits["test"]
    assert batch.inputs.shape == (3, 11, 9) and batch.lengths.tolist() == [11] * 3
    asked = [n in frames for n in range(2, 13)]
    assert (batch.weights == np.array(asked)).all()
    answers = task._splits["test"][1]
    shown = np.array(asked) & (np.arange(11) > 0)  # after the first frame there is no velocity yet
    np.testing.assert_allclose(answers[:, shown], batch.targets[:, shown], atol=1e-4)


def test_a_track_is_cut_at_long_gaps_and_at_the_window(table):
    rows = [row for track in range(10) for row in straight(track, [1, 2, 3, 30, 31, 32, 33])]
    assert sum(len(part.lengths) for part in table(rows).source().splits.values()) == 20
    assert sum(len(part.lengths) for part in table(rows, gap=30).source().splits.values()) == 10
    long = [row for track in range(10) for row in straight(track, range(1, 26))]
    parts = table(long, window=10).source().splits.values()
    assert sorted(int(n) for part in parts for n in part.lengths) == [4] * 10 + [9] * 20


@pytest.mark.parametrize(("rows", "why"), [
    ([(1, 1, 5, 5, -3, 4)], "line 1: a box of -3 x 4 has no extent"),
    ([(1, 1, 5, 5, 3, 4), (2, 1, 5, 5, 3, 0)], "line 2: a box of 3 x 0 has no extent"),
    ([(1, 1, 5, 5)], "line 1: it must be frame, id, left, top, width, height, in numbers"),
    ([("", 1, 5, 5, 3, 4)], "line 1: it must be frame, id"),
    ([(0, 1, 5, 5, 3, 4)], "line 1: frame 0 and id 1 must be whole numbers from 1 and from 0 on"),
    ([(1.5, 1, 5, 5, 3, 4)], "line 1: frame 1.5 and id 1 must be whole"),
    ([(1, 1, "nan", 5, 3, 4)], "line 1: a number is not finite"),
    ([(1, 1, 5, 5, 3, 4)] * 2, "line 2: track 1 has a second box in frame 1"),
    ("", "holds no track of at least three detections"),
    (straight(1, range(1, 9)), "its 1 tracks are too few: train has none of them"),
])  # fmt: skip
def test_a_wrong_file_is_refused(table, rows, why):
    with pytest.raises(UserError, match=why):
        table(rows).source()
