"""What counts in losses and metrics, for every kind of answer; tasks that a user writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import UserError, tasks
from gru_lab.data import Batch, InMemory, Sum
from gru_lab.tasks import Task


@dataclass(frozen=True)
class Asked(Task):
    """A task of which only the loss is looked at."""

    inputs: ClassVar = 2
    outputs: ClassVar = 3
    answer: ClassVar = "class"
    readout: ClassVar = "every"

    def sample(self, key, batch):
        raise AssertionError("not sampled here")


@dataclass(frozen=True)
class Real(Asked):
    answer: ClassVar = "real"


@dataclass(frozen=True)
class Labels(Asked):
    answer: ClassVar = "labels"


def test_padding_does_not_count_with_a_readout_at_every_step():
    classes = jnp.array([[0, 2, 1, 1, 1]])
    right = 100.0 * jax.nn.one_hot(jnp.array([[0, 2, 0, 0, 0]]), 3)  # right at the two steps there are, wrong after
    sums = Asked().measure(right, Batch(jnp.zeros((1, 5, 2)), classes, lengths=jnp.array([2])))
    assert sums["loss"].count == 2 and sums["loss"].mean < 1e-6 and sums["accuracy"].mean == 1


@pytest.mark.parametrize("answer", [Asked, Real, Labels])
def test_the_loss_is_the_weighted_mean_of_what_the_task_says(answer):
    rng = np.random.default_rng(0)
    outputs, weights = rng.standard_normal((2, 4, 3)), rng.random((2, 4))
    shape = (2, 4) if answer is Asked else (2, 4, 3)
    targets = rng.standard_normal(shape) if answer is Real else rng.integers(0, 2, shape)
    exp = np.exp(outputs)
    each = {
        Asked: lambda: -np.log(np.take_along_axis(exp, targets[..., None], -1)[..., 0] / exp.sum(-1)),
        Real: lambda: ((outputs - targets) ** 2).mean(-1),
        Labels: lambda: -np.log(np.where(targets, exp / (1 + exp), 1 / (1 + exp))).sum(-1),
    }[answer]()
    lengths = np.array([4, 3])
    counted = weights * (np.arange(4) < lengths[:, None])
    batch = jax.tree.map(jnp.asarray, Batch(np.zeros((2, 4, 2)), targets, lengths, weights))
    loss = answer().loss(jnp.asarray(outputs), batch)
    np.testing.assert_allclose(loss.mean, np.average(each, weights=counted), rtol=1e-5)
    np.testing.assert_allclose(loss.count, counted.sum(), rtol=1e-6)


def test_what_does_not_count_may_be_anything():
    """A class of -100 marks in much code the steps without an answer."""
    outputs, weights = jnp.ones((1, 3, 3)), jnp.array([[1.0, 0, 1]])
    batch = Batch(jnp.zeros((1, 3, 2)), jnp.array([[1, -100, 2]]), weights=weights)
    value, gradient = jax.value_and_grad(lambda o: Asked().loss(o, batch).mean)(outputs)
    np.testing.assert_allclose(value, np.log(3), rtol=1e-6)
    assert np.isfinite(gradient).all() and not gradient[0, 1].any()


def test_the_mean_of_nothing_is_nan():
    assert np.isnan(Sum(jnp.zeros(()), jnp.zeros(())).mean)


@pytest.mark.parametrize(
    ("task", "targets", "words"),
    [
        (Asked, jnp.zeros((1, 4)), "task Asked has targets of dtype float32: classes must be whole numbers"),
        (Real, jnp.zeros((1, 4)), r"task Real has targets of shape \(1, 4\)"),
        (Labels, jnp.zeros((1, 4), int), r"task Labels has targets of shape \(1, 4\)"),
        (Asked, jnp.zeros((1, 5), int), "task Asked has answers of shape"),
    ],
)
def test_targets_that_do_not_fit_are_refused_rather_than_broadcast(task, targets, words):
    steps = targets.shape[1] if task is Asked else 4
    with pytest.raises(UserError, match=words):
        task().loss(jnp.zeros((1, steps, 3)), Batch(jnp.zeros((1, 4, 2)), targets))


def test_a_task_that_lacks_something_says_so_when_it_is_made():
    def made(**members):
        return dataclass(frozen=True)(type("Mine", (Task,), members))()

    whole = {"inputs": 1, "outputs": 1, "answer": "real", "sample": lambda self, key, batch: None}
    made(**whole)
    for name, words in (("inputs", "how many"), ("outputs", "how many"), ("answer", "'real'"), ("sample", "source")):
        with pytest.raises(UserError, match=f"task Mine lacks `{name}`.*{words}"):
            made(**{key: value for key, value in whole.items() if key != name})
    with pytest.raises(UserError, match="task Mine lacks `score`"):
        made(**whole, scored=True)


def test_without_a_threshold_nothing_is_solved():
    solved = Asked().solved(jnp.array([0.0, 1.0]))
    assert Asked().threshold is None and Asked().floor is None and solved.shape == (2,) and not solved.any()
    assert tasks.create("adding").solved(0.009) and not tasks.create("adding").solved(0.011)


@dataclass(frozen=True)
class Ages(Task):
    """A task on a file of the user's: numbers, the last column is asked."""

    answer: ClassVar = "real"
    inputs: ClassVar = 1
    outputs: ClassVar = 1
    scored: ClassVar = True
    metric: ClassVar = "median_error"

    path: str = ""

    def files(self):
        return (Path(self.path),)

    def source(self):
        table = np.load(self.path) if self.path.endswith("npy") else np.loadtxt(self.path, delimiter=",")
        table = table.astype(np.float32)
        whole = Batch(table[:, :-1, None], table[:, -1:])
        ends = {"train": slice(0, 6), "validation": slice(6, 8), "test": slice(8, None)}
        return InMemory(
            {split: jax.tree.map(lambda leaf, part=part: leaf[part], whole) for split, part in ends.items()}
        )

    def score(self, predictions, batch):
        return {"median_error": float(np.median(np.abs(np.asarray(predictions) - batch.targets)))}


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_a_task_on_a_file_of_the_users(tmp_path, ending):
    table, path = np.random.default_rng(0).random((12, 5)), tmp_path / f"ages.{ending}"
    np.save(path, table) if ending == "npy" else np.savetxt(path, table, delimiter=",")
    task = Ages(path=str(path))
    source, test = task.source(), task.source().holdout("test", 1)
    batch = source.draw(source.arrays(), jax.random.key(0), 5)
    assert task.files() == (path,) and batch.inputs.shape == (5, 4, 1) and batch.targets.shape == (5, 1)
    assert {float(t) for t in batch.targets[:, 0]} <= {float(t) for t in table[:6, -1].astype(np.float32)}
    np.testing.assert_allclose(test.targets[:, 0], table[8:, -1], rtol=1e-6)
    outputs = jnp.asarray(test.targets) + 0.5
    assert task.score(task.predictions(outputs, test), test)[task.metric] == pytest.approx(0.5)
