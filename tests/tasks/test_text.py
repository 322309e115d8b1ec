"""Character models: their windows, their floors, and a network that writes."""

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny

from gru_lab import UserError, tasks
from gru_lab.programs import generate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def text(tmp_path):
    """A task on a file of the user's with a given text."""

    def task(characters, length=8, **fields):
        path = tmp_path / "mine.txt"
        path.write_bytes(characters if isinstance(characters, bytes) else characters.encode())
        return tasks.create("text", file=path, length=length, **fields)

    return task


def test_every_held_out_character_but_the_first_is_asked_for_once(text):
    task = text("".join(chr(97 + n % 26) for n in range(1000)) * 2)
    batch = jax.tree.map(np.asarray, task.source().holdout("test", 1))
    asked = [task.vocabulary[n] for n in batch.targets[batch.weights == 1]]
    assert "".join(asked) == task.texts()["test"][1:]
    for xs, ys, weights in zip(batch.inputs, batch.targets, batch.weights, strict=True):
        assert (xs[1:] == ys[:-1]).all()  # the answer is the next character
        assert weights[-1] == 1 and (weights.all() or not weights[:4].any())  # after half a window


def test_training_windows_are_pieces_of_the_training_part(text):
    task = text("the sea was calm and no wind blew " * 40)
    source = task.source()
    batch = source.draw(source.arrays(), jax.random.key(0), 40)
    pieces = {"".join(task.vocabulary[n] for n in (*xs, ys[-1])) for xs, ys in zip(batch.inputs, batch.targets)}  # noqa: B905
    assert len(pieces) > 10 and all(piece in task.texts()["train"] for piece in pieces)


def test_the_floors_of_a_text_are_those_of_counting():
    task = tasks.create("tiny_shakespeare")
    train, test = (task.texts()[split] for split in ("train", "test"))
    v, singles, pairs = len(task.vocabulary), Counter(train), Counter(pairwise(train))
    firsts = Counter(train[:-1])
    marginal = -sum(math.log2((singles[c] + 1) / (len(train) + v)) for c in test[1:]) / (len(test) - 1)
    markov = -sum(math.log2((pairs[a, b] + 1) / (firsts[a] + v)) for a, b in pairwise(test)) / (len(test) - 1)
    assert abs(task.marginal - marginal) < 1e-9 and abs(task.floor - markov) < 1e-9 and markov < marginal


def test_real_shakespeare_has_the_published_counts(real_data):
    task = tasks.create("tiny_shakespeare")
    assert len(task.vocabulary) == 65
    assert "".join(task.texts().values()) == (real_data / "tiny_shakespeare" / "input.txt").read_text()
    assert task.texts()["test"] not in task.texts()["train"]


@pytest.mark.parametrize(("content", "length", "why"), [
    (b"", 8, "mine.txt is empty"),
    (b" \n\n", 8, "mine.txt is empty"),
    (b"good\nbad \xff line\n" * 9, 8, "line 2: byte 0xff is not UTF-8"),
    ("é" * 100, 8, "task.length is 8: the validation part of the text has 5 characters"),
])  # fmt: skip
def test_a_wrong_text_is_refused(text, content, length, why):
    with pytest.raises(UserError, match=why):
        text(content, length).source()


def test_a_file_that_is_not_there_is_named(tmp_path):
    (tmp_path / "poems.txt").write_text("x")
    with pytest.raises(UserError, match=r"task.file is .*/poem.txt': there is no file .* Did you mean 'poems.txt'"):
        tasks.create("text", file=tmp_path / "poem.txt").files()


def test_drawing_keeps_the_likeliest():
    logits = np.log([0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(generate.chances(logits), [0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(generate.chances(logits, temperature=0.5), np.array([1, 16, 4, 9]) / 30)
    np.testing.assert_allclose(generate.chances(logits, top_k=2), [0, 4 / 7, 0, 3 / 7])
    np.testing.assert_allclose(generate.chances(logits, top_p=0.7), [0, 4 / 7, 0, 3 / 7])
    np.testing.assert_allclose(generate.chances(logits, top_p=0.71), np.array([0, 4, 2, 3]) / 9)
    assert generate.chances(logits, temperature=0).tolist() == [0, 1, 0, 0]


@pytest.mark.slow
def test_a_trained_model_writes_what_it_has_learned(text, tmp_path, capsys):
    task = text("abcd" * 300, length=6)
    ours = tiny.experiment(
        "gru", task, seeds=1, updates=200, evaluate_every=100, batch=8, optimizer=tiny.adam(learning_rate=0.1)
    )
    run = str(tiny.run(ours, tmp_path / "sweep").folder)
    assert generate.main([run, "abca", "--characters", "20", "--temperature", "0"]) == 0
    assert capsys.readouterr().out == "abca" + "bcda" * 5 + "\n"
    drawn = [
        (generate.main([run, "a", "--temperature", "5", "--seed", seed]), capsys.readouterr().out) for seed in "112"
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    for wrong, why in [
        ([run, "abX"], "the text has 'X', which the vocabulary of 4 characters lacks"),
        ([run, ""], "the prompt is empty"),
        ([run, "a", "--top-p", "0"], "--top-p is 0.0: it must be above 0 and at most 1"),
        ([run, "a", "--top-k", "0"], "--top-k is 0: it must be at least 1"),
        ([str(tmp_path), "a"], ""),
    ]:
        assert generate.main(wrong) == 2 and why in capsys.readouterr().err
