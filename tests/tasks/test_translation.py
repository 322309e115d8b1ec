"""Translation: words, pairs and their symbols, the real set's counts, and wrong files."""

import gzip
import math
from collections import Counter

import jax
import numpy as np
import pytest
import specimens

from gru_lab import UserError, tasks
from gru_lab.data import sets
from gru_lab.data.multi30k import multi30k
from gru_lab.data.words import BEGIN, END, UNKNOWN, sentence_of, words_of


def holdout(task, split):
    return jax.tree.map(np.asarray, task.source().holdout(split, 1))


def read(task, batch, n):
    """The source, the words so far and the answers of a pair, as words; of both forms."""
    source, target = task.vocabularies
    asked = batch.weights[n] == 1
    answers = target.decode(batch.targets[n][asked])
    if task.form == "joined":
        row = batch.inputs[n]
        return source.decode(row[~asked]), list(row[asked] - len(source)), answers
    return source.decode(batch.inputs[0][n]), list(batch.inputs[1][n][asked]), answers


@pytest.mark.parametrize("form", ["pair", "joined"])
def test_every_pair_is_asked_word_by_word(form):
    task = tasks.create("multi30k", form=form, minimum=1)
    batch = holdout(task, "train")
    want = sorted((tuple(words_of(a)), tuple(words_of(b))) for a, b in task.sentences("train"))
    got = []
    for n, length in enumerate(batch.lengths):
        source, so_far, answers = read(task, batch, n)
        encoded = task.vocabularies[1].encode(answers)
        assert so_far == [BEGIN, *encoded]  # each answer is seen at the step after it
        assert batch.targets[n][batch.weights[n] == 1].tolist() == [*encoded, END]
        assert length == (len(source) + len(answers) + 2 if form == "joined" else max(len(source), len(answers)) + 1)
        got.append((tuple(source), tuple(answers)))
    assert sorted(got) == want


def test_training_leaves_long_pairs_out_and_words_share_a_symbol_where_they_are_rare():
    task = tasks.create("multi30k", longest=5, minimum=240)
    short = holdout(task, "train")
    assert 0 < len(short.targets) < specimens.TRAIN and short.lengths.max() == 6
    assert holdout(task, "test").lengths.max() == 9  # the first word, six numbers, the full stop and the end
    names = {word for pair in task.sentences("train") for word in words_of(pair[1])}
    assert set(task.vocabularies[1].words) < names and (short.targets == UNKNOWN).any()
    assert (tasks.create("multi30k", reverse=True).encode("One two.")[::-1][1:] == task_symbols("One two.")).all()
    with pytest.raises(UserError, match=r"task.longest is 1: no training pair is that short"):
        tasks.create("multi30k", longest=1).source()
    with pytest.raises(UserError, match=r"task.target_language is 'en': it must be another"):
        tasks.create("multi30k", target_language="en")


def task_symbols(sentence):
    return tasks.create("multi30k").encode(sentence)[:-1]


def test_the_floor_is_the_entropy_of_counting():
    task = tasks.create("multi30k", minimum=1)
    words = {split: [word for _, text in task.sentences(split) for word in (*words_of(text), "</s>")]
             for split in ("train", "test")}  # fmt: skip
    counts = Counter(words["train"])
    known = len(task.vocabularies[1].words) + 3  # unknown, begin and end
    expected = -sum(math.log((counts[word] + 1) / (len(words["train"]) + known)) for word in words["test"])
    assert abs(task.floor - expected / len(words["test"])) < 1e-9


@pytest.mark.slow
def test_the_real_set_has_the_published_counts_and_no_test_pair_in_training(real_data):
    data = sets.load(multi30k("en", "de"))
    assert [len(data[split]["en"]) for split in ("train", "validation", "test")] == [29000, 1014, 1000]
    task = tasks.create("multi30k")
    train, test = (set(task.sentences(split)) for split in ("train", "test"))
    lines = [gzip.decompress((real_data / "multi30k" / f"test_2016_flickr.{language}.gz").read_bytes()).decode()
             for language in ("en", "de")]  # fmt: skip
    assert test == set(zip(*(text.splitlines() for text in lines), strict=True)) and not train & test
    assert 5.3 < task.floor < 5.4 and task.vocabularies[0].words[:3] == ("a", ".", "in")
    for sentence, _ in list(test)[:200]:  # putting words together and cutting them is the identity
        assert words_of(sentence_of(words_of(sentence))) == words_of(sentence)


WRONG = {
    "one line less": (lambda text: text[: text.rindex(b"\n", 0, -1) + 1], r"de.gz has 239 lines and train.en.gz 240"),
    "wrong encoding": (lambda text: text + b"M\xe4nner.\n", r"train.de.gz, line 241: byte 0xe4 is not UTF-8"),
    "an empty line": (lambda text: text + b"\n", r"train.de.gz, line 241 is empty"),
    "an empty text": (lambda _: b"", r"train.de.gz, line 1 is empty"),
}


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """A folder of specimens of the test's own, and nothing prepared."""
    folder = tmp_path / "brought"
    specimens.write(folder)
    monkeypatch.setenv("GRU_LAB_DATA", str(folder))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return folder / "multi30k"


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_files_are_refused_and_nothing_is_left(brought, tmp_path, kind):
    damage, why = WRONG[kind]
    path = brought / "train.de.gz"
    path.write_bytes(gzip.compress(damage(gzip.decompress(path.read_bytes()))))
    sums = (brought / "SHA256SUMS").read_text().splitlines()
    (brought / "SHA256SUMS").write_text("\n".join(line for line in sums if "train.de" not in line))
    monkey = multi30k("en", "de")
    loose = type(monkey)(**{**vars(monkey), "files": tuple(type(f)(f.name) for f in monkey.files)})
    with pytest.raises(UserError, match=why):
        sets.prepare(loose)
    assert [each for each in (tmp_path / "tfds").rglob("*") if each.is_file() and each.suffix != ".lock"] == []


def test_a_file_of_another_content_or_none_is_named(brought):
    (brought / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match=r"holds [\d,]+ bytes where the published file holds"):
        sets.prepare(multi30k("en", "de"))
    (brought / "val.en.gz").unlink()
    with pytest.raises(UserError, match=r"and lacks val.en.gz: put all of them there"):
        sets.prepare(multi30k("en", "de"))
