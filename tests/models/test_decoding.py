"""Greedy choice and beam search against all sequences that there are."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab.models import decoding

BEGIN, END, SYMBOLS, LONGEST = 1, 2, 4, 4


@pytest.fixture
def chain(float64):
    """A network whose answers depend on the two symbols before, two sequences with tables of their own."""
    tables = jnp.asarray(np.random.RandomState(3).randn(2, SYMBOLS, SYMBOLS, SYMBOLS) * 1.5)

    def step(state, symbols):
        number, before = state
        return (number, symbols), tables[number, before, symbols]

    return tables, step, (jnp.arange(2), jnp.full(2, BEGIN))


def likelihood(table, symbols):
    """The log-probability of a whole answer."""
    before, last, total = BEGIN, BEGIN, 0.0
    for symbol in symbols:
        logits = np.asarray(table[before, last])
        total += logits[symbol] - np.log(np.exp(logits).sum())
        before, last = last, symbol
    return total


def answers():
    """Every answer: up to the first end, or as long as allowed."""
    for length in range(1, LONGEST + 1):
        for body in itertools.product([n for n in range(SYMBOLS) if n != END], repeat=length - 1):
            yield (*body, END)
    yield from itertools.product([n for n in range(SYMBOLS) if n != END], repeat=LONGEST)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_beam_wide_enough_finds_the_best_answers_of_all(chain, alpha):
    tables, step, state = chain
    found = jax.jit(lambda: decoding.beam(step, state, 200, LONGEST, BEGIN, END, alpha))()
    for n in range(2):
        chances = {each: likelihood(tables[n], each) for each in answers()}
        score_of = {each: chance / ((5 + len(each)) / 6) ** alpha for each, chance in chances.items()}
        scored = sorted(((score, each) for each, score in score_of.items()), reverse=True)
        for k, (score, each) in enumerate(scored[:10]):
            length = int(found.lengths[n, k])
            assert tuple(found.symbols[n, k, :length].tolist()) == each and not found.symbols[n, k, length:].any()
            np.testing.assert_allclose(found.log_probability[n, k] / decoding.penalty(length, alpha), score, rtol=1e-10)
    if alpha:
        short = decoding.beam(step, state, 200, LONGEST, BEGIN, END, 0.0)
        assert found.lengths[:, :5].sum() > short.lengths[:, :5].sum()  # what the penalty is for


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_beam_of_one_is_greedy_and_a_wider_one_is_no_worse_here(chain, alpha):
    tables, step, state = chain
    one = decoding.beam(step, state, 1, LONGEST, BEGIN, END, alpha)
    greedy = decoding.greedy(step, state, LONGEST, BEGIN, END)
    for n in range(2):
        symbols = []
        while len(symbols) < LONGEST and END not in symbols:
            last, before = ([BEGIN, BEGIN, *symbols][-1], [BEGIN, BEGIN, *symbols][-2])
            symbols.append(int(np.argmax(tables[n, before, last])))
        assert greedy.symbols[n, : len(symbols)].tolist() == symbols == one.symbols[n, 0, : len(symbols)].tolist()
        np.testing.assert_allclose(greedy.log_probability[n], likelihood(tables[n], symbols), rtol=1e-10)
    wide = decoding.beam(step, state, 3, LONGEST, BEGIN, END, alpha)
    assert (wide.log_probability[:, 0] >= greedy.log_probability - 1e-12).all() or alpha


def test_the_search_stops_when_all_answers_have_ended():
    calls = []

    def step(state, symbols):
        jax.debug.callback(lambda: calls.append(1))
        return state, jnp.zeros((len(symbols), 4)).at[:, END].set(9.0)

    found = decoding.greedy(step, jnp.zeros(2), 50, BEGIN, END)
    jax.effects_barrier()
    assert found.lengths.tolist() == [1, 1] and len(calls) == 1
