"""Forecasting: windows, scaling, baselines, and tables that are not what they must be."""

import importlib
import importlib.util

import jax
import numpy as np
import pytest

from gru_lab import UserError, tasks


@pytest.fixture
def table(tmp_path):
    """A task on a file of the user's with a given text."""

    def task(content, **fields):
        path = tmp_path / "mine.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tasks.create("forecast", file=path, **{"window": 4, "horizon": 2, "season": 2, **fields})

    return task


def rows(values):
    return "day,sold\n" + "".join(f"d{n},{value}\n" for n, value in enumerate(values))


def test_windows_hold_the_past_and_the_answer_what_follows(table):
    task = table(rows(range(100)))
    mean, deviation = task.scaler
    assert (mean, deviation) == (np.arange(70).mean(), np.arange(70).std())
    source = task.source()
    for split, begin in (("validation", 70), ("test", 85)):
        batch = jax.tree.map(np.asarray, source.holdout(split, 1))
        past, ahead = batch.inputs[..., 0] * deviation + mean, batch.targets * deviation + mean
        assert past.shape == (10, 4)  # every window of 15 rows, within its part
        np.testing.assert_allclose(past, begin + np.arange(10)[:, None] + np.arange(4), rtol=1e-5)
        np.testing.assert_allclose(ahead, begin + np.arange(10)[:, None] + np.arange(4, 6), rtol=1e-5)
    drawn = np.asarray(source.draw(source.arrays(), jax.random.key(0), 2000).targets) * deviation + mean
    assert drawn.max() < 69.5 and set(np.round(drawn[:, -1])) == set(range(5, 70))  # training rows alone, all of them


def test_scaling_sees_the_training_part_alone(table):
    values = np.r_[np.random.default_rng(0).normal(5, 2, 70), np.full(30, 1000.0) + np.arange(30)]
    task = table(rows(values))
    train = np.asarray(task.source().series["train"])
    assert abs(train.mean()) < 1e-6 and abs(train.std() - 1) < 1e-6 and task.scaler[0] < 6


def test_the_baselines_repeat_the_last_value_and_the_last_season(table):
    values = np.tile([0.0, 1.0, 5.0], 40) + 0.01 * np.arange(120)
    task = table(rows(values), window=6, horizon=4, season=3)
    test, deviation = values[int(120 * 0.85) :], values[:84].std()
    last, season = [], []
    for n in range(6, len(test) - 3):
        for ahead in range(4):
            last.append(test[n + ahead] - test[n - 1])
            season.append(test[n + ahead] - test[n - 3 + ahead % 3])
    assert abs(task.floor - np.mean(np.square(last)) / deviation**2) < 1e-5
    assert abs(task.seasonal_naive - np.mean(np.square(season)) / deviation**2) < 1e-5
    assert task.seasonal_naive < 0.01 < task.floor


def test_a_column_is_chosen_by_its_name(table):
    content = "day,sold,price\n" + "".join(f"d{n},{n},{2 * n}\n" for n in range(100))
    assert table(content, column="price").scaler[0] == 2 * np.arange(70).mean()
    with pytest.raises(UserError, match=r"task.column is 'prise': .* has day, sold or price. Did you mean 'price'"):
        table(content, column="prise").source()
    with pytest.raises(UserError, match=r"task.column is None: choose sold or price of"):
        table(content).source()


GAP = rows([*range(40), "", *range(59)])
TEXT = rows([*range(40), "many", *range(59)])


@pytest.mark.parametrize(("content", "fields", "why"), [
    (GAP, {}, "line 42, column sold: there is a gap"),
    (TEXT, {}, "line 42, column sold: 'many' is not a number"),
    (rows([*range(9), "nan"]), {}, "line 11, column sold: 'nan' is not a number"),
    ("day,sold\nd0,1\n", {}, "has fewer than two rows below its header: 1"),
    ("day,sold\n", {}, "has fewer than two rows below its header: 0"),
    ("", {}, "mine.csv is empty"),
    ("1,2\n3,4\n5,6\n", {}, "begins with numbers: its first row must name the columns"),
    ("day,sold\na,b\nc,d\n", {}, "has no column of numbers: its columns are day and sold"),
    (rows(range(100)), {"window": 90}, "task.window is 90: .* needs 92 rows in each part, and train has 70 of the 100"),
    (rows([7] * 100), {}, "all values of its training part are 7"),
    (rows(range(100)), {"season": 5}, "task.season is 5: it must be at most task.window, which is 4"),
    (b"day,sold\nd\xe9,1\n", {}, "line 2: byte 0xe9 is not UTF-8"),
])  # fmt: skip
def test_a_wrong_table_is_refused(table, content, fields, why):
    with pytest.raises(UserError, match=why):
        table(content, **fields).source()


@pytest.mark.parametrize(("name", "count", "ends", "windows"), [
    ("sunspots", 309, (5.0, 2.9), 15),
    ("co2", 2284, (316.1, 371.5), 214),
])  # fmt: skip
def test_shipped_series_are_those_of_statsmodels(name, count, ends, windows):
    task = tasks.create(name)
    values = task.values()
    theirs = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data.iloc[:, -1].astype(float)
    np.testing.assert_allclose(values, theirs.interpolate().to_numpy(), rtol=1e-12)
    assert (len(values), theirs.isna().sum()) == (count, 59 if name == "co2" else 0)
    assert (values[0], values[-1]) == ends and len(task.source().holdout("test", 1).targets) == windows
    assert task.seasonal_naive < 0.5 * task.floor


def test_relative_windows_end_in_zero_and_bear_growth(table):
    values = np.arange(100.0)
    task = table(rows(values), relative=True)
    batch, deviation = task.source().holdout("test", 1), task.scaler[1]
    np.testing.assert_allclose(batch.inputs[..., 0] * deviation, np.tile(np.arange(-3, 1), (10, 1)), atol=1e-5)
    np.testing.assert_allclose(batch.targets * deviation, np.tile([1, 2], (10, 1)), atol=1e-5)


def test_a_shipped_series_without_statsmodels_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"task is 'co2': .* pip install 'gru-lab\[series\]'"):
        tasks.create("co2").files()
