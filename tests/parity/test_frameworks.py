"""rnn, lstm and gru against the frameworks that are installed: outputs, gradients, stacks, both directions."""

import importlib.util
import os
import random
from functools import partial

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gru_lab import cells, convert
from gru_lab.schema import UserError

PACKAGES = {
    "torch": "torch",
    "keras": "keras",
    "linen": "flax",
    "nnx": "flax",
    "equinox": "equinox",
    "haiku": "haiku",
}
# On JAX, Keras rounds every tanh to float32: it is compared in float32 alone.
PRECISION = {name: ("float32", 1e-6) if name == "keras" else ("float64", 1e-12) for name in PACKAGES}
CELLS = {
    "rnn": cells.create("rnn", hidden=3),
    "rnn_relu": cells.create("rnn", hidden=3, nonlinearity="relu"),
    "lstm": cells.create("lstm", hidden=3),
    "gru": cells.create("gru", hidden=3),
    "gru_no_bias": cells.create("gru", hidden=3, recurrent_bias=False),
    "gru_before": cells.create("gru", hidden=3, reset="before"),
}
REFUSED = {
    *(("gru_before", name) for name in ("torch", "linen", "nnx", "equinox")),
    *(("rnn", name) for name in ("equinox", "haiku")),
    *(("gru", name) for name in ("nnx", "haiku")),
    ("rnn_relu", "equinox"),
    ("gru_no_bias", "haiku"),
}


def draw(cell, inputs, depth, directions, seed, dtype):
    """A stack with weights large enough that every gate matters."""
    rng, layers = np.random.default_rng(seed), []
    for n in range(depth):
        shapes = jax.eval_shape(
            lambda key, i=cell.hidden * directions if n else inputs: cell.init(key, i), jax.random.key(0)
        )

        def one(shapes=shapes):
            drawn = {name: 0.5 * rng.standard_normal(shape.shape) for name, shape in shapes.items()}
            return {name: value.astype(np.float32).astype(dtype) for name, value in drawn.items()}

        layers.append(tuple(one() for _ in range(directions)))
    return convert.Stack(cell, tuple(layers))


def framework(name):
    if importlib.util.find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{PACKAGES[name]} is not installed: `pip install gru-lab[parity]` brings it")
    if name == "keras":
        import keras

        if keras.backend.backend() != "jax":
            pytest.skip("gradients are compared on Keras's JAX backend: set KERAS_BACKEND=jax")
    return convert.get(name)


@partial(jax.jit, static_argnums=0)  # compiled once for all frameworks
def ours(cell, layers, xs, cotangent):
    def loss(layers, xs):
        hs = convert.Stack(cell, layers).run(xs)
        return jnp.sum(hs * cotangent), hs

    (_, hs), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(layers, xs)
    return hs, *gradients


def compare(name, stack, xs, allowed):
    """Outputs and gradients of ours and theirs, from the same arrays."""
    side = framework(name)
    arrays = side.dump(stack)
    outputs = (*xs.shape[:2], stack.cell.hidden * stack.directions)
    cotangent = np.random.default_rng(1).standard_normal(outputs).astype(xs.dtype)
    hs, by_layers, by_xs = ours(stack.cell, stack.layers, xs, cotangent)
    if name == "torch":
        import torch

        tensors = {n: torch.tensor(a, requires_grad=True) for n, a in arrays.items()}
        inputs = torch.tensor(xs, requires_grad=True)
        theirs = side.compute(stack, tensors, inputs)
        (theirs * torch.tensor(cotangent)).sum().backward()
        by_arrays, their_xs, theirs = (
            {n: t.grad.numpy() for n, t in tensors.items()},
            inputs.grad.numpy(),
            theirs.detach().numpy(),
        )
    else:

        def their_loss(arrays, xs):
            hs = side.compute(stack, arrays, xs)
            return jnp.sum(hs * cotangent), hs

        (_, theirs), (by_arrays, their_xs) = jax.jit(jax.value_and_grad(their_loss, (0, 1), has_aux=True))(
            {n: jnp.asarray(a) for n, a in arrays.items()}, jnp.asarray(xs)
        )
    # A parameter's gradient is found by moving it: the change of the framework's arrays, dotted with their gradients.
    close(hs, theirs, allowed, "outputs")
    close(by_xs, their_xs, allowed, "gradients of the inputs")
    zero = jax.tree.map(np.zeros_like, stack.layers)
    base = side.dump(convert.Stack(stack.cell, zero))
    rng = np.random.default_rng(2)
    for n, layer in enumerate(stack.layers):
        for d, params in enumerate(layer):
            for key, value in params.items():
                move = rng.standard_normal(value.shape).astype(value.dtype)
                if key == "b_hn" and name == "nnx":
                    continue
                moved = jax.tree.map(np.copy, zero)
                moved[n][d][key][...] = move
                change = side.dump(convert.Stack(stack.cell, moved))
                slope = sum(
                    np.sum((change[a] - base[a]).astype(np.float64) * np.asarray(by_arrays[a], np.float64))
                    for a in arrays
                )
                close(
                    np.sum(np.asarray(by_layers[n][d][key], np.float64) * move),
                    slope,
                    10 * allowed,
                    f"gradient of {key}, layer {n}",
                )


def close(ours, theirs, allowed, what):
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    error = np.max(np.abs(ours - theirs)) / max(1.0, np.max(np.abs(theirs)))
    assert error <= allowed, f"{what} differ by {error:.1e}"


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("case", CELLS)
def test_outputs_and_gradients_equal_the_framework(name, case):
    dtype, allowed = PRECISION[name]
    with jax.enable_x64(dtype == "float64"):
        stack = draw(CELLS[case], inputs=2, depth=1, directions=1, seed=0, dtype=dtype)
        if (case, name) in REFUSED:
            with pytest.raises(UserError, match=r"cannot go to|has no place|has relu only"):
                framework(name).dump(stack)
            return
        compare(name, stack, np.random.default_rng(3).standard_normal((2, 5, 2)).astype(dtype), allowed)


@pytest.mark.parametrize("name", PACKAGES)
def test_bidirectional_stacks(name):
    dtype, allowed = PRECISION[name]
    case = "gru_before" if name == "haiku" else "gru_no_bias" if name == "nnx" else "gru"
    with jax.enable_x64(dtype == "float64"):
        stack = draw(CELLS[case], inputs=2, depth=2, directions=2, seed=0, dtype=dtype)
        compare(name, stack, np.random.default_rng(3).standard_normal((2, 4, 2)).astype(dtype), allowed)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PACKAGES)
def test_fifty_random_shapes(name, dtype):
    if name == "keras" and dtype == "float64":
        return  # see PRECISION
    draws, fitting = random.Random(0), [case for case in CELLS if (case, name) not in REFUSED]
    with jax.enable_x64(dtype == "float64"):
        for seed in range(50):
            batch, time, inputs, hidden = (draws.randint(1, high) for high in (4, 12, 9, 9))
            cell = cells.create(
                cells.name_of(CELLS[case := draws.choice(fitting)]), **{**vars(CELLS[case]), "hidden": hidden}
            )
            stack = draw(cell, inputs, draws.choice([1, 1, 2]), draws.choice([1, 1, 2]), seed, dtype)
            xs = np.random.default_rng(seed).standard_normal((batch, time, inputs)).astype(dtype)
            compare(name, stack, xs, 1e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("case", CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_come_back_bit_for_bit(name, case, dtype):
    if (case, name) in REFUSED:
        return
    stack = draw(CELLS[case], inputs=2, depth=2, directions=2, seed=0, dtype=dtype)
    side = convert.get(name)
    fields = {"nonlinearity": stack.cell.nonlinearity} if "rnn" in case else {}
    back = side.load(side.dump(stack), **fields)
    assert cells.name_of(back.cell) == cells.name_of(stack.cell)
    for before, after in zip(stack.layers, back.layers, strict=True):
        for one, other in zip(before, after, strict=True):
            for key, value in one.items():
                if (name, case, key) == ("haiku", "lstm", "b_f"):  # stored less 1
                    np.testing.assert_allclose(other[key], value, rtol=0, atol=2 * np.finfo(dtype).eps)
                else:
                    assert other[key].dtype == value.dtype
                    np.testing.assert_array_equal(other[key], value)
