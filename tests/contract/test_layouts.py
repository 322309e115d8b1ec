"""What is stored is decided by bytes and FLOPs, and measured layouts are taken where there are some."""

import json
from dataclasses import asdict

import jax
import jax.numpy as jnp
import pytest

from gru_lab import UserError, cells, unroll
from gru_lab.jaxprs import nbytes, needed, trace
from gru_lab.recurrence import Reference, Sequential, __main__, tuning
from gru_lab.recurrence.blocks import cut, join
from gru_lab.recurrence.layout import LITTLE, MEMORY, WORTH, Layout, candidates, fits
from gru_lab.runs import layouts
from gru_lab.training import layout as laid_out
from gru_lab.training.experiment import described

STORED = 8 * 50 * 16 * 4  # bytes of one array of every step, (batch, time, hidden)


def stacked(method):
    """The bytes that the loop forward stores for a gradient, as JAX traces it."""
    cell = cells.create("gru", hidden=16)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 2))
    xs = jax.ShapeDtypeStruct((8, 50, 2), jnp.float32)
    closed = trace(jax.grad(lambda p, x: jnp.sin(unroll(cell, p, x, method=method)[1]).sum()), params, xs)
    loop = next(eqn for eqn in needed(closed.eqns, closed.jaxpr.outvars) if eqn.primitive.name == "scan")
    return sum(map(nbytes, loop.outvars[loop.params["num_carry"] :]))


def test_gates_are_kept_where_they_fit_to_the_byte():
    gates = stacked(Sequential(store="gates"))
    assert gates > stacked(Sequential(store="states")) == STORED
    assert stacked(Sequential()) == stacked(Sequential(memory=gates)) == gates
    assert stacked(Sequential(memory=gates - 1)) == STORED


def test_a_large_store_must_spare_products_that_are_worth_it():
    assert fits(LITTLE, LITTLE, 0, MEMORY)
    assert not fits(2 * LITTLE, 2 * LITTLE, 2 * LITTLE * WORTH - 1, MEMORY)
    assert fits(2 * LITTLE, 2 * LITTLE, 2 * LITTLE * WORTH, MEMORY)
    assert not fits(2 * LITTLE, LITTLE, 10**15, 2 * LITTLE - 1)


def test_single_sequences_store_states():
    assert [each.store for each in candidates("auto", 64, 1, None, 1)] == ["states"]


def test_a_memory_is_compiled_in():
    """Two budgets are two programs, although both are of one identity."""
    assert Sequential(memory=1) != Sequential(memory=2)


def test_measured_layouts_are_kept_and_taken(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"method.layout is 'tuned': nothing was measured on this processor"):
        layouts.read()
    cell = cells.create("rnn", hidden=7)  # of no other test: what is compiled is not laid out again
    chosen = {"auto": (Layout(), 2.0), "separate": (Layout(fuse=False), 1.0)}
    monkeypatch.setattr(__main__, "measured", lambda *sizes: chosen)
    for _ in range(2):  # the second measurement takes the place of the first
        __main__.tune(cell, 2, 6, 3)
    assert "'separate' is kept in" in capsys.readouterr().out
    (found,) = tuning.frozen(layouts.read())
    assert found == tuning.entry(cell, 2, 6, 3, Layout(fuse=False))
    assert dict(found[1])["fuse"] is False

    taken = []
    monkeypatch.setattr(tuning, "LaidOut", lambda layout: taken.append(layout) or Sequential())
    params, xs = cell.init(jax.random.key(0), 3), jnp.ones((2, 6, 3))
    method = tuning.Tuned(layouts=(found,))
    unroll(cell, params, xs, method=method)
    unroll(cell, params, xs[:, :5], method=method)  # nothing was measured for five steps
    assert taken == [Layout(fuse=False)]

    monkeypatch.setattr(layouts, "machine", lambda: "another")
    with pytest.raises(UserError, match="nothing was measured"):
        layouts.read()


def test_every_candidate_is_another_layout_and_auto_is_the_first():
    found = tuning.layouts(time=100, batch=8)
    assert next(iter(found)) == "auto" and len(set(found.values())) == len(found) > 5
    assert {layout.store for layout in found.values()} == {"gates", "states"}


def test_tuned_layouts_do_not_come_in_by_themselves():
    cell = cells.create("rnn", hidden=4)
    with pytest.raises(UserError, match="training alone reads what was measured"):
        unroll(cell, cell.init(jax.random.key(0), 3), jnp.ones((2, 6, 3)), method=Sequential(layout="tuned"))


def test_training_writes_its_choice_down_and_takes_it_again():
    """As JSON, which knows no tuples: with the memory of before, whatever is free now, unless the user names one."""
    entry = tuning.entry(cells.create("rnn", hidden=4), 2, 6, 3, Layout(fuse=False))
    before = laid_out.Layout("map", 10, False, memory=123, tuned=(entry,))
    again = laid_out.Layout(**json.loads(json.dumps(asdict(before))))
    assert again == before and hash(again) == hash(before)
    assert again.method(Sequential()) == Sequential(memory=123)
    assert again.method(Sequential(memory=7)) == Sequential(memory=7)
    assert again.method(Reference()) == Reference()
    tuned = again.method(Sequential(layout="tuned"))
    assert tuned == tuning.Tuned(layouts=(entry,), method=Sequential(memory=123))


def test_layouts_are_no_part_of_an_identity():
    for method in (Sequential(memory=5), Sequential(layout="tuned")):
        assert described("method", method) == described("method", Sequential())


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_cut_into_blocks_may_have_no_numbers(reverse):
    """As what a scan inside a step leaves over: it had no last size, and ended in a ZeroDivisionError."""
    xs = {"none": jnp.ones((7, 0)), "some": jnp.arange(14.0).reshape(7, 2)}
    blocks, rest = cut(xs, 3, reverse)
    assert blocks["none"].shape == (2, 3, 0) and rest["none"].shape == (1, 0)
    joined = join((blocks, rest), reverse)
    assert joined["none"].shape == (7, 0) and (joined["some"] == xs["some"]).all()
