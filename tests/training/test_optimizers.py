"""Optimisers and schedules: each does what its docstring says."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gru_lab import UserError
from gru_lab.training import optimizers

LENGTH = 40


def factors(name="sgd", losses=(), length=LENGTH, **fields):
    """By what every update is scaled: those of plain descent on a constant gradient, rate 1."""
    chain = optimizers.create(name, learning_rate=1.0, clip="none", **fields).chain(length)
    state, seen = chain.init(jnp.zeros(())), []
    step = jax.jit(lambda state, loss: chain.update(jnp.ones(()), state, jnp.zeros(()), value=loss))
    for n in range(length):
        change, state = step(state, losses[n] if losses else 1.0)
        seen.append(-float(change))
    return np.array(seen)


SCHEDULES = {
    "constant": lambda n, t: 1.0,
    "linear": lambda n, t: 1 - t,
    "cosine": lambda n, t: (1 + math.cos(math.pi * t)) / 2,
    "step": lambda n, t: 0.5 ** (n // 7),
}


@pytest.mark.parametrize("warmup", [0, 10])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_is_the_formula_of_its_docstring(schedule, warmup):
    expected = []
    for n in range(LENGTH):
        t = max(0, n - warmup) / (LENGTH - warmup)
        expected.append(SCHEDULES[schedule](n, t) * (min(1, n / warmup) if warmup else 1))
    got = factors(schedule=schedule, warmup=warmup, decay_every=7)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert schedule in optimizers.Optimizer.__doc__


def test_a_plateau_lowers_the_factor_when_averages_of_the_loss_no_longer_fall():
    """Averages over 2 updates: 4, 3, then 3 for ever; after 3 such averages the factor halves, and again."""
    losses = [5.0, 3.0, 4.0, 2.0] + [3.0] * 36
    got = factors(schedule="plateau", decay_every=2, patience=3, losses=losses)
    halved = [n for n in range(1, LENGTH) if got[n] == got[n - 1] / 2]
    assert got[0] == 1 and len(halved) >= 3
    assert halved[0] in (9, 10) and {*np.diff(halved).tolist()} == {6}
    falling = factors(schedule="plateau", decay_every=2, patience=3, losses=[10 * 0.9**n for n in range(LENGTH)])
    assert set(falling) == {1.0}


@pytest.mark.parametrize("name", optimizers.names())
def test_every_optimizer_lowers_the_loss_however_it_clips_and_obeys_schedules(name):
    for clip, bound in (("norm", 1.0), ("elementwise", 0.5), ("none", 1.0)):
        optimizer = optimizers.create(name, learning_rate=0.05, clip=clip, clip_at=bound)
        chain, params = optimizer.chain(200), {"w": jnp.array([3.0, -2.0])}

        def body(_, carry, chain=chain):
            change, state = chain.update(jax.tree.map(lambda w: 2 * w, carry[0]), carry[1], carry[0], value=1.0)
            return optax.apply_updates(carry[0], change), state

        params, _ = jax.jit(lambda p, c=chain, b=body: jax.lax.fori_loop(0, 200, b, (p, c.init(p))))(params)
        assert jnp.sum(params["w"] ** 2) < 0.1
    plain = factors(name, length=8)
    np.testing.assert_allclose(
        factors(name, length=8, schedule="step", decay_every=2), plain * 0.5 ** (np.arange(8) // 2), rtol=1e-5
    )


def test_plain_sgd_shows_what_clipping_does():
    gradient = {"w": jnp.array([3.0, -4.0])}
    for clip, step in {"norm": [-0.6, 0.8], "elementwise": [-1.0, 1.0], "none": [-3.0, 4.0]}.items():
        chain = optimizers.create("sgd", learning_rate=1.0, clip=clip).chain(1)
        np.testing.assert_allclose(chain.update(gradient, chain.init(gradient))[0]["w"], step, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "fields", "sentence"),
    [
        ("adam", {"b1": 1.0}, "optimizer.b1 is 1.0: it must be a number of at least 0 and below 1"),
        ("adam", {"b2": 1.0}, "optimizer.b2 is 1.0"),
        ("adamw", {"b1": 1.0}, "optimizer.b1 is 1.0"),
        ("adamw", {"weight_decay": -1.0}, "optimizer.weight_decay is -1.0"),
        ("rmsprop", {"decay": 1.0}, "optimizer.decay is 1.0"),
        ("rmsprop", {"momentum": 1.0}, "optimizer.momentum is 1.0"),
        ("sgd", {"momentum": 1.0}, "optimizer.momentum is 1.0"),
        ("adam", {"decay_factor": 1.0}, "optimizer.decay_factor is 1.0"),
        ("adam", {"schedule": "plateau", "decay_factor": 0.0}, "with optimizer.schedule=plateau it must be above 0"),
        ("adam", {"schedule": "cosinus"}, "Did you mean 'cosine'?"),
        ("adam", {"warmup": 2**31}, "optimizer.warmup is 2147483648"),
        ("adam", {"learning_rate": 10**400}, "optimizer.learning_rate is 1000"),
    ],
)
def test_what_always_diverges_is_refused(name, fields, sentence):
    with pytest.raises(UserError) as error:
        optimizers.create(name, **fields)
    assert sentence in str(error.value)


FACTORIES = """
import optax

def plain(learning_rate: float, momentum: float = 0.9, *unused, **ignored):
    return optax.sgd(learning_rate, momentum)

def own(learning_rate: float = 0.5):
    return optax.sgd(learning_rate)

def needs(learning_rate, power):
    return optax.sgd(learning_rate * power)

def wrong(learning_rate):
    return "nothing"

def breaks(learning_rate):
    raise RuntimeError("one line\\nand another")

def odd(learning_rate, things=[]):
    return optax.sgd(learning_rate)

NUMBER = 3
"""


@pytest.fixture
def factories(folder):
    file = folder / "o_factories.py"
    file.write_text(FACTORIES)
    return file


def test_a_function_with_plain_arguments_is_an_optimizer(factories):
    make = optimizers.create(f"{factories}:plain", learning_rate=0.1)
    assert (make.learning_rate, make.momentum, make.clip) == (0.1, 0.9, "norm")
    assert optimizers.name_of(make) == "o_factories:plain"
    assert optimizers.create(f"{factories}:own").learning_rate == 0.5
    assert optimizers.create(f"{factories}:needs", power=2, learning_rate=1.0).power == 2
    lion = optimizers.create("optax:lion", b1=0.8)
    assert lion.chain(3).update(jnp.ones(()), lion.chain(3).init(jnp.ones(())), jnp.ones(()))[0] == pytest.approx(
        -1e-3, rel=2e-3
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("needs", "optimizer.power is missing"),
        ("wrong", "returns str: it must be an optax one"),
        ("breaks", "RuntimeError: one line and another"),
        ("odd", "it must have plain arguments"),
        ("NUMBER", "is neither an optimiser nor a function that makes one"),
        ("own_", "Did you mean 'own'?"),
    ],
)
def test_a_function_that_is_of_no_use_is_one_sentence(name, sentence, factories):
    with pytest.raises(UserError) as error:
        optimizers.create(f"{factories}:{name}")
    assert sentence in str(error.value) and len(str(error.value).splitlines()) == 1
