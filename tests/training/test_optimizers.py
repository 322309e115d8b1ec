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
        rate = {"adagrad": 1.0, "adadelta": 30.0}.get(name, 0.05)  # their steps shrink, or begin at sqrt(epsilon)
        optimizer = optimizers.create(name, learning_rate=rate, clip=clip, clip_at=bound)
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


def rms(g, state, decay, epsilon, momentum=0.0, centered=False, inside=True, initial=0.0, nesterov=False):
    """RMSProp by its equations: the change of w, and what it remembers."""
    n, a, v = state or (initial, 0.0, 0.0)
    n, a = decay * n + (1 - decay) * g**2, decay * a + (1 - decay) * g if centered else 0.0
    u = -0.1 * g / (np.sqrt(n - a**2 + epsilon) if inside else np.sqrt(n - a**2) + epsilon)
    v = momentum * v + u
    return momentum * v + u if nesterov else v, (n, a, v)


def descended(g, state, momentum, nesterov):
    v = momentum * (0.0 if state is None else state) + g
    return -0.1 * (momentum * v + g if nesterov else v), v


def adagraded(g, n):
    n = (0.1 if n is None else n) + g**2
    return -0.1 * g / np.sqrt(n + 1e-7), n


def adadelted(g, state):
    n, s = state or (0.0, 0.0)
    n = 0.95 * n + 0.05 * g**2
    d = np.sqrt(s + 1e-6) / np.sqrt(n + 1e-6) * g
    return -0.1 * d, (n, 0.95 * s + 0.05 * d**2)


GRAVES = {"decay": 0.95, "momentum": 0.9, "centered": True, "epsilon": 1e-4}
TENSORFLOW = {"decay": 0.9, "momentum": 0.5, "epsilon": 1e-10, "initial": 1.0}
BY_HAND = {
    "graves": ("rmsprop", GRAVES, lambda g, s: rms(g, s, **GRAVES)),
    "tensorflow": ("rmsprop", TENSORFLOW, lambda g, s: rms(g, s, **TENSORFLOW)),
    "torch": ("rmsprop", {"epsilon_inside": False}, lambda g, s: rms(g, s, 0.9, 1e-8, inside=False)),
    "nesterov": (
        "rmsprop",
        {"momentum": 0.9, "nesterov": True},
        lambda g, s: rms(g, s, 0.9, 1e-8, momentum=0.9, nesterov=True),
    ),
    "momentum": ("sgd", {"momentum": 0.9}, lambda g, s: descended(g, s, 0.9, False)),
    "accelerated": ("sgd", {"momentum": 0.9, "nesterov": True}, lambda g, s: descended(g, s, 0.9, True)),
    "adagrad": ("adagrad", {}, adagraded),
    "adadelta": ("adadelta", {}, adadelted),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_an_optimizer_follows_its_equations(case):
    name, fields, by_hand = BY_HAND[case]
    chain = optimizers.create(name, learning_rate=0.1, clip="none", **fields).chain(8)
    state, remembered, update = chain.init(jnp.zeros(3)), None, jax.jit(chain.update)
    for g in np.random.default_rng(0).normal(size=(8, 3)):
        change, state = update(jnp.asarray(g, jnp.float32), state, jnp.zeros(3), value=1.0)
        expected, remembered = by_hand(g, remembered)
        np.testing.assert_allclose(change, expected, rtol=2e-5)


def test_an_l2_penalty_is_added_to_the_clipped_gradient():
    w, g = jnp.array([2.0, -1.0]), jnp.array([3.0, -4.0])
    for name in optimizers.names():
        plain = optimizers.create(name, clip="none").chain(4)
        decayed = optimizers.create(name, l2=0.1).chain(4)
        expected = plain.update(g / 5 + 0.1 * w, plain.init(w), w, value=1.0)[0]
        np.testing.assert_allclose(decayed.update(g, decayed.init(w), w, value=1.0)[0], expected, rtol=1e-6)


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
        ("sgd", {"nesterov": True}, "optimizer.nesterov is True: it needs a momentum"),
        ("rmsprop", {"nesterov": True}, "optimizer.nesterov is True: it needs a momentum"),
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
