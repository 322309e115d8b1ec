"""Floors and ceilings of sampled tasks, by large samples: the best guess without memory, and an oracle with memory.

An oracle is written here for every task, from its paper: it sees one sequence up to a step, and answers at that step.
"""

import itertools
import math
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import kin
import numpy as np
import pytest

from gru_lab import tasks
from gru_lab.tasks.listops import END, OPERATORS, TOKENS

# Small instances, on which the best guess can be counted; each convention is one.
SMALL = {
    "adding": [{"length": 8}, {"length": 8, "convention": "bai2018"}],
    "associative_recall": [{"length": 8, "pairs": 2, "vocabulary": 8, "filler": "blank"}, {"length": 16, "pairs": 3}],
    "copy": [{"length": 3, "items": 2, "alphabet": 3}, {"length": 3, "items": 2, "convention": "bai2018"}],
    "delayed_xor": [{"length": 6}, {"length": 6, "convention": "bai2018"}],
    "dyck": [
        {"length": 7, "depth": 3},
        {"length": 6, "kinds": 3, "convention": "well_formed"},
        {"length": 6, "kinds": 1},
    ],
    "induction_heads": [{"length": 6, "alphabet": 3}, {"length": 6, "alphabet": 3, "convention": "olsson2022"}],
    "latch": [{"length": 10}, {"length": 6, "informative": 1, "convention": "hochreiter1997_3b"}],
    "lorenz": [{"length": 40}],
    "mackey_glass": [{"length": 60}, {"length": 60, "delay": 30}],
    "memorization": [{"length": 3, "bits": 5}, {"length": 2, "bits": 20}],
    "multiplication": [{"length": 8}, {"length": 8, "convention": "bai2018"}],
    "parity": [{"length": 5}],
    "selective_copy": [
        {"length": 5, "items": 2, "alphabet": 3},
        {"length": 5, "items": 2, "alphabet": 3, "convention": "jing2019"},
    ],
    "sinusoid": [{"length": 6}],
    "sorting": [{"length": 4, "alphabet": 3}],
    "temporal_order": [{"length": 10}, {"length": 12, "relevant": 3}],
    "variable_copy": [{"length": 4, "items": 2, "alphabet": 3}],
}
CASES = [(name, fields) for name in SMALL for fields in SMALL[name]]
IDS = [f"{name}-{'-'.join(map(str, fields.values()))}" for name, fields in CASES]
FIRST = [
    pytest.param(n, marks=[pytest.mark.slow] * (name in kin.TASKS or fields != SMALL[name][0]), id=IDS[n])
    for n, (name, fields) in enumerate(CASES)
]  # the first of each task; its others are slow
MANY, FEW = 40_000, 200
CERTAIN = 60.0  # a logit


def test_every_sampled_task_is_here():
    sampled = {name for name in tasks.names() if tasks.get(name).sample is not tasks.Task.sample}
    sampled -= {"bouncing_digits"}  # it is held to constant velocity in test_tracks.py
    assert sampled == set(SMALL) == set(ORACLES), "a sampled task needs small instances and an oracle in this file"


@lru_cache
def large(case):
    """A task and a large sample of it, in NumPy."""
    name, fields = CASES[case]
    task: Any = tasks.create(name, **fields)
    many = MANY // 10 if task.answer == "real" and task.readout == "every" else MANY
    batch = jax.jit(task.sample, static_argnums=1)(jax.random.key(11), many)
    return task, jax.tree.map(np.asarray, batch)


def places(task, batch):
    """For every step what is known without memory: the step, or how far it is from the question; and a symbol."""
    inputs = batch.inputs
    steps = np.broadcast_to(np.arange(inputs.shape[1]), inputs.shape[:2])
    if type(task).__name__ == "VariableCopy":
        steps = steps - np.argmax(inputs == task.alphabet + 1, axis=1)[:, None]
    return steps, inputs if task.symbols else np.zeros(inputs.shape[:2], int)


def best_guess(task, batch):
    """The metric of the best answer without memory: counted on one half, judged on the other."""
    steps, now = places(task, batch)
    targets, weights = batch.targets, np.asarray(task.weights(batch))
    half = len(targets) // 2
    if task.answer == "real" and task.readout == "last":
        return np.mean((targets[half:] - targets[:half].mean(axis=0)) ** 2)
    if task.answer == "real":
        x, y = (np.asarray(part, float)[..., 0].ravel()[weights.ravel() > 0] for part in (batch.inputs, targets))
        middle = len(x) // 2
        fit = np.polynomial.Polynomial.fit(x[:middle], y[:middle], 13)
        return np.mean((fit(x[middle:]) - y[middle:]) ** 2)
    if task.readout == "last":
        steps, now = np.zeros((2, len(targets), 1), int)
        targets, weights = targets[:, None], weights[:, None]
    _, keys = np.unique(np.stack([steps, now]).reshape(2, -1), axis=1, return_inverse=True)
    keys = keys.reshape(targets.shape)
    counts = np.zeros((keys.max() + 1, task.outputs))
    np.add.at(counts, (keys[:half], targets[:half]), weights[:half])
    if task.metric == "accuracy":
        right = counts.argmax(axis=1)[keys[half:]] == targets[half:]
        return np.average(right, weights=weights[half:])
    share = (counts + 1e-9) / (counts + 1e-9).sum(axis=1, keepdims=True)
    return np.average(-np.log(share[keys[half:], targets[half:]]), weights=weights[half:])


@pytest.mark.parametrize("case", FIRST)
def test_the_floor_is_what_the_best_guess_without_memory_reaches(case):
    task, batch = large(case)
    guess = best_guess(task, batch)
    spread = 0.02 * task.floor if task.metric == "loss" else 4 * math.sqrt(task.floor * (1 - task.floor) / MANY * 2)
    if type(task).__name__ == "TemporalOrder":
        spread *= 1.5
    assert abs(guess - task.floor) < spread, f"{guess} is not {task.floor}"


# The oracles: (task, inputs of one sequence up to a step) -> class, probabilities of the classes, or a number.


def marked(task, past):
    return past[past[:, 1] > 0.5, 0]


def repeat(start):
    """The answer of a task that asks for items again; `start(task, past)` gives items and the place of the first."""

    def answer(task, past):
        items, first, blank = start(task, past)
        n = len(past) - 1 - first
        return items[n] if first is not None and 0 <= n < len(items) else blank

    return answer


def copied(task, past):
    symbols = past if task.symbols else past[:, 0].astype(int)
    asked = np.flatnonzero(symbols == task.alphabet + 1)
    return symbols[: task.items], asked[0] + 1 if len(asked) else math.inf, 0


def memorized(task, past):
    asked = np.flatnonzero(past == task.alphabet + 1)
    return past[: task.items], asked[0] + 1 if len(asked) else math.inf, task.alphabet


def selected(task, past):
    asked = np.flatnonzero(past == task.alphabet + 1)
    first = (asked[0] + (task.convention == "jing2019")) if len(asked) else math.inf
    return past[(past > 0) & (past <= task.alphabet)], first, 0


def ordered(task, past):
    return sorted(past[: task.length]), task.length, 0


def bracketed(task, past):
    stack = []
    for symbol in past:
        if symbol < task.kinds:
            stack.append(symbol)
        elif not stack or stack.pop() != symbol - task.kinds:
            return 0 if task.convention == "well_formed" else np.full(task.outputs, 1 / task.outputs)
    if task.convention == "well_formed":
        return int(not stack)
    opens = 1.0 if not stack else 0.0 if len(stack) == task.depth else 0.5
    chances = np.zeros(task.outputs)
    chances[: task.kinds] = opens / task.kinds
    if stack:
        chances[task.kinds + stack[-1]] = 1 - opens
    return chances


def recalled(task, past):
    pairs = dict(past[: 2 * task.pairs].reshape(-1, 2))
    return pairs.get(past[-1], 0)


def induced(task, past):
    if task.convention == "olsson2022":
        return past[len(past) - task.length // 2]
    before = np.flatnonzero(past[:-1] == past[-1])
    return past[before[-1] + 1] if len(before) else 0


def order(task, past):
    relevant = [symbol - task.X for symbol in past if symbol in (task.X, task.Y)]
    return int("".join(map(str, relevant)), 2)


def continued(task, past):
    """The sinusoid through the last three values, step by step."""
    x = past[:, 0].astype(float)
    cosines = x[1:-1] @ (x[:-2] + x[2:]) / (2 * x[1:-1] @ x[1:-1])
    a, b = x[-2], x[-1]
    for _ in range(task.horizon):
        a, b = b, 2 * cosines * b - a
    return b


ORACLES = {
    "adding": lambda task, past: marked(task, past).sum(),
    "associative_recall": recalled,
    "copy": repeat(copied),
    "delayed_xor": lambda task, past: int(marked(task, past).prod() < 0),
    "dyck": bracketed,
    "induction_heads": induced,
    "latch": lambda task, past: int(past[: task.informative].sum() > 0),
    "lorenz": None,  # see below
    "mackey_glass": None,
    "memorization": repeat(memorized),
    "multiplication": lambda task, past: marked(task, past).prod(),
    "parity": lambda task, past: int(past.sum() % 2),
    "selective_copy": repeat(selected),
    "sinusoid": continued,
    "sorting": repeat(ordered),
    "temporal_order": order,
    "variable_copy": repeat(copied),
}
WRITTEN = [case for case, (name, _) in enumerate(CASES) if ORACLES[name]]


def judged(task, oracle, batch, inputs):
    """The metric of an oracle that is fed some inputs, on the targets of a batch; where nothing counts it is silent."""
    weights = np.asarray(task.weights(batch))
    outputs = np.zeros((*batch.targets.shape[: weights.ndim], task.outputs))
    for place in itertools.product(*map(range, weights.shape)):
        if not weights[place]:
            continue
        length = batch.inputs.shape[1] if batch.lengths is None else batch.lengths[place[0]]
        answer = oracle(task, inputs[place[0], : length if len(place) == 1 else place[1] + 1])
        if task.answer == "real":
            outputs[place] = answer
        elif np.ndim(answer):
            outputs[place] = np.log(np.maximum(answer, math.exp(-CERTAIN)))
        else:
            outputs[place][int(answer)] = CERTAIN
    return float(task.measure(jnp.asarray(outputs, jnp.float32), batch)[task.metric].mean)


@pytest.mark.parametrize("case", WRITTEN, ids=[IDS[case] for case in WRITTEN])
def test_an_oracle_of_the_past_reaches_the_ceiling_and_one_of_another_past_only_the_floor(case):
    task, batch = large(case)
    few = jax.tree.map(lambda leaf: jnp.asarray(leaf[:FEW]), batch)
    oracle = ORACLES[CASES[case][0]]
    spread = 1e-3 if task.ceiling in (0.0, 1.0) else 0.05
    assert abs(judged(task, oracle, few, batch.inputs[:FEW]) - task.ceiling) < spread
    other = judged(task, oracle, few, np.roll(batch.inputs[:FEW], 1, axis=0))
    allowed = 0.15 if task.metric == "accuracy" else 0.15 * task.floor
    better = other - task.floor if task.better == "higher" else task.floor - other
    assert better < allowed, f"{other} is better than the best guess, {task.floor}: something leaks"


# Worked examples of the papers and of their code.


def evaluated(tokens):
    """The value of an expression, by a stack."""
    stack: list[Any] = []
    for token in tokens:
        if token == "]":
            place = max(n for n, each in enumerate(stack) if isinstance(each, str))
            values = stack[place + 1 :]
            rules = {"[MIN": min, "[MAX": max, "[MED": lambda v: int(np.median(v)), "[SM": lambda v: sum(v) % 10}
            stack[place:] = [rules[stack[place]](values)]
        else:
            stack.append(token if token in OPERATORS else int(token))
    (value,) = stack
    return value


def test_listops_expressions_have_the_values_and_lengths_of_the_rule():
    example = "[MAX 4 3 [MIN 2 3 ] 1 0 [MED 1 5 8 9 2 ] ]"  # Tay et al. 2021
    assert evaluated(example.split(" ")) == 5
    task: Any = tasks.create("listops", length=40, shortest=5, depth=4, arguments=4)
    depths, widths, operators = set(), set(), set()
    for n in range(400):
        tokens, value = task.source().splits["validation"][n][:2]
        assert 5 < len(tokens) < 40 and evaluated([TOKENS[token] for token in tokens]) == value
        counts, level = [], 0
        for token in tokens:
            if token == END:
                widths.add(counts.pop())
                continue
            if counts:
                counts[-1] += 1
            if token >= 10:
                counts.append(0)
                operators.add(TOKENS[token])
            level = max(level, len(counts))
        depths.add(level)
    assert max(depths) == 3 and widths == {2, 3, 4} and operators == set(OPERATORS)  # at depth 4 are digits alone


def test_recall_is_that_of_the_example_in_the_code_of_zoology():
    task = tasks.create("associative_recall", length=16, pairs=2, vocabulary=12, filler="blank")
    row = np.array([2, 8, 4, 7, 0, 0, 4, 0, 0, 0, 0, 0, 2, 0, 0, 0])
    assert [recalled(task, row[: n + 1]) for n in (6, 12)] == [7, 8]
    batch = jax.tree.map(np.asarray, task.sample(jax.random.key(0), 2000))
    asked = batch.weights > 0
    assert (asked.sum(axis=1) == 2).all() and not asked[:, :4].any() and (np.nonzero(asked)[1] % 2 == 0).all()
    assert {*batch.inputs[:, :4:2].ravel()} == {1, 2, 3, 4, 5} and {*batch.inputs[:, 1:4:2].ravel()} == {*range(6, 12)}
    p = np.arange(1, 7) ** (0.01 - 1)
    p /= p.sum()  # of the first gap; the second is one of the rest
    either = [p[i] + sum(p[j] * p[i] / (1 - p[j]) for j in range(6) if j != i) for i in range(6)]
    np.testing.assert_allclose(np.bincount((np.nonzero(asked)[1] - 4) // 2) / 2000, either, atol=0.05)


def test_dyck_sequences_that_are_closed_are_all_equally_likely():
    task = tasks.create("dyck", length=6, kinds=2, depth=3, convention="well_formed")
    batch = jax.tree.map(np.asarray, task.sample(jax.random.key(3), 20_000))
    classes = batch.targets[:, -1]
    shapes, counts = np.unique(batch.inputs[classes == 1] >= 2, axis=0, return_counts=True)
    assert len(shapes) == 5  # the Catalan number
    np.testing.assert_allclose(counts / counts.sum(), 1 / 5, atol=0.02)


def test_lorenz_and_mackey_glass_follow_their_equations():
    """Witnesses: an adaptive solver of SciPy, and steps of a hundredth that are exact for a forcing in pieces."""
    from scipy.integrate import solve_ivp

    from gru_lab.tasks import lorenz, mackey_glass

    def flow(_, s):
        return 10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]

    start = np.array([1.0, 2.0, 20.0])
    state = start[:, None]
    for _ in range(20):
        state = lorenz._sampled(state, np)
    exact = solve_ivp(flow, (0, 1), start, rtol=1e-10, atol=1e-10).y[:, -1]
    np.testing.assert_allclose(state[:, 0], exact, rtol=5e-3)

    fine = 100  # steps per time unit
    past = 0.9 + 0.2 * np.sin(np.linspace(0, 3, 17 * fine + 1))
    later, forcing = [past[-1]], 0.2 * past / (1 + past**10)
    decay = math.exp(-0.1 / fine)
    for first, second in itertools.pairwise(forcing):
        slope = (second - first) * fine
        later.append(decay * later[-1] + (first - slope / 0.1) * (1 - decay) / 0.1 + slope / fine / 0.1)
    ours = mackey_glass._one_delay(past[None, :: fine // 2], mackey_glass._matrices(17))
    np.testing.assert_allclose(ours[0], np.array(later)[:: fine // 2], atol=2e-5)


# Small spaces.


@pytest.mark.parametrize(
    ("name", "fields", "distinct"),
    [
        ("copy", {"length": 2, "items": 4, "alphabet": 4}, 256),
        ("variable_copy", {"length": 3, "items": 2, "alphabet": 3}, 27),
        ("selective_copy", {"length": 4, "items": 2, "alphabet": 3}, 54),
        ("memorization", {"length": 3, "bits": 5}, 32),
        ("delayed_xor", {"length": 4}, 64),
        ("parity", {"length": 6}, 64),
        ("sorting", {"length": 3, "alphabet": 4}, 64),
    ],
)
def test_the_number_of_sequences_and_their_repetition_are_counted(name, fields, distinct):
    task = tasks.create(name, **fields)
    drawn = np.asarray(task.sample(jax.random.key(0), 6000).inputs)
    rows = [row.tobytes() for row in drawn]
    assert len(set(rows)) == distinct == pytest.approx(task.distinct)
    repeated = np.mean([row in set(rows[:40]) for row in rows[40:]])
    assert repeated == pytest.approx(task.repeated(40), abs=0.08)
