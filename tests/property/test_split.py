"""The split, on steps that nobody wrote: random chains of equations must run as a plain `lax.scan` would."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gru_lab.recurrence import Masks, Reference, Sequential
from gru_lab.recurrence.layout import Layout
from gru_lab.recurrence.sequential import LaidOut

WIDTH = 3
EXAMPLES = int(os.environ.get("EXAMPLES", "10"))  # of other steps each time the tests run; set it higher to search
QUICKLY = {"xla_backend_optimization_level": 0}
UNARY = {"tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "softplus": jax.nn.softplus}
# Each instruction combines two values of the list so far (weights, inputs, states, what was computed before).
INSTRUCTIONS = st.tuples(
    st.sampled_from(["product", "other way", "times", "plus", "called", *UNARY]),
    st.integers(0, 99),
    st.integers(0, 99),
)


def program(instructions, nested):
    """A step whose state is a pytree: of its equations some need parameters only, some the input, some the state."""

    def step(params, state, x):
        vectors = [state["h"], state["more"][0], x, params["b"], jnp.tanh(params["b"])]
        matrices = [params["U"], params["V"], params["U"] @ params["V"]]  # the last is made of parameters only
        for name, i, j in instructions:
            a, b, m = vectors[i % len(vectors)], vectors[j % len(vectors)], matrices[j % len(matrices)]
            if name == "product":
                new = a @ m
            elif name == "other way":
                new = m @ a
            elif name == "times":
                new = a * b
            elif name == "plus":
                new = a + b
            elif name == "called":
                new = jax.jit(lambda a, m: jnp.sin(a @ m))(a, m)
            else:
                new = UNARY[name](a)
            vectors.append(0.7 * new)
        count = state["count"] + 1
        return {"h": jnp.tanh(vectors[-1]), "more": (0.5 * vectors[-2] + 0.1 * vectors[0],), "count": count}

    return jax.jit(step) if nested else step


LAYOUTS = st.builds(
    Layout,
    **dict.fromkeys(["fuse", "transpose", "common", "defer", "hoist", "remat"], st.booleans()),
    store=st.sampled_from(["gates", "states"]),
    block=st.integers(1, 8),
    unroll=st.integers(1, 3),
)


def outcome(method, step, params, state, xs, masks, reverse):
    """The final state, the outputs and all gradients."""

    def loss(params, floats, xs):
        start = {**floats, "count": state["count"]}
        initial = {"h": params["b"], "more": (0 * params["b"],), "count": jnp.zeros((), jnp.int32)}
        read = lambda s: s["h"] + s["more"][0]  # noqa: E731
        final, hs = method.run(step, read, params, start, xs, Masks(**masks, initial=initial), reverse)
        weights = jnp.cos(jnp.arange(hs.size)).reshape(hs.shape)
        return jnp.vdot(weights, hs) + jnp.sin(final["more"][0]).sum(), (final, hs)

    floats = {"h": state["h"], "more": state["more"]}
    graded = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)
    return jax.jit(graded, compiler_options=QUICKLY)(params, floats, xs)


@example(  # the input, and all weights, reach nothing
    instructions=[("times", 0, 0), ("times", 0, 0)],
    time=3,
    batch=2,
    layout=Layout(),
    reverse=False,
    nested=False,
    masked=set(),
    seed=0,
)
@example(  # W (W h): the batch stands last between the products
    instructions=[("other way", 0, 0), ("other way", 5, 0)],
    time=3,
    batch=2,
    layout=Layout(),
    reverse=False,
    nested=False,
    masked=set(),
    seed=0,
)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    instructions=st.lists(INSTRUCTIONS, max_size=7),
    time=st.integers(1, 7),
    batch=st.integers(1, 3),
    layout=LAYOUTS,
    reverse=st.booleans(),
    nested=st.booleans(),
    masked=st.sets(st.sampled_from(["counts", "resets"])),
    seed=st.integers(0, 9),
)
def test_random_steps_run_as_a_plain_scan(instructions, time, batch, layout, reverse, nested, masked, seed):
    with jax.enable_x64(True):
        draw = np.random.default_rng(seed)
        params = {k: jnp.asarray(0.6 * draw.standard_normal((WIDTH, WIDTH))) for k in "UV"}
        params["b"] = jnp.asarray(draw.standard_normal(WIDTH))
        vectors = [jnp.asarray(draw.standard_normal((batch, WIDTH))) for _ in range(2)]
        state = {"h": vectors[0], "more": (vectors[1],), "count": jnp.zeros(batch, jnp.int32)}
        xs = jnp.asarray(draw.standard_normal((time, batch, WIDTH)))
        masks = {name: jnp.asarray(draw.random((time, batch)) < 0.5) for name in sorted(masked)}
        step = program(instructions, nested)
        methods = LaidOut(layout=layout), Reference()
        pair = [outcome(method, step, params, state, xs, masks, reverse) for method in methods]
        for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_no_recurrence_at_all(float64):
    """A step that forgets its state needs no loop, and its gradients still flow."""
    params, xs = {"W": jnp.eye(WIDTH) * 0.5}, jnp.ones((5, 2, WIDTH))

    def loss(method):
        def of(params, xs):
            step, start = (lambda p, _, x: jnp.tanh(x @ p["W"])), jnp.zeros((2, WIDTH))
            return method.run(step, lambda s: s, params, start, xs, Masks(), False)[1].sum()

        return jax.tree.leaves(jax.grad(of, (0, 1))(params, xs))

    for a, b in zip(loss(Sequential()), loss(Reference()), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_side_effects_fall_back_with_a_note():
    def step(params, state, x):
        jax.debug.print("{}", state.sum())
        return jnp.tanh(state @ params["U"] + x)

    with pytest.warns(UserWarning, match=r"plain lax\.scan.*side effects"):
        Sequential().run(step, lambda s: s, {"U": jnp.eye(2)}, jnp.ones((1, 2)), jnp.ones((3, 1, 2)), Masks(), False)
