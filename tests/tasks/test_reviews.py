"""Reviews: words become symbols by their frequency in training, and files that are not what they must be."""

import gzip
import json
from collections import Counter

import numpy as np
import pytest

from gru_lab import UserError, tasks
from gru_lab.data import sets, text


@pytest.fixture
def bring(tmp_path, monkeypatch):
    """A folder with a file of reviews per split."""

    def write(train, test):
        (tmp_path / "imdb").mkdir()
        for split, lines in (("train", train), ("test", test)):
            (tmp_path / "imdb" / f"{split}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        monkeypatch.setenv("GRU_LAB_DATA", str(tmp_path))
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))

    return write


def line(words, label):
    return json.dumps({"text": words, "label": label})


def test_words_are_symbols_by_their_frequency_in_training(bring):
    train = [line(f"The film<br />was GOOD{' good' * n}", n % 2) for n in range(20)]
    bring(train, [line("Good, isn't it? the film", 1)])
    task = tasks.create("imdb_reviews", vocabulary=3, longest=6)
    source = task.source()
    data = sets.load(text.IMDB)["train"]["text"]
    kept = [data[n].tobytes().decode().lower().replace("<br />", " ").split() for n in range(2, 20)]
    counts = Counter(word for review in kept for word in review)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))[:3]
    want = [ordered.index(word) + 2 if word in ordered else 1 for word in ("good", "isn't", "it", "?", "the", "film")]
    test = source.holdout("test", 1)
    assert test.inputs[0].tolist() == want and test.lengths.tolist() == [6] and ordered[0] == "good"
    assert task.inputs == 5 and int(source.splits["train"].inputs.max()) == 4
    assert (len(source.splits["train"].targets), len(source.splits["validation"].targets)) == (18, 2)


def test_the_last_bytes_of_a_review_are_read():
    task = tasks.create("imdb_reviews", unit="bytes", longest=10)
    test = task.source().holdout("test", 1)
    whole = [review.tobytes()[-10:] for review in sets.load(text.IMDB)["test"]["text"]]
    assert [np.asarray(xs[:n], np.uint8).tobytes() for xs, n in zip(test.inputs, test.lengths, strict=True)] == whole


@pytest.mark.parametrize(("wrong", "why"), [
    ("{", "train.jsonl.gz, line 2: it must hold a text and a label, as JSON"),
    (json.dumps({"text": "x"}), "line 2: it must hold a text and a label"),
    (line("x", 7), "line 2: the label is 7, and it must be 0 or 1"),
])  # fmt: skip
def test_a_wrong_review_is_refused(bring, wrong, why):
    bring([line("fine", 1), wrong], [line("fine", 1)])
    with pytest.raises(UserError, match=why):
        sets.prepare(text.IMDB)


@pytest.mark.slow
def test_real_reviews_have_the_published_counts(real_data):
    data = sets.load(text.IMDB)
    for split in ("train", "test"):
        assert len(data[split]["label"]) == 25000 and data[split]["label"].sum() == 12500
    words = np.array([len(review.tobytes().split()) for split in ("train", "test") for review in data[split]["text"]])
    assert round(words[:25000].mean()) == 234 and words.max() == 2470
